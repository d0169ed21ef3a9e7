#!/usr/bin/env bash
# The container's python, for jobs: export TUMORCAM_PYTHON=slurm/python-in-container.sh in slurm/site.env.
# TUMORCAM_CONTAINER          the image, by default tumorcam.sif
# TUMORCAM_CONTAINER_OPTIONS  words for `apptainer exec`, such as --nv (GPUs) and --bind (data, the site's MPI)
set -euo pipefail
# shellcheck disable=SC2086 # the site's options are words
exec apptainer exec ${TUMORCAM_CONTAINER_OPTIONS:-} "${TUMORCAM_CONTAINER:-tumorcam.sif}" python "$@"
