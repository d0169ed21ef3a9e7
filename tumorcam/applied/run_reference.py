"""The reference of a run, computed where the run has none of its present networks yet."""

from tumorcam.applied.missing_genes import missing_curve
from tumorcam.applied.reference import Reference, is_reference_current, read_reference
from tumorcam.applied.reference_fit import write_reference
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.threads import use_threads


def run_reference(run: RunFolder, cohort: Cohort, config: Config) -> Reference:
    """What new samples are held against; reference.h5 is written if it is missing or stale.

    Parameters
    ----------
    run, cohort, config
        A finished run, its own cohort and its settings.

    Raises
    ------
    FileError
        If a model is missing or damaged.
    """
    if is_reference_current(run, cohort, config):
        return read_reference(run.reference)
    use_threads(config.run.threads_per_rank)
    return write_reference(run, cohort, config, missing_curve(run, cohort, config))
