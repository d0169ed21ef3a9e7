"""Write a config for your own files, or lay out Slurm scripts, example configs and documents."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .command import describe, message_of, with_streams

BESIDE = Path(__file__).resolve().parents[1]  # of configs/, slurm/ and docs/, also in a wheel
CLUSTER_FOLDERS = ("slurm", "configs", "docs")
EXAMPLES = (
    "my.toml --expression matrix.tsv.gz --samples samples.tsv --scale counts",
    "--slurm",
)


class Init:
    """The command `tumorcam init`, which needs no config."""

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments and examples."""
        describe(parser, "init", __doc__, EXAMPLES)
        parser.add_argument("config", nargs="?", type=Path, help="TOML file to write")
        parser.add_argument("--expression", default="", help="expression matrix")
        parser.add_argument("--samples", default="", help="samples table")
        parser.add_argument("--scale", default="log2", help="what the values are (default: log2)")
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
    from tumorcam.operations.starter import copy_folders, write_config

    try:
        if args.config is not None:
            write_config(args.config, args.expression, args.samples, args.scale)
            print(f"wrote {args.config}; next: tumorcam prepare {args.config} --dry-run")
        if args.slurm:
            sources = [BESIDE / name for name in CLUSTER_FOLDERS]
            print("wrote", *copy_folders(sources, Path.cwd()), sep="\n  ")
    except Exception as error:
        say(f"error: {message_of(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
