#!/usr/bin/env bash
# Submits a whole run, each stage behind the one before it; run it in the project's folder:
# slurm/pipeline.sh [CONFIG] [--set section.key=value ...]
set -euo pipefail
SLURM_SUBMIT_DIR=$PWD
source slurm/start.sh
mkdir -p runs/slurm

job=""
submit() { # STAGE [OPTION ...], with "${arguments[@]}"
    local stage=$1 site="TUMORCAM_${1^^}_SBATCH"
    shift
    # shellcheck disable=SC2086 # the site's options are words
    job=$(sbatch --parsable --kill-on-invalid-dep=yes ${job:+--dependency=afterok:$job} \
        "$@" ${!site:-} "slurm/$stage.sh" "${arguments[@]}")
    job=${job%%;*}
    echo "$stage: job $job"
}

arguments=("$@")
array=$("$TUMORCAM_PYTHON" -m jobs.status "$@" --train-array)
submit prepare --output=runs/slurm/%x-%j.out
[ -z "$array" ] || submit train --array="$array" --output=runs/slurm/%x-%A-%a.out
submit explain --output=runs/slurm/%x-%j.out
submit reduce --output=runs/slurm/%x-%j.out
submit faithfulness --output=runs/slurm/%x-%j.out
submit report --output=runs/slurm/%x-%j.out

echo "If a job fails, those behind it are cancelled; why, stands in runs/slurm/ and in the run's logs/."
printf 'What is there, and what is missing:      %s -m jobs.status' "$TUMORCAM_PYTHON"
printf ' %q' "$@"
printf '\nTo go on, with all that is done kept:     slurm/pipeline.sh'
printf ' %q' "$@"
echo
