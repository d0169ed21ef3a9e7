#!/usr/bin/env bash
# Checks every shard and computes the statistics; MPI ranks divide the genes.
# sbatch [--ntasks=M] slurm/reduce.sh [CONFIG] [options]
#SBATCH --job-name=tumorcam-reduce
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"
run_step --kill-on-bad-exit=1 "$TUMORCAM_PYTHON" -m mpi4py -m tumorcam.jobs reduce "$@"
