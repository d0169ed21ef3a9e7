#!/usr/bin/env bash
# Trains one network: element i of the array trains the i-th network of the plan; one element trains the baselines.
# sbatch --array=0-40 slurm/train.sh [CONFIG] [options]      (tumorcam status CONFIG prints the missing elements)
# With --nodes=N, N workers train one network together. Without --array all networks are trained in turn.
#SBATCH --job-name=tumorcam-train
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=1 "$TUMORCAM_PYTHON" -m tumorcam.jobs train "$@"
