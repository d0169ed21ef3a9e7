#!/usr/bin/env bash
# Tests the rankings: deletes genes, compares with permuted labels, retrains. MPI ranks divide the samples.
# sbatch [--ntasks=M] slurm/faithfulness.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-faithfulness
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=1 "$TUMORCAM_PYTHON" -m mpi4py -m tumorcam.jobs faithfulness "$@"
