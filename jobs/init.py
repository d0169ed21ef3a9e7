"""Write a config for your own files, or lay out Slurm scripts, example configs and documents."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .command import describe, message_of, with_streams

if TYPE_CHECKING:
    from tumorcam.operations.starter import Choices

BESIDE = Path(__file__).resolve().parents[1]  # of configs/, slurm/ and docs/, also in a wheel
CLUSTER_FOLDERS = ("slurm", "configs", "docs")
EXAMPLES = (
    "my.toml matrix.tsv.gz samples.tsv",
    "my.toml counts/ gdc_sample_sheet.tsv --scale counts",
    "my.toml",
    "--slurm",
)


class Init:
    """The command `tumorcam init`, which needs no config."""

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments and examples."""
        describe(parser, "init", __doc__, EXAMPLES)
        parser.add_argument("config", nargs="?", type=Path, help="TOML file to write")
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="your files, which are read for the choices"
        )
        parser.add_argument("--expression", default="", help="expression matrix, not read")
        parser.add_argument("--samples", default="", help="samples table, not read")
        parser.add_argument("--scale", default="", help="what the values are (default: log2)")
        parser.add_argument(
            "--slurm",
            action="store_true",
            help=f"copy {', '.join(CLUSTER_FOLDERS)} into this folder",
        )


COMMAND = Init()


def main(argv: Sequence[str] | None = None) -> int:
    """Write what was asked for; the exit code."""
    return with_streams(lambda: _write(argv))


def _write(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="tumorcam init")
    COMMAND.fill_parser(parser)
    args = parser.parse_args(argv)
    if args.config is None and not args.slurm:
        parser.error("name the config to write, or pass --slurm")
    from tumorcam.cluster.streams import say
    from tumorcam.operations.starter import copy_folders, require_new, write_config

    try:
        if args.config is not None:
            require_new(args.config)
            write_config(args.config, _choices(args))
            print(f"wrote {args.config}; next: tumorcam prepare {args.config} --dry-run")
        if args.slurm:
            sources = [BESIDE / name for name in CLUSTER_FOLDERS]
            print("wrote", *copy_folders(sources, Path.cwd()), sep="\n  ")
    except Exception as error:
        say(f"error: {message_of(error)}")
        return 1
    return 0


def _choices(args: argparse.Namespace) -> "Choices":
    """The choices for the files, which are read if they are named without options."""
    from tumorcam.operations.inspection import choices_for
    from tumorcam.operations.starter import Choices

    if args.files:
        from tumorcam.cluster.launcher import current_launch

        return choices_for(args.files, args.scale, current_launch(), print)
    expression, samples = ([name] if name else [] for name in (args.expression, args.samples))
    return Choices(expression, samples, args.scale or "log2")


if __name__ == "__main__":
    sys.exit(main())
