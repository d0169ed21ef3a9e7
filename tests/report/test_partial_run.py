"""Reduce and report of a real run that lacks shards, from the shards on."""

import math

import numpy as np
import pytest

from jobs import reduce, report
from tumorcam.report.classifier import summarise_classifier
from tumorcam.report.results import read_run
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder


@pytest.mark.parametrize(
    ("prefixes", "n_replicates", "n_networks"),
    [(("r00-f00-b0000",), 2, 4), (("r00-",), 1, 2), (("r00-f00-", "r01-f00-"), 2, 2)],
    ids=["a shard", "a replicate", "a fold"],
)
def test_a_partial_run_is_reported(explained_copy, prefixes, n_replicates, n_networks):
    run = RunFolder.of(explained_copy)
    for key in read_plan(run.plan).shards:
        if key.name.startswith(prefixes):
            run.shard(key).unlink()
    toml = str(run.config)
    assert reduce.main([toml, "--allow-partial"]) == 0
    assert report.main([toml]) == 0
    html = (run.report / "index.html").read_text(encoding="utf-8")
    assert f"{n_replicates} of 2 replicates" in html and 'id="figure-example"' in html
    content = read_run(explained_copy)
    assert len(content.networks) == n_networks
    summary = summarise_classifier(content)
    recall = content.results.classification.recall
    np.testing.assert_array_equal(recall, summary.scores.recall, "graded by what the page shows")
    rows = summary.rows
    assert not any(math.isnan(row.accuracy) or math.isnan(row.macro_f1) for row in rows)


def test_an_untrained_replicate_is_reported_too(explained_copy):
    run = RunFolder.of(explained_copy)
    plan = read_plan(run.plan)
    for key in plan.shards:
        if key.replicate == 1:
            run.shard(key).unlink()
    for model in plan.models:
        if model.replicate == 1:
            run.model(model).unlink()
    toml = str(run.config)
    assert reduce.main([toml, "--allow-partial"]) == 0
    assert report.main([toml]) == 0
    assert "1 of 2 replicates" in (run.report / "index.html").read_text(encoding="utf-8")
