#!/usr/bin/env bash
# Submits what a run still lacks, each stage behind the one before it; run it in the project's folder:
# slurm/pipeline.sh [CONFIG] [--set section.key=value ...]
set -euo pipefail
SLURM_SUBMIT_DIR=$PWD
source slurm/start.sh

todo=$("$TUMORCAM_PYTHON" -m tumorcam.jobs status "$@" --submissions)
if [ -z "$todo" ]; then
    echo "all is there"
    exit
fi
mkdir -p "$(head -n 1 <<<"$todo")" # where Slurm writes; a job without it ends and says nothing

stage="" ids="" before="" # of the stage that is being submitted, and of the one before it
while IFS=$'\t' read -ra words; do
    if [ "${words[0]}" != "$stage" ]; then
        stage=${words[0]} before=$ids ids=""
    fi
    job=$(sbatch --parsable --kill-on-invalid-dep=yes ${before:+"--dependency=afterok$before"} \
        "${words[@]:1}" "slurm/$stage.sh" "$@") || {
        echo "$stage was not submitted; scancel the jobs before it, then run this again" >&2
        exit 1
    }
    ids+=:${job%%;*}
    echo "$stage: job ${job%%;*}"
done < <(tail -n +2 <<<"$todo")

echo "If a job fails, those behind it are cancelled. Why, and what is missing:"
printf '    %s -m tumorcam.jobs status' "$TUMORCAM_PYTHON"
printf ' %q' "$@"
printf '\nTo go on, with all that is done kept:\n    slurm/pipeline.sh'
printf ' %q' "$@"
echo
