"""What all jobs share: their command line, their config, and how they end.

This module and the top of each job import nothing heavy, so that `--help` is instant.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorcam.cluster.launcher import Launch, Share
    from tumorcam.cohort.cohort import Cohort
    from tumorcam.settings.config import Config
    from tumorcam.storage.plan import Plan
    from tumorcam.storage.run_folder import RunFolder

WORKER_FAILED = 76  # above the 75 of peers that srun stops for it: srun answers the highest code
APPLY = "apply"
PLACE = ("run.folder=", "run.name=")  # overrides that name the run
NOT_FOR_NEW = (APPLY, "synthesize", "prepare", "train", "faithfulness", "export")
MAX_CHARACTERS = 500  # of an unexpected error in the log; TensorFlow's fill pages


@dataclass(frozen=True)
class Job:
    """What the body of a job works with: settings, options, the run's files and the launcher."""

    config: "Config"
    args: argparse.Namespace
    run: "RunFolder"
    launch: "Launch"
    overrides: tuple[str, ...] = ()

    @property
    def plan(self) -> "Plan":
        """The plan of the run, held against its cohort and the settings."""
        from tumorcam.cohort.cohort import planned

        return planned(self.run, self.config)

    def require_current(self, *stages: str, **options: Any) -> None:
        """Refuse files of other settings or sources; see `audit.require_current`."""
        from tumorcam.operations.audit import require_current

        require_current(self.config, stages, **options)

    def share(self, text: str | None) -> "Share":
        """This process's share of the work: of the array, or of `--share`, and among its ranks."""
        from tumorcam.cluster.launcher import Share, parse_share

        task = parse_share(text) if text else self.launch.array_share
        rank = self.launch.share
        return Share(task.index * rank.count + rank.index, task.count * rank.count)

    @property
    def cohort(self) -> "Cohort":
        """The samples, each with the tumor that it is explained for; see `calls.explained_cohort`.

        Their expression is read from a copy in the node's scratch folder, where there is one.
        """
        from tumorcam.applied.calls import explained_cohort
        from tumorcam.cohort.local_copy import local_cohort

        cohort = local_cohort(self.run.cohort, self.config, self.launch.scratch_folder)
        return explained_cohort(self.run, cohort, self.config)

    def print_left(self, stage: str, *plan: str) -> int:
        """Print a stage's plan, and what is left of it at which cost; 0, for a dry run."""
        from tumorcam.operations.work_left import stage_lines

        print(*stage_lines(self.config, stage, self.launch, plan), sep="\n")
        return 0

    @property
    def command_line(self) -> list[str]:
        """The config and all overrides, those of the run's start included, for another job."""
        return [str(self.args.config), *(w for o in self.overrides for w in ("--set", o))]


def no_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


