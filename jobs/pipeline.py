"""All stages of a run on this machine, in order; each does only what is missing."""

import argparse
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness", "report")
NEW_SAMPLES = ("classify", "explain", "reduce", "report")  # the stages after `tumorcam apply`
MPI = {"reduce", "faithfulness"}  # mpi4py ends all ranks when one fails
RANKS = {"classify", "explain", *MPI}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --ranks and --until, and for a dry run the sizes and the nodes."""
    parser.add_argument(
        "--ranks", type=int, help="processes of each parallel stage; default: CPUs / threads"
    )
    choices = dict.fromkeys([*STAGES, *NEW_SAMPLES])
    parser.add_argument("--until", choices=choices, default=STAGES[-1], help="last stage to run")
    command.add_sizes(parser)
    command.add_nodes(parser)


def run_stages(job: Job) -> int:
    """Run the stages that are not finished; the exit code of the first that fails.

    Raises
    ------
    ConfigError
        If --until names no stage of this run.
    """
    from tumorcam.errors import ConfigError
    from tumorcam.operations.run_progress import RunDisplay
    from tumorcam.operations.stages import unfinished_stages
    from tumorcam.operations.work_left import n_ranks_of
    from tumorcam.storage.run_config import write_run_config

    n_ranks = n_ranks_of(job.config, job.args.ranks)
    every = NEW_SAMPLES if job.run.networks else STAGES
    if job.args.until not in every:
        raise ConfigError(f"--until {job.args.until}: {job.run.root} has {', '.join(every)}")
    stages = every[: every.index(job.args.until) + 1]
    if job.args.dry_run:
        return _print_left(job, stages, n_ranks)
    job.require_current("models", "shards", settings_alone=True)
    environment = job.launch.child_environment(job.config.run.threads_per_rank)
    unfinished = unfinished_stages(job.config, stages)
    if "prepare" not in unfinished and job.run.config.exists():  # else prepare writes it
        write_run_config(job.config, job.overrides)
    with RunDisplay(job.config, unfinished, n_ranks=n_ranks) as display:
        for stage in unfinished:
            if display.run(stage, stage_commands(stage, job, n_ranks), environment):
                break
    if display.exit_code:
        _print_failure(job, stage, display.exit_code)
        return display.exit_code
    print(*display.cost_lines(), sep="\n", end="\n" * bool(unfinished))
    print(f"all is there: {job.run.page}" if stages == every else "done")
    return 0


def stage_commands(stage: str, job: Job, n_ranks: int) -> list[list[str]]:
    """The commands of a stage, which run side by side."""
    from tumorcam.cluster.processes import find_mpiexec

    module = ["-m", __package__, stage, *job.command_line]
    if stage == "train":
        shares = [["--share", f"{i}/{n_ranks}"] for i in range(n_ranks)]
        return [[sys.executable, *module, *share] for share in shares]
    if stage in RANKS and n_ranks > 1:
        launcher = [find_mpiexec(), "-n", str(n_ranks), sys.executable]
        return [[*launcher, *(["-m", "mpi4py"] if stage in MPI else []), *module]]
    return [[sys.executable, *module]]


def _print_left(job: Job, stages: Sequence[str], n_ranks: int) -> int:
    """Print what is left, what it costs, and the commands that would do it."""
    from tumorcam.operations.node_table import whole_run_lines
    from tumorcam.operations.work_left import left_lines, work_left

    args = job.args
    if args.nodes or args.samples or args.tumors or args.genes:
        print(*whole_run_lines(job.config, args, n_ranks), sep="\n")
        return 0
    works = work_left(job.config, stages, n_ranks=n_ranks)
    commands = [words for work in works for words in stage_commands(work.stage, job, n_ranks)]
    print(*left_lines(job.config, works, n_ranks=n_ranks, commands=commands), sep="\n")
    return 0


def _print_failure(job: Job, stage: str, code: int) -> None:
    """Print why a stage failed, by its logs, and the command that goes on."""
    from tumorcam.operations.job_endings import failure_lines

    words = ["tumorcam", "run", *job.command_line]
    words += ["--ranks", str(job.args.ranks)] if job.args.ranks else []
    words += ["--until", job.args.until] if job.args.until != STAGES[-1] else []
    print(*failure_lines(job.run.logs, stage, code, words), sep="\n", file=sys.stderr)


COMMAND = Command(
    "run", __doc__, run_stages, ("configs/demo.toml", "configs/demo.toml --ranks 4"), add_options
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
