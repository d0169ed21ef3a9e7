#!/usr/bin/env bash
# Prints what the site gives: time limit, MPI, CPUs and GPUs of each rank, file locks.
# source slurm/site.env && sbatch $TUMORCAM_EXPLAIN_SBATCH slurm/preflight.sh
#SBATCH --job-name=tumorcam-preflight
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=2
#SBATCH --time=00:10:00
set -uo pipefail
source "${SLURM_SUBMIT_DIR:-.}/slurm/start.sh"

echo "time limit:  $(squeue --noheader --job "$SLURM_JOB_ID" --format=%l)"
echo "nodes:       $SLURM_JOB_NODELIST"
echo "MPI types:   $(srun --mpi=list 2>&1 | tr '\n' ' ')"
mkdir -p runs
echo "file locks:  $(flock --nonblock runs/.preflight true && echo work || echo 'fail: export HDF5_USE_FILE_LOCKING=FALSE in slurm/site.env')"
rm -f runs/.preflight

echo "ranks, as srun --mpi=${SLURM_MPI_TYPE:-(the default)} starts them:"
srun --label "$TUMORCAM_PYTHON" -m mpi4py -c '
from tumorcam import cluster, ranks
peers = ranks.connect()
library = ranks.MPI.Get_library_version().splitlines()[0] if ranks.MPI else ranks.NO_MPI_REASON
print(f"rank {peers.rank} of {peers.size}, {cluster.n_cpus()} CPUs, {library}")
'
echo "how each rank would explain:"
srun --label "$TUMORCAM_PYTHON" -m tumorcam.saliency.selftest
