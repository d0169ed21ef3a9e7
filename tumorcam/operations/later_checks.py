"""What later stages would refuse, as far as settings and cohort tell: `prepare` says it first."""

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.layout import require_reachable
from tumorcam.errors import ModelError
from tumorcam.explain.views import RankingKey, ranking_keys, require_key
from tumorcam.readers.markers import read_markers
from tumorcam.settings.config import Config
from tumorcam.settings.methods import COARSE, require_convolution, require_cubes
from tumorcam.storage.plan import ModelKey
from tumorcam.training import shapes
from tumorcam.training.batches import sample_roles


def check_settings(config: Config) -> None:
    """Check the settings of later stages against each other, before any file is read.

    Raises
    ------
    ConfigError
        If explain.cubes names a method that is not computed, or so does report.method.
    ModelError
        If the network has no convolution for Grad-CAM.
    """
    require_cubes(config.explain)
    first = RankingKey(config.report.method, config.report.view)
    require_key(first, ranking_keys(config.explain.methods), "explain.methods")
    if COARSE & set(config.explain.methods):
        try:
            convolutions = shapes.convolution_names(config.model)
            require_convolution(config.explain.cam_layer or None, convolutions)
        except ModelError as error:
            msg = f"{error}; correct explain.cam_layer, model.filters or explain.methods"
            raise ModelError(msg) from error


def check_later_stages(config: Config, cohort: Cohort) -> list[str]:
    """Check what later stages need of a cohort, after `check_settings`, and give the warnings.

    Parameters
    ----------
    cohort : Cohort
        From `cohort_of`; nothing is read from its file, which need not be there.

    Raises
    ------
    ModelError
        If the network cannot be built on images of this side, or cannot see a gene or decoy.
    CohortError
        If no patient is left to choose the epoch of a model.
    InputError
        If the list of markers cannot be used.
    """
    side = cohort.layouts[0].side
    shapes.require_buildable(config.model, side, len(cohort.tumors))
    reachable = shapes.reachable_pixels(config.model, side)
    for gene_layout in cohort.layouts:
        require_reachable(gene_layout, reachable, cohort.genes)
    for fold in range(cohort.n_folds):
        sample_roles(cohort, ModelKey(0, fold), config)
    read_markers(config.faithfulness, cohort.tumors, cohort.genes)
    return _warnings(config, cohort)


def _warnings(config: Config, cohort: Cohort) -> list[str]:
    n_patients = [
        len(np.unique(cohort.patient[cohort.tumor == tumor])) for tumor in range(len(cohort.tumors))
    ]
    wanted_patients = config.significance.min_patients
    if max(n_patients) >= wanted_patients:
        return []
    return [
        f"warning: no tumor has significance.min_patients = {wanted_patients} patients (at most "
        f"{max(n_patients)}): no gene gets a p-value; lower it, or take more patients"
    ]
