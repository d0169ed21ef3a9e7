# shellcheck shell=bash
# Sourced by every script here: go to the project, read the site's settings, find the config.
cd "${SLURM_SUBMIT_DIR:-.}"
source slurm/site.env
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # from Slurm 22.05 srun does not inherit it
case "${1:--}" in
-*) set -- "${TUMORCAM_CONFIG:-configs/demo.toml}" "$@" ;;
esac
