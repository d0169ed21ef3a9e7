#!/usr/bin/env bash
# Classifies new samples of a folder that `tumorcam apply --until prepare` has made. Array tasks and their
# ranks divide the blocks and skip finished ones; the last one writes the calls.
# If a rank dies, the others continue.
# sbatch [--array=0-N] [--ntasks=M] slurm/classify.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-classify
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=0 --wait=0 "$TUMORCAM_PYTHON" -m tumorcam.jobs classify "$@"
