"""The genes that stand out in one sample's saliency map: a table, and a picture in report/show/."""

import argparse
import sys

from jobs import command
from tumorcam import settings
from tumorcam.cluster.logs import progress
from tumorcam.config import Config
from tumorcam.storage import hdf5
from tumorcam.storage.plan import model_file


def main(argv: list[str] | None = None) -> int:
    """Show one sample; the exit code."""
    args = _parser().parse_args(argv)
    return command.run(args, lambda config: _show(config, args))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(
        "show",
        __doc__ or "",
        "configs/demo.toml --sample TCGA-01-0001-01",
        "configs/demo.toml --sample TCGA-01-0001-01 --target READ --cutoff 0.5",
    )
    parser.add_argument("--sample", required=True, metavar="ID", help="sample to show")
    parser.add_argument("--target", metavar="TUMOR", help="tumor explained; default: its own")
    parser.add_argument(
        "--cutoff", type=float, default=0.8, help="share of the map's maximum (default: 0.8)"
    )
    parser.add_argument(
        "--method",
        choices=settings.METHODS,
        default=settings.METHODS[0],
        help="saliency method (default: %(default)s)",
    )
    parser.add_argument(
        "--replicate", type=int, default=0, help="layout replicate shown (default: 0)"
    )
    return parser


def _show(config: Config, args: argparse.Namespace) -> None:
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain.sample import (
        ask,
        describe,
        explain_sample,
        file_name,
        held_out_models,
        picks_table,
        table_text,
    )
    from tumorcam.report import figures
    from tumorcam.report.sample_figure import picks_figure
    from tumorcam.training.network import use_threads

    cohort = local_cohort(config.folder / "cohort.h5", config)
    question = ask(cohort, args.sample, args.target, method=args.method, cutoff=args.cutoff)
    models = held_out_models(cohort, question.sample, args.replicate)
    models = models[:1] + [m for m in models[1:] if model_file(config.folder, m).exists()]
    path = config.folder / "report" / "show" / file_name(cohort, question, args.replicate)
    if args.dry_run:
        names = ", ".join(one.name for one in models)
        print(f"would explain {args.sample} by {names}, and write {path}.png and .svg")
        return
    use_threads(config.run.threads_per_rank)
    maps = [
        explain_sample(cohort, config, question, one) for one in progress(models, "show", "models")
    ]
    table = picks_table(maps, cohort.genes, cutoff=args.cutoff)
    text = describe(cohort, question, maps[0], table)
    print(text, table_text(table, n_replicates=len(maps)), sep="\n")
    figure = picks_figure(maps[0], table, title=text, method=args.method)
    with hdf5.write_aside(path.with_name(f"{path.name}.png")) as aside:
        aside.write_bytes(figures.png_bytes(figure))
    svg = figures.svg_text(figure, name="show", description=text)
    hdf5.write_text(path.with_name(f"{path.name}.svg"), svg)
    print(f"see {path}.png and .svg")


if __name__ == "__main__":
    sys.exit(main())
