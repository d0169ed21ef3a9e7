import numpy as np
import pytest
from scipy.special import softmax
from training_runs import cohort_of

from tumorcam.applied.missing_genes import SHARES, missing_curve
from tumorcam.applied.reference_fit import write_reference
from tumorcam.cohort.images import features_without_decoys
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.prediction import predict_logits


@pytest.fixture
def curve(trained_copy):
    return missing_curve(RunFolder.of(trained_copy), cohort_of(trained_copy), trained_copy)


def test_without_missing_genes_the_accuracy_is_the_ensemble_s(trained_copy, curve):
    run, cohort = RunFolder.of(trained_copy), cohort_of(trained_copy)
    before = write_reference(run, cohort, trained_copy, curve).calibration.before
    assert curve["share"].tolist() == list(SHARES)
    assert curve["accuracy"].iloc[0] == (before.argmax(axis=1) == cohort.tumor).mean()
    assert (curve["samples"] == 48).all()


def test_a_missing_gene_has_its_training_mean_in_all_networks(trained_copy, curve):
    """The accuracy without half of the genes, computed with values in place of features."""
    run, cohort = RunFolder.of(trained_copy), cohort_of(trained_copy)
    total = np.zeros((48, 4))
    for replicate in range(2):
        for fold in range(2):
            classifier = load_classifier(run, cohort, ModelKey(replicate, fold), trained_copy)
            order = trained_copy.rng("missing genes", fold).permutation(36)
            rows = np.flatnonzero(cohort.fold == fold)
            expression = cohort.expression(rows)
            expression[:, order[:18]] = classifier.scaler.mean[order[:18]]
            features = features_without_decoys(expression, classifier.scaler, classifier.layout)
            logits = predict_logits(classifier.network, features, classifier.layout)
            total[rows] += softmax(logits, axis=1)
    accuracy = (total.argmax(axis=1) == cohort.tumor).mean()
    assert curve.set_index("share")["accuracy"][0.5] == accuracy
