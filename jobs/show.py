"""The genes that stand out in one sample's saliency map: a table, and a picture in report/show/."""

import argparse
import sys
from collections.abc import Sequence

from tumorcam.settings import METHODS

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the sample and what to show of it."""
    parser.add_argument("--sample", required=True, metavar="ID", help="sample to show")
    parser.add_argument("--target", metavar="TUMOR", help="tumor explained; default: its own")
    parser.add_argument(
        "--cutoff", type=float, default=0.8, help="share of the map's maximum (default: 0.8)"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="saliency method (default: %(default)s)",
    )
    parser.add_argument(
        "--replicate", type=int, default=0, help="layout replicate shown (default: 0)"
    )


def show(job: Job) -> int:
    """Print and draw the genes of one sample, computed anew from the models that held it out."""
    from tumorcam.cluster.logs import progress
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain import devices, sample
    from tumorcam.report import sample_figure
    from tumorcam.training.threads import use_threads

    args = job.args
    cohort = local_cohort(job.run.cohort, job.config, job.launch.scratch_folder)
    question = sample.ask(cohort, args.sample, args.target, method=args.method, cutoff=args.cutoff)
    keys = sample.held_out_models(cohort, question.sample, args.replicate)
    keys = keys[:1] + [key for key in keys[1:] if job.run.model(key).exists()]
    path = job.run.picture(sample.file_name(cohort, question, args.replicate))
    if args.dry_run:
        names = ", ".join(key.name for key in keys)
        print(f"would explain {args.sample} by {names}, and write {path}.png and .svg")
        return 0
    use_threads(job.config.run.threads_per_rank)
    devices.take_gpu(job.launch)
    maps = [
        sample.explain_sample(job.run, cohort, job.config, question, key)
        for key in progress(keys, "show", "models")
    ]
    table = sample.picks_table(maps, cohort.genes, cutoff=args.cutoff)
    text = sample.describe(cohort, question, maps[0], table)
    print(text, sample.table_text(table, n_replicates=len(maps)), sep="\n")
    figure = sample_figure.picks_figure(maps[0], table, title=text, method=args.method)
    sample_figure.write_picture(path, figure, description=text)
    print(f"see {path}.png and .svg")
    return 0


COMMAND = Command(
    "show",
    __doc__,
    show,
    (
        "configs/demo.toml --sample TCGA-01-0001-01",
        "configs/demo.toml --sample TCGA-01-0001-01 --target READ --cutoff 0.5",
    ),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Show one sample; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
