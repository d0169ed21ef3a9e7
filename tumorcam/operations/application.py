"""New samples in a folder of their own in a finished run: their config, cohort and plan."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tumorcam.applied.calls import require_target
from tumorcam.applied.intake import prepare_new_samples
from tumorcam.applied.new_cohort import NewCohortFile
from tumorcam.applied.orientation import orientation_by_genes
from tumorcam.applied.reference import Reference
from tumorcam.cluster.launcher import Launch
from tumorcam.cohort.cohort import is_current, plan_of, read_cohort, write_cohort
from tumorcam.cohort.summary import fact_lines, facts_of
from tumorcam.errors import ConfigError, InputError, StaleError
from tumorcam.operations.inspection import drop_lines, file_roles, read_inputs, values_folder
from tumorcam.operations.stages import digest_input
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.files import is_file
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed
from tumorcam.settings.config import (
    Config,
    changed_settings,
    config_from_tables,
    config_tables,
    override_tables,
    settings_json,
)
from tumorcam.storage import integrity
from tumorcam.storage.input_files import InputFiles, write_input_files
from tumorcam.storage.plan import write_plan
from tumorcam.storage.run_config import load_run, write_run_config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.source import SHARED, NetworkSource

Say = Callable[[str], None]
TO_RUN = "../.."  # from applied/NAME to the folder of the run
KEPT = ("scale", "normalisation")  # settings of the run's input that hold for new samples, too
ENDING = re.compile(r"(\.(gz|bz2|xz|zst|zip|tsv|csv|txt|h5ad|parquet|feather))+$", re.IGNORECASE)


def default_name(files: Sequence[str]) -> str:
    """A name for new samples: that of their first file, without endings."""
    return re.sub(r"[^\w.-]+", "_", ENDING.sub("", Path(files[0]).name)).strip("._-") or "new"


def new_config(
    source: NetworkSource, name: str, files: Sequence[str], overrides: Sequence[str]
) -> Config:
    """The settings of new samples: the run's, with their own input.

    Parameters
    ----------
    name : str
        Of the folder applied/NAME.
    files : sequence of str
        Expression matrix and samples tables, told apart by their content.
    overrides : sequence of str
        `section.key=value`.

    Raises
    ------
    ConfigError
        If an override is wrong, or would change what the networks were trained with.
    """
    given = override_tables(overrides)
    fixed = [
        f"{section}.{key}"
        for section in (*SHARED, "run")
        for key in given.get(section, {})
        if f"{section}.{key}" != "run.threads_per_rank"
    ]
    if fixed:
        msg = (
            f"--set {fixed[0]}: the networks are those of {source.run.root}, so it cannot change; "
            "leave it out"
        )
        raise ConfigError(msg)
    tables: dict[str, dict[str, Any]] = config_tables(source.config)
    roles = file_roles(files)
    own = {key: tables["input"][key] for key in KEPT}
    tables["input"] = own | {
        "expression": [str(Path(path).absolute()) for path in roles.expression],
        "samples": [str(Path(path).absolute()) for path in roles.samples],
    }
    tables["run"] |= {"name": name, "folder": str(source.run.applied(name).root)}
    tables["layout"]["nulls"] = 0
    tables["apply"]["run"] = TO_RUN
    for section, keys in given.items():
        tables[section] |= keys
    return config_from_tables(tables, source="the command line")


def prepare_application(
    config: Config, source: NetworkSource, reference: Reference, launch: Launch, say: Say
) -> None:
    """Write cohort.h5, plan.json and config.toml of new samples, unless they are there.

    Parameters
    ----------
    config : Config
        From `new_config`.
    say : callable
        Takes each line of what is understood of the input.

    Raises
    ------
    InputError
        If the input cannot be read or used.
    StaleError
        If the folder has other samples, or the same with other settings.
    """
    run, read = RunFolder.of(config), digest_input(config)
    digest = new_digest(read, source)
    require_target(config.apply.target, source.cohort.tumors)
    _require_same_settings(run, config)
    if not is_current(run.cohort, config, digest):
        if run.cohort.exists():
            msg = (
                f"{run.root} was made from other files or with other settings; choose another "
                "--name, or move that folder away"
            )
            raise StaleError(msg)
        write_cohort(run.cohort, _content(config, source, reference, launch, say), config, digest)
    else:
        say(f"{run.cohort} is there and complete")
    write_input_files(run.input_files, InputFiles(digest, read.files))
    write_run_config(config, [])
    write_plan(run.plan, plan_of(read_cohort(run.cohort, config), config))


def _require_same_settings(run: RunFolder, config: Config) -> None:
    """Refuse another explanation of samples that are there; StaleError names the settings."""
    if not run.config.exists():
        return
    earlier, _ = load_run(run.root, [])
    changed = changed_settings(settings_json(earlier, "explain"), settings_json(config, "explain"))
    if changed:
        texts = "; ".join(f"{name}: {change}" for name, change in changed.items())
        msg = (
            f"{run.root} was made with other settings (then -> now: {texts}); choose another "
            "--name, or move that folder away"
        )
        raise StaleError(msg)


def new_digest(read: InputFiles, source: NetworkSource) -> str:
    """SHA-256 over all files that the cohort of new samples is made from."""
    return integrity.text_digest(f"{read.input_digest} {source.cohort_digest}")


def _content(
    config: Config, source: NetworkSource, reference: Reference, launch: Launch, say: Say
) -> NewCohortFile:
    try:
        given = read_inputs(_with_orientation(config, source), launch, say, labelled=False)
    except InputError as error:
        if config.input.samples or not _lack_genes(config, source):
            raise
        genes = listed(source.cohort.genes.tolist())
        msg = f"{error}; none of the run's genes ({genes}) was recognised: is it the right file?"
        raise InputError(msg) from error
    if config.input.scale == "as_is" != source.config.input.scale:
        say(
            f"warning: the values are taken as they stand, and the run's were "
            f"{source.config.input.scale}: this is right only if they are log2(x + 1), too, and "
            "not z-scores or on another scale"
        )
    folder = values_folder(config, launch)
    content = prepare_new_samples(
        config, given, source.cohort, reference, _gene_tables(source.config), folder
    )
    n_before = len(given.matrix.facts) + len(given.facts)
    for line in (
        *fact_lines(facts_of(content.facts)[n_before:]),
        *drop_lines(content.dropped),
    ):
        say(line)
    lacking = content.new.genes["gene"][content.new.genes["missing"] == 1]
    say(
        f"{len(content.samples.sample)} new samples; {len(lacking)} of {len(content.genes.name)} "
        "genes of the run are missing and get their mean in the training cohort"
    )
    return content


def _with_orientation(config: Config, source: NetworkSource) -> Config:
    """The settings with the orientation of the matrix, where the run's genes tell it."""
    orientations = _orientations(config, source)
    if config.input.orientation != AUTO or len(orientations) != 1:
        return config
    settings = dataclasses.replace(config.input, orientation=orientations.pop() or AUTO)
    return dataclasses.replace(config, input=settings)


def _orientations(config: Config, source: NetworkSource) -> set[str]:
    """What the run's genes tell of the orientation of each file; empty texts where they do not."""
    genes = source.cohort.genes
    return {orientation_by_genes(Path(name), genes) for name in config.input.expression}


def _lack_genes(config: Config, source: NetworkSource) -> bool:
    """Whether no file has enough of the run's genes on one side to be recognised by them."""
    return _orientations(config, source) == {""}


def _gene_tables(config: Config) -> list[pd.DataFrame]:
    """The annotation tables of the run that are still there."""
    names = [config.input.gene_table, config.layout.annotation]
    return [read_frame(Path(name)).table for name in names if name and is_file(Path(name))]
