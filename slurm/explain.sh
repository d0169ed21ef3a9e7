#!/usr/bin/env bash
# Explains the held-out samples. Array tasks and their ranks divide the shards and skip finished ones.
# If a rank dies, the others continue.
# sbatch [--array=0-N] [--ntasks=M] slurm/explain.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-explain
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=0 --wait=0 "$TUMORCAM_PYTHON" -m tumorcam.jobs explain "$@"
