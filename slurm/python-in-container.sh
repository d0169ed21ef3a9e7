#!/usr/bin/env bash
# Starts the Python of the container. In slurm/site.env: export TUMORCAM_PYTHON=slurm/python-in-container.sh
# TUMORCAM_CONTAINER          the image, by default tumorcam.sif
# TUMORCAM_CONTAINER_OPTIONS  words for `apptainer exec`, such as --nv (GPUs) and --bind (data, the site's MPI)
set -euo pipefail
# shellcheck disable=SC2086 # the site's options are words
exec apptainer exec ${TUMORCAM_CONTAINER_OPTIONS:-} "${TUMORCAM_CONTAINER:-tumorcam.sif}" python "$@"
