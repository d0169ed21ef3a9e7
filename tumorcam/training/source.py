"""The run that trained the networks: the run at hand, or the one that is applied to new samples."""

import functools
from dataclasses import dataclass
from pathlib import Path

from tumorcam.cohort.cohort import COHORT_TYPE, REMEDY, Cohort, read_cohort
from tumorcam.errors import ConfigError, StaleError
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5
from tumorcam.storage.run_config import load_run
from tumorcam.storage.run_folder import RunFolder

SHARED = ("splits", "layout", "model", "training")  # sections that new samples take from the run


@dataclass(frozen=True)
class NetworkSource:
    """The run that trained the networks: its folder, its settings and its cohort's digest."""

    run: RunFolder
    config: Config
    cohort_digest: str

    @property
    def cohort(self) -> Cohort:
        """The cohort on which the networks were trained."""
        return read_cohort(self.run.cohort, self.config)


def network_source(run: RunFolder, cohort: Cohort, config: Config) -> NetworkSource:
    """Where the networks come from; for a run with networks of its own, the run itself.

    Parameters
    ----------
    cohort, config
        Those of `run`.

    Raises
    ------
    FileError
        If the run that is applied is missing or damaged.
    StaleError
        If it was trained with other settings since.
    """
    if run.networks is None:
        return NetworkSource(run, config, cohort.digest)
    source = source_run(run.networks)
    of_both = (chain.made_with(settings, "train") for settings in (config, source.config))
    old, new = map(chain.settings_of, of_both)
    changed = [name for name in SHARED if old[name] != new[name]]
    if changed:
        msg = (
            f"{run.networks} has other settings in {', '.join(changed)} than when {run.root} was "
            "made; run `tumorcam apply` with another --name"
        )
        raise StaleError(msg)
    return source


@functools.cache
def source_run(folder: Path) -> NetworkSource:
    """The finished run in a folder, with the settings that it was made with.

    Raises
    ------
    ConfigError
        If the folder has no config.toml, or a damaged one.
    FileError
        If its cohort is missing or damaged.
    """
    run = RunFolder(folder)
    if not run.config.exists():
        msg = f"{folder} is no finished run: {run.config} is missing; run `tumorcam run` first"
        raise ConfigError(msg)
    config, _ = load_run(folder, [])
    digest = hdf5.stored_digest(run.cohort, COHORT_TYPE, remedy=REMEDY)
    return NetworkSource(run, config, digest)
