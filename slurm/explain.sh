#!/usr/bin/env bash
# Explains the held-out samples: array tasks x MPI ranks share the shards; finished ones are skipped.
# sbatch [--array=0-N] [--ntasks=M] slurm/explain.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-explain
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
exec srun --kill-on-bad-exit=1 "$TUMORCAM_PYTHON" -m mpi4py -m jobs.explain "$@"
