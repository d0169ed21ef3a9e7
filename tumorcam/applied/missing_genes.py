"""What missing genes cost: the accuracy on held-out samples when some genes are taken away."""

import numpy as np
import pandas as pd

from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import features_without_decoys
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.prediction import predict_logits, probabilities

SHARES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)
MAX_SAMPLES = 1000  # held-out samples that are judged


def missing_curve(
    run: RunFolder, cohort: Cohort, config: Config, *, visible: bool = True
) -> pd.DataFrame:
    """The accuracy of the ensemble without a share of the genes, drawn at random for each fold.

    A missing gene has its mean in training, as in a new sample that lacks it. Each held-out sample
    is judged by the networks that held it out.

    Parameters
    ----------
    visible : bool
        Whether progress is shown.

    Returns
    -------
    DataFrame
        share (of the genes), accuracy (0 to 1), samples (judged).

    Raises
    ------
    FileError
        If a model is missing or damaged.
    """
    step = max(1, -(-len(cohort.sample) // MAX_SAMPLES))
    judged = np.arange(0, len(cohort.sample), step)
    total = np.zeros((len(SHARES), len(judged), len(cohort.tumors)))
    keys = [ModelKey(r, f) for r in range(cohort.n_replicates) for f in range(cohort.n_folds)]
    network = None
    for key in progress(keys, "missing genes", "models", visible=visible):
        is_own = cohort.fold[judged] == key.fold
        classifier = load_classifier(run, cohort, key, config, network)
        network = classifier.network
        features = features_without_decoys(
            cohort.expression(judged[is_own]), classifier.scaler, classifier.layout
        )
        for i, share in enumerate(SHARES):
            is_missing = _missing(len(cohort.genes), share, config, key.fold)
            features[:, : len(cohort.genes)][:, is_missing] = 0
            logits = predict_logits(classifier.network, features, classifier.layout)
            total[i, is_own] += probabilities(logits)
    correct = total.argmax(axis=2) == cohort.tumor[judged]
    return pd.DataFrame({"share": SHARES, "accuracy": correct.mean(axis=1), "samples": len(judged)})


def _missing(n_genes: int, share: float, config: Config, fold: int) -> np.ndarray:
    """(missing genes,) int: a larger share has all genes of a smaller one."""
    order = config.rng("missing genes", fold).permutation(n_genes)
    return order[: round(share * n_genes)]
