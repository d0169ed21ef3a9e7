"""Compare two finished runs: CONFIG is run A, B the other one, of any settings, genes or tumors.

It prints accuracy, agreement of the rankings and learned genes, and writes a page and tables to
compare/NAME_OF_A/ in B's folder.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tumorcam.settings import METHODS

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add run B, the ranking and the folder."""
    add = parser.add_argument
    add("other", type=Path, metavar="B", help="run B: its config or folder; CONFIG is run A")
    add("--method", choices=METHODS, default="", help="default: report.method of A")
    add("--view", choices=("own", "contrast"), default="", help="default: report.view of A")
    add("--out", type=Path, metavar="FOLDER", help="folder of the page and the tables")


def compare(job: Job) -> int:
    """Print the comparison, and write it unless this is a dry run."""
    from tumorcam.report.comparison import compare_runs
    from tumorcam.report.comparison_page import (
        comparison_sources,
        comparison_text,
        write_comparison,
    )
    from tumorcam.report.result_folder import require_place
    from tumorcam.storage.run_config import load_run
    from tumorcam.storage.run_folder import RunFolder

    args = job.args
    given = [text for text in command.overrides(args) if not text.startswith(command.PLACE)]
    other, _ = load_run(args.other, given)
    comparison = compare_runs(job.config, other, method=args.method, view=args.view)
    asked = comparison.key if args.method or args.view else None
    folder = args.out or RunFolder.of(other).comparison(job.config.run.name, asked)
    require_place(folder, comparison_sources(comparison))
    print(comparison_text(comparison))
    if args.dry_run:
        print(f"would write {folder}")
        return 0
    write_comparison(comparison, folder)
    print(f"wrote {folder / 'index.html'}")
    return 0


COMMAND = Command(
    "compare",
    __doc__,
    compare,
    (
        "configs/demo.toml configs/demo-permuted.toml",
        "runs/a runs/b --out a-and-b",
        "runs/a runs/b --method gradient_x_input --view own",
    ),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare two runs; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
