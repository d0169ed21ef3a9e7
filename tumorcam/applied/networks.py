"""The networks of a run, with their predictions of the samples at hand."""

import dataclasses

from tumorcam.applied.predictions import predictions_of
from tumorcam.cohort.cohort import Cohort, plan_of
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import Classifier, load_classifier


def judging_classifier(run: RunFolder, cohort: Cohort, key: ModelKey, config: Config) -> Classifier:
    """A classifier whose `held_out` are predictions of this cohort, the run's own or new samples.

    Raises
    ------
    FileError, ModelError
        As `load_classifier`; and if predictions of new samples are missing or damaged.
    """
    classifier = load_classifier(run, cohort, key, config)
    if run.networks is None:
        return classifier
    held_out = predictions_of(run, plan_of(cohort, config), key)
    return dataclasses.replace(classifier, held_out=held_out)
