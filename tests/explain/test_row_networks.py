"""One-dimensional networks, whose images are one row, in the stages behind training."""

import dataclasses

import numpy as np
from conftest import write_toml

import tumorcam
from jobs import train
from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.images import features_without_decoys
from tumorcam.explain.explain import explain_shards
from tumorcam.explain.sample import Question, explain_sample
from tumorcam.explain.shards import SHARD_TYPE, Shard
from tumorcam.faithfulness.perturbation import TracedModel
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.prediction import probabilities

HALF = 2.0**-11  # relative rounding of float16


def test_a_network_that_gets_a_row_gives_maps_of_the_square_image(tiny_run, tmp_path):
    """From training to a shard and to the map of one sample."""
    method = "gradient_x_input"
    config = dataclasses.replace(
        tiny_run,
        model=dataclasses.replace(tiny_run.model, image="row", kernel=(5,), skip="linear"),
        explain=dataclasses.replace(tiny_run.explain, methods=(method,), cubes=(method,)),
    )
    run, key = RunFolder.of(config), read_plan(RunFolder.of(config).plan).shards[0]
    assert train.main([write_toml(config, tmp_path / "row.toml"), "--model", key.model.name]) == 0
    cohort = read_cohort(run.cohort, config)
    explain_shards(run, cohort, [key], config)
    classifier = load_classifier(run, cohort, key.model, config)
    with hdf5.open_file(run.shard(key), SHARD_TYPE, remedy="") as file:
        shard = records.read_record(file, Shard)
    expression = cohort.expression(shard.sample_index)
    images = classifier.images(expression)
    assert images.shape == (key.n_samples, 64, 1)
    stored = shard.methods[method]
    cube = stored.cube * stored.cube_scale[:, None, None]
    expected = tumorcam.gradient_x_input(classifier.network, images, shard.target)
    assert cube.shape == (key.n_samples, 8, 8) and expected.shape == (key.n_samples, 64)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(cube.reshape(-1, 64), expected, rtol=2 * HALF, atol=1e-4 * scale)
    features = classifier.scaler.standardise(expression)
    np.testing.assert_array_equal(images[:, classifier.layout.pixel[:36], 0], features)
    row, target = int(shard.sample_index[0]), int(shard.target[0])
    one = explain_sample(run, cohort, config, Question(row, target, method, 0.5), key.model)
    np.testing.assert_array_equal(one.image, images[0].reshape(8, 8))
    np.testing.assert_allclose(one.saliency, expected[0].reshape(8, 8), rtol=1e-4, atol=1e-6)
    traced = TracedModel(classifier)
    copies = features_without_decoys(expression, classifier.scaler, classifier.layout)
    probability = probabilities(traced.logits([copies]))
    np.testing.assert_allclose(probability, shard.probability, rtol=1e-4, atol=1e-6)
