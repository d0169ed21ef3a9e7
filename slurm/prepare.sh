#!/usr/bin/env bash
# Prepares the cohort and the plan. If the config names no input, it makes a synthetic cohort first.
# sbatch slurm/prepare.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-prepare
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=1 "$TUMORCAM_PYTHON" -m tumorcam.jobs run "$@" --until prepare
