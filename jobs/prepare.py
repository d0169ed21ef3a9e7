"""Read, check and filter the input; split and lay it out; write cohort.h5 and the plan."""

import sys
import tempfile
from pathlib import Path

from jobs import command
from tumorcam.cluster.logs import logger, start_logging
from tumorcam.cohort.cohort import (
    COHORT_TYPE,
    cohort_attributes,
    plan_of,
    read_cohort,
    write_cohort,
)
from tumorcam.config import Config, config_toml
from tumorcam.readers import annotation
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.plan import write_plan


def main(argv: list[str] | None = None) -> int:
    """Prepare a run; 0 when cohort.h5, config.toml and plan.json are there and whole."""
    args = command.parser(
        "prepare",
        __doc__ or "",
        "configs/demo.toml --dry-run",
        "my.toml --set input.expression=matrix.tsv.gz --set input.samples=samples.tsv",
    ).parse_args(argv)
    return command.run(args, _dry_run if args.dry_run else _prepare)


def _prepare(config: Config) -> None:
    from tumorcam import readers
    from tumorcam.cohort import selection

    files = readers.input_files(readers.input_settings(config))
    files += annotation.annotation_files(config.layout)
    start_logging(config.folder, "prepare")
    digest = integrity.text_digest(" ".join(map(integrity.file_digest, files)))
    path = config.folder / "cohort.h5"
    if hdf5.is_complete(path, COHORT_TYPE, cohort_attributes(config, digest)):
        logger.info("%s is there and whole", path)
    else:
        if path.exists():
            logger.info("%s is made anew: models and shards of the old one no longer fit", path)
        _write_cohort(path, config, digest)
    made = read_cohort(path, config)
    hdf5.write_text(config.folder / "config.toml", config_toml(config))
    write_plan(config.folder / "plan.json", plan_of(made, config))
    for line in selection.summary(made):
        logger.info(line)


def _dry_run(config: Config) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "cohort.h5"
        _write_cohort(path, config, "")
        plan = plan_of(read_cohort(path, config), config)
    views = 2 * len(config.explain.methods) * (plan.n_genes + plan.n_decoys)
    values = config.layout.replicates * (len(config.explain.cubes) * plan.side**2 + views)
    n_bytes = plan.n_samples * (4 * plan.n_genes + 2 * values)  # float32; float16
    print(
        f"would write {config.folder}: {plan.n_samples} samples, {plan.n_genes} genes and "
        f"{plan.n_decoys} decoys on images of side {plan.side}, {len(plan.models)} models, "
        f"{len(plan.shards)} shards; cohort and shards take {n_bytes:.3g} bytes at most"
    )


def _write_cohort(path: Path, config: Config, digest: str) -> None:
    from tumorcam import readers
    from tumorcam.cohort import selection

    settings = readers.input_settings(config)
    logger.info("reading %s", settings.expression)
    kept = selection.select(config, *readers.open_inputs(settings))
    write_cohort(path, kept, config, digest)


if __name__ == "__main__":
    sys.exit(main())
