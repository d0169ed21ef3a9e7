"""What every job's command line shares: the config, overrides, dry runs, errors as one message."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tumorcam.cluster import preemption
from tumorcam.cluster.logs import DONE, ERROR, STOPPED, end_logging, logger
from tumorcam.config import Config, load_config
from tumorcam.errors import PreemptedError, TumorcamError

MAX_CHARACTERS = 500  # of an unexpected error in the log; TensorFlow's fill pages


def parser(job: str, description: str, *examples: str) -> argparse.ArgumentParser:
    """A parser with CONFIG, `--set` and `--dry-run`; `examples` are the words after the job."""
    shown = "\n".join(f"  python -m jobs.{job} {example}" for example in examples)
    made = argparse.ArgumentParser(
        prog=f"python -m jobs.{job}",
        description=description,
        epilog=f"examples:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("config", type=Path, metavar="CONFIG", help="TOML file with the settings")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="overrides",
        help="override a setting; may be given several times",
    )
    made.add_argument(
        "--null",
        type=int,
        metavar="N",
        help="null replicates on permuted labels; as --set layout.nulls=N",
    )
    made.add_argument(
        "--dry-run", action="store_true", help="print the plan and its cost, and do nothing"
    )
    return made


def arguments(args: argparse.Namespace) -> list[str]:
    """The config and overrides as another job's command line."""
    return [str(args.config), *(word for text in _overrides(args) for word in ("--set", text))]


def run(args: argparse.Namespace, body: Callable[[Config], None]) -> int:
    """Load the config and call `body`; the exit code: 0, or 1 after one clear message.

    The job's log ends with `done` or with one line that begins with `error`. At a notice it ends
    with `stopped` and the exit code is 75: the same command goes on.
    """
    try:
        with preemption.stop_on_signal():
            body(load_config(args.config, _overrides(args)))
    except PreemptedError as stop:
        message = f"{STOPPED}: {stop}; what is done is kept, the same command goes on"
        print(message, file=sys.stderr)
        end_logging(message)
        return preemption.EXIT_CODE
    except TumorcamError as error:
        message = "\n".join([f"{ERROR}: {error}", *getattr(error, "__notes__", [])])
        if logger.handlers:
            logger.error(message)
        else:
            print(message, file=sys.stderr)
        end_logging()
        return 1
    except BaseException as error:  # the traceback goes to standard error
        words = " ".join(str(error).split())[:MAX_CHARACTERS]
        end_logging(f"{ERROR}: {type(error).__name__}: {words}")
        raise
    end_logging(DONE)
    return 0


def _overrides(args: argparse.Namespace) -> list[str]:
    nulls = [] if args.null is None else [f"layout.nulls={args.null}"]
    return [*args.overrides, *nulls]
