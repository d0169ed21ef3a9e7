"""Test the gene sets of a GMT file on the rankings of a finished run, tumor by tumor.

It tests whether sets have more learned genes than chance gives (hypergeometric test), and whether
they stand together in the ranking (prerank of gseapy). It needs no network access.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tumorcam.settings import METHODS

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the sets, the ranking and the options, whose defaults are in `report.enrichment`."""
    add = parser.add_argument
    add("sets", type=Path, metavar="GENE_SETS.gmt", help="gene sets, plain or .gz")
    add("--method", choices=METHODS, default="", help="default: report.method")
    add("--view", choices=("own", "contrast"), default="", help="default: report.view")
    add("--out", type=Path, metavar="FOLDER", help="default: enrichment/NAME in the run's folder")
    add("--permutations", type=int, default=1000, metavar="N", help="of prerank (default: 1000)")
    add("--min-size", type=int, default=10, metavar="N", help="fewest genes of a set (default: 10)")
    add("--max-size", type=int, default=500, metavar="N", help="most genes (default: 500)")
    add(
        "--gene-table",
        type=Path,
        metavar="FILE",
        help="table with the run's gene IDs and the names in the sets; default: layout.annotation",
    )


def enrich(job: Job) -> int:
    """Print what is tested, and unless this is a dry run test it and write the results."""
    from tumorcam.cluster.progress import progress
    from tumorcam.report.enrichment import EnrichmentOptions, enrichment_sources, plan_enrichment
    from tumorcam.report.enrichment_page import plan_text, results_text, run_tests, write_enrichment
    from tumorcam.report.result_folder import require_place

    args = job.args
    options = EnrichmentOptions(
        method=args.method,
        view=args.view,
        permutations=args.permutations,
        min_size=args.min_size,
        max_size=args.max_size,
        gene_table=args.gene_table,
    )
    plan = plan_enrichment(job.config, job.cohort, args.sets, options)
    asked = plan.key if args.method or args.view else None
    folder = args.out or job.run.enrichment(args.sets.name.split(".gmt")[0], asked)
    require_place(folder, enrichment_sources(plan))
    print(plan_text(plan))
    if args.dry_run:
        print(f"would test them in {len(plan.results.tumors)} tumors, and write {folder}")
        return 0
    tests = run_tests(plan, lambda tumors: progress(list(tumors), "enrich", "tumors"))
    print(results_text(tests))
    write_enrichment(plan, tests, folder)
    print(f"wrote {folder / 'index.html'}")
    return 0


COMMAND = Command(
    "enrich",
    __doc__,
    enrich,
    (
        "configs/demo.toml hallmark.gmt",
        "runs/demo hallmark.gmt --method guided_grad_cam --view own --permutations 10000",
        "runs/demo hallmark.gmt --gene-table gencode.tsv --out sets",
    ),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Test gene sets; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
