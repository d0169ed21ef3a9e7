"""Write a synthetic cohort with planted driver genes, and their truth.csv, as the run's input."""

import sys

from jobs import command
from tumorcam.cluster.logs import logger, start_logging
from tumorcam.config import Config, config_json
from tumorcam.storage import hdf5, manifest

FILES = ("expression.tsv.gz", "samples.tsv", "truth.csv")


def main(argv: list[str] | None = None) -> int:
    """Synthesize a run's input; 0 when its files are there and whole."""
    args = command.parser(
        "synthesize",
        __doc__ or "",
        "configs/demo.toml",
        "configs/demo.toml --set synthesize.effect=1.5 --set run.name=weak",
    ).parse_args(argv)
    return command.run(args, _dry_run if args.dry_run else _synthesize)


def _dry_run(config: Config) -> None:
    wanted = config.synthesize
    n_samples = len(wanted.tumors) * wanted.samples_per_tumor
    print(
        f"would write {config.folder / 'input'}: {n_samples} samples of {len(wanted.tumors)} "
        f"tumors, {wanted.genes} genes, {wanted.drivers} drivers a tumor"
    )


def _synthesize(config: Config) -> None:
    from tumorcam.cohort import synthetic

    folder = config.folder / "input"
    mark, settings = folder / "settings.json", config_json(config, ["run", "synthesize"])
    start_logging(config.folder, "synthesize")
    if (
        mark.exists()
        and mark.read_text(encoding="utf-8") == settings
        and all((folder / name).exists() for name in (*FILES, manifest.FILE_NAME))
    ):
        logger.info("%s is there and made with these settings", folder)
        return
    mark.unlink(missing_ok=True)
    cohort = synthetic.synthesize_cohort(config.synthesize, config.rng("synthesize"))
    synthetic.write_cohort(cohort, folder)
    hdf5.write_text(mark, settings)
    manifest.write_manifest(folder / manifest.FILE_NAME, [*FILES, mark.name], {})
    logger.info("wrote %d samples and %d genes to %s", *cohort.log2_expression.shape, folder)


if __name__ == "__main__":
    sys.exit(main())
