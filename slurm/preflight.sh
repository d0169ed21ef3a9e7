#!/usr/bin/env bash
# Checks what the site gives the ranks of a job. Each check is a line, with its remedy; exit code 1 if any is red.
# source slurm/site.env && sbatch $TUMORCAM_SBATCH $TUMORCAM_EXPLAIN_SBATCH --array=0 slurm/preflight.sh [CONFIG]
#SBATCH --job-name=tumorcam-preflight
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=00:10:00
set -euo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"

echo "nodes:     $SLURM_JOB_NODELIST"
echo "MPI types: $(srun --mpi=list 2>&1 | tr -s '\n\t ' ' ')"
# No rank ends the others, so that each prints all its checks.
exec srun --kill-on-bad-exit=0 --wait=0 "$TUMORCAM_PYTHON" -m tumorcam.jobs preflight "$@"
