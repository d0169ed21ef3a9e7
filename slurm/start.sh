# shellcheck shell=bash
# Sourced by every script here: go to the project, read the site's settings, find the config.
cd "${SLURM_SUBMIT_DIR:-.}"
source slurm/site.env
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # from Slurm 22.05 srun does not inherit it
export OMP_NUM_THREADS="$SRUN_CPUS_PER_TASK" OPENBLAS_NUM_THREADS="$SRUN_CPUS_PER_TASK"
case "${1:--}" in
-*) set -- "${TUMORCAM_CONFIG:-configs/demo.toml}" "$@" ;;
esac

# Runs the job under srun. When the site's warning signal comes (sbatch --signal=B:...), it is passed on to the
# processes, which stop in time, and the job goes back to the queue. The same happens if Slurm has sent them SIGTERM
# itself, which gives exit code 75.
run_step() { # SRUN-OPTION ... COMMAND ...
    local signal=${TUMORCAM_NOTICE:-USR1@120} warned="" ended="" code=0 step
    signal=${signal%%@*}
    trap 'warned=1; kill -s "$signal" "${step:-}" || true' "$signal" # srun passes it on
    trap 'ended=1' TERM                                              # scancel, or the time is over
    srun "$@" &
    step=$!
    [ -z "$warned" ] || kill -s "$signal" "$step" || true # the signal came before srun had started
    while kill -0 "$step" 2>/dev/null; do wait "$step" || true; done # a signal ends `wait`, too
    wait "$step" || code=$?
    if [ "$code" != 0 ] && [ -z "$ended" ] && { [ -n "$warned" ] || [ "$code" = 75 ]; }; then
        go_on_later "${SLURM_RESTART_COUNT:-0}" "${TUMORCAM_REQUEUES:-10}"
    fi
    return "$code"
}

go_on_later() { # TIMES-SO-FAR TIMES-AT-MOST
    if [ "$1" -ge "$2" ]; then
        echo "tumorcam: stopped before its end $(($1 + 1)) times, TUMORCAM_REQUEUES is $2; submit it again: it goes on"
    else
        echo "tumorcam: stopped before its end; back to the queue, time $(($1 + 1)) of $2 at most"
        scontrol requeue "$SLURM_JOB_ID" || echo "tumorcam: submit it again: it goes on"
    fi
} >&2
