#!/usr/bin/env bash
# Submits the stages that a run still lacks; each starts after the one before it. Run it in the
# project's folder:
# slurm/pipeline.sh [CONFIG] [--set section.key=value ...]
set -euo pipefail
SLURM_SUBMIT_DIR=$PWD
source slurm/start.sh

todo=$("$TUMORCAM_PYTHON" -m tumorcam.jobs status "$@" --submissions)
if [ -z "$todo" ]; then
    echo "all is there"
    exit
fi
mkdir -p "$(head -n 1 <<<"$todo")" # Slurm writes there; if it is missing, a job ends without a message

stage="" ids="" before="" # the stage that is being submitted, its jobs, and the jobs of the stage before it
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