@dataclass(frozen=True)
class Command:
    """A job: its name, what it does, its options, and its body, which returns the exit code.

    `has_workers` if several of its processes may train one model together. `strict` if it refuses
    a run whose config.toml is damaged.
    """

    name: str
    description: str
    body: Callable[[Job], int]
    examples: tuple[str, ...]
    add_options: Callable[[argparse.ArgumentParser], None] = no_options
    has_workers: bool = False
    strict: bool = True

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add what all jobs take, then this one's own options and examples."""
        describe(parser, self.name, self.description, self.examples)
        parser.add_argument(
            "config",
            type=Path,
            metavar="CONFIG",
            help="TOML file with the settings, or the folder of a run",
        )
        add_overrides(parser)
        parser.add_argument(
            "--null",
            type=int,
            metavar="N",
            help="number of null runs, trained on permuted labels; as --set layout.nulls=N",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print what is left to do and its cost, and do nothing",
        )
        self.add_options(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the option --set, which overrides settings."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="overrides",
        help="override a setting; may be given several times",
    )


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Add --samples, --tumors and --genes, by which the cost of a run is told before prepare."""
    for name in ("samples", "tumors", "genes"):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=0,
            metavar="N",
            help=f"number of {name}, for the cost of a run that is not prepared yet",
        )


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """Add --nodes and --cores, by which a dry run tells the wall time on several nodes."""
    parser.add_argument(
        "--nodes", default="", metavar="N,N", help="dry run: wall time on these numbers of nodes"
    )
    parser.add_argument(
        "--cores", type=int, default=0, metavar="N", help="dry run: cores of a node"
    )


def describe(
    parser: argparse.ArgumentParser, name: str, description: str, examples: Sequence[str]
) -> None:
    """Give a parser its description, and examples of its use."""
    lines = [f"  tumorcam {name} {example}" for example in examples]
    parser.description = description
    parser.epilog = "\n".join(["examples:", *lines])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(command: Command, argv: Sequence[str] | None = None) -> int:
    """Parse a command line and run the job; its exit code."""

    def parse_and_run() -> int:
        parser = argparse.ArgumentParser(prog=f"tumorcam {command.name}")
        command.fill_parser(parser)
        words = sys.argv[1:] if argv is None else argv
        return _run_body(command, parser.parse_args(argv), words)

    return with_streams(parse_and_run)


def with_streams(body: Callable[[], int]) -> int:
    """Call a function that prints; its exit code, 1 if standard output cannot be written."""
    from tumorcam.cluster import streams

    streams.open_streams()
    try:
        code = body()
    finally:  # also where argparse ends the process after its help
        fault = streams.flush_output()
        if fault:
            streams.say(f"error: {fault}")
    return code or int(bool(fault))


def message_of(error: Exception) -> str:
    """The message for a user; the traceback of what nobody foresaw goes to the log."""
    from tumorcam.cluster.logs import keep_traceback
    from tumorcam.errors import foreseeable

    words = " ".join(str(error).split())[:MAX_CHARACTERS]
    return foreseeable(error) or f"{type(error).__name__}: {words}; {keep_traceback()}"


def _run_body(command: Command, args: argparse.Namespace, words: Sequence[str]) -> int:
    """Load the config and call the job's body.

    The log ends with a record of how the job ended; `done` means exit code 0. What a user can act
    on is one message, and exit code 1; of anything else the traceback goes to the log. A signal
    that asks the job to stop gives exit code 75, Ctrl-C 130: then the same command goes on.
    """
    from tumorcam.cluster import preemption, quiet, streams
    from tumorcam.cluster.launcher import current_launch, prepare_tensorflow
    from tumorcam.cluster.logs import DONE, FAILED, STOPPED, logger
    from tumorcam.cluster.screen import clean_screen
    from tumorcam.errors import PreemptedError
    from tumorcam.storage.run_config import load_run
    from tumorcam.storage.run_folder import RunFolder

    prepare_tensorflow()
    launch = dataclasses.replace(current_launch(), command=(command.name, *words))
    try:
        with (
            preemption.stop_on_signal(),
            quiet.without_chatter(verbose=launch.is_verbose),
            clean_screen(),
        ):
            given = overrides(args)
            if command.name == APPLY:  # the others are of the new samples
                given = [text for text in given if text.startswith(PLACE)]
            config, every = load_run(args.config, given, strict=command.strict)
            _require_kind(command, config)
            _tell_remembered(args, config, every, launch)
            code = command.body(Job(config, args, RunFolder.of(config), launch, tuple(every)))
    except PreemptedError as stop:
        message = f"{stop}; what is done is kept, the same command goes on"
        if not launch.is_child:  # else its parent says so
            streams.say(message)
        return _end(command, preemption.exit_code(stop.signal), STOPPED, message)
    except Exception as error:
        if streams.is_pipe_closed():  # nobody reads on
            return _end(command, 1, FAILED, "standard output was closed")
        message = message_of(error)
        if logger.handlers:
            logger.error("error: %s", message)
        else:
            streams.say(f"error: {message}")
        return _end(command, 1, FAILED, message)
    except BaseException as error:  # such as Ctrl-C before a job takes the signal
        _end(command, 1, FAILED, f"{type(error).__name__}: {error}")
        raise
    if code:  # the body has said why
        return _end(command, code, FAILED, f"exit code {code}")
    return _end(command, code, DONE)


def _require_kind(command: Command, config: "Config") -> None:
    """Refuse to train on new samples, and to classify a run's own ones."""
    from tumorcam.errors import ConfigError

    if config.apply.run and command.name in NOT_FOR_NEW:
        msg = (
            f"{config.folder} has new samples, to which the networks of a run are applied; "
            f"`tumorcam {command.name}` takes the config or folder of that run"
        )
        raise ConfigError(msg)
    if command.name == "classify" and not config.apply.run:
        msg = (
            f"{config.folder} is a run with networks of its own, which train has judged; "
            "`tumorcam classify` takes a folder applied/NAME that `tumorcam apply` has made"
        )
        raise ConfigError(msg)


def _tell_remembered(
    args: argparse.Namespace, config: "Config", every: Sequence[str], launch: "Launch"
) -> None:
    """Say which overrides hold though this command line does not have them."""
    from tumorcam.cluster import streams
    from tumorcam.storage.run_folder import RunFolder

    earlier = [text for text in every if text not in overrides(args)]
    if earlier and not (launch.is_child or launch.share.index or args.config.is_dir()):
        own = RunFolder.of(config).config
        streams.say(f"with --set {' --set '.join(earlier)}, as at the run's start ({own})")


def _end(command: Command, code: int, state: str, error: str = "") -> int:
    """End the log and return the exit code; one worker of several ends here.

    A worker that fails has the exit code 76, so that Slurm's job fails and does not go back to the
    queue as it does when all workers stopped in time.
    """
    from tumorcam.cluster.logs import FAILED, end_logging
    from tumorcam.cluster.watchdog import end_process

    end_logging(state, error)
    if _is_worker(command):
        end_process(WORKER_FAILED if state == FAILED else code)
    return code


def _is_worker(command: Command) -> bool:
    """Whether this process trains a model together with others."""
    from tumorcam.cluster.launcher import current_launch

    return command.has_workers and "TF_CONFIG" in current_launch().variables


def overrides(args: argparse.Namespace) -> list[str]:
    """All `section.key=value` of a command line."""
    nulls = [] if args.null is None else [f"layout.nulls={args.null}"]
    return [*args.overrides, *nulls]
