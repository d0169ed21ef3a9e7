"""One sample's saliency map, one gene in every tumor, or the first genes of one tumor.

The map is computed anew, and drawn into report/show/ of the run. What is said of a gene or a tumor
is read from the finished tables.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tumorcam.settings import METHODS

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.report.gene_columns import Answer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the question, and its options, which have their defaults in `report.answers`."""
    question = parser.add_mutually_exclusive_group(required=True)
    question.add_argument("--sample", metavar="ID", help="a sample's map; its ID may be cut short")
    question.add_argument("--gene", metavar="NAME", help="a gene in every tumor")
    question.add_argument("--tumor", metavar="NAME", help="a tumor and its first genes")
    add = parser.add_argument
    add("--method", choices=METHODS, help=f"default: report.method; of a map, {METHODS[0]}")
    add("--view", choices=("own", "contrast"), help="of a gene or tumor; default: report.view")
    add("--top", type=int, metavar="N", help="number of genes of a tumor (default: 20)")
    add("--target", metavar="TUMOR", help="tumor that a sample is explained for; default: its own")
    add("--cutoff", type=float, help="share of a map's maximum (default: 0.8)")
    add("--replicate", type=int, help="layout replicate of a map (default: 0)")
    add("--csv", type=Path, metavar="FILE", help="write the table with all digits to a new file")


def show(job: Job) -> int:
    """Print what is asked of a sample, a gene or a tumor."""
    from tumorcam.report import answers, tables

    args = argparse.Namespace(**answers.options_of(vars(job.args)))
    if args.csv:
        tables.require_new(args.csv)
    answer = _map(job, args) if args.sample is not None else _tables(job, args)
    print(answer.text)
    if args.csv and answer.table is not None:
        tables.write_new_csv(args.csv, answer.table)
    if args.csv:
        print("would write" if answer.table is None else "wrote", args.csv)
    return 0


def _tables(job: Job, args: argparse.Namespace) -> "Answer":
    """What the finished tables say of a gene or a tumor; in a dry run, what would be read."""
    from tumorcam.report import answers, results

    cohort = job.cohort
    question = answers.ask(cohort, job.config, vars(args))
    if args.dry_run:
        return answers.plan(f"print {question.description}, from {job.run.significance}")
    return answers.answer(cohort, results.read_results(job.run, cohort, job.config), question)


def _map(job: Job, args: argparse.Namespace) -> "Answer":
    """The genes of one sample, by the models that held it out; in a dry run, their names."""
    from tumorcam.cluster.progress import progress
    from tumorcam.explain import devices, sample
    from tumorcam.report import answers, sample_figure
    from tumorcam.training.threads import use_threads

    cohort = job.cohort
    question = sample.ask(cohort, args.sample, args.target, method=args.method, cutoff=args.cutoff)
    keys = sample.held_out_models(cohort, question.sample, args.replicate)
    keys = keys[:1] + [key for key in keys[1:] if job.run.model(key).exists()]
    path = job.run.picture(sample.file_name(cohort, question, args.replicate))
    if args.dry_run:
        models, name = ", ".join(key.name for key in keys), cohort.sample[question.sample]
        return answers.plan(f"explain {name} by {models}, and write {path}.png and .svg")
    use_threads(job.config.run.threads_per_rank)
    devices.take_gpu(job.launch)
    maps = [
        sample.explain_sample(job.run, cohort, job.config, question, key)
        for key in progress(keys, "show", "models")
    ]
    return sample_figure.draw_picks(path, cohort, question, maps)


COMMAND = Command(
    "show",
    __doc__,
    show,
    (
        "configs/demo.toml --gene GENE0001",
        "configs/demo.toml --tumor BRCA --top 50 --csv brca.csv",
        "configs/demo.toml --sample TCGA-01-0001-01 --target READ --cutoff 0.5",
        "runs/demo/applied/batch2 --sample S17",
    ),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Show one sample, gene or tumor; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
