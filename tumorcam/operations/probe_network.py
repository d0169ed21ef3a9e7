"""The part of a probe in which a network explains and classifies, in a process of its own.

`python -m tumorcam.operations.probe_network CONFIG OUTPUT REPLICATE STARTED` writes JSON.
STARTED is the time of the call, in seconds since the epoch.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.resources import peak_bytes
from tumorcam.cohort.cohort import Cohort, planned, read_cohort
from tumorcam.cohort.images import features_without_decoys
from tumorcam.explain import devices
from tumorcam.explain.explain import explain_shards
from tumorcam.faithfulness.perturbation import BATCH, TracedModel
from tumorcam.operations.probe import EXPLAINED_BATCHES
from tumorcam.settings.config import Config, load_config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.threads import use_threads

SECONDS = 2.0  # of forward passes, at most one batch more


def measure(config: Config, replicate: int, started: float) -> dict[str, float | str]:
    """Seconds and bytes of explaining and of forward passes, by the names of a `Probe`.

    Parameters
    ----------
    replicate : int
        The replicate of the drawn run whose first model is trained.
    started : float
        When this process was started, in seconds since the epoch.
    """
    imported, run = time.time(), RunFolder.of(config)
    cohort, plan = read_cohort(run.cohort, config), planned(run, config)
    use_threads(config.run.threads_per_rank)
    gpu = devices.take_gpu(current_launch())
    key = ModelKey(replicate, 0)
    shards = [shard for shard in plan.shards if shard.model == key][:EXPLAINED_BATCHES]
    forward = _forward(run, cohort, key, config) | {"forward_peak": peak_bytes()}
    begun = time.time()
    explain_shards(run, cohort, shards, config, gpu=gpu, visible=False)
    written = [run.shard(shard).stat().st_mtime for shard in shards]
    size = config.explain.batch_size  # each shard is one batch, which is filled up
    sample = (written[-1] - written[0]) / (size * (len(shards) - 1))
    return {
        "devices": ", ".join(devices.device_names()),
        "tensorflow_start": imported - started,
        "explain_start": imported - started + written[0] - begun - sample * size,
        "explain_sample": sample,
        "explain_peak": peak_bytes(),
        **forward,
    }


def _forward(run: RunFolder, cohort: Cohort, key: ModelKey, config: Config) -> dict[str, float]:
    """Seconds to load a model, and of a forward pass of a sample."""
    started = time.perf_counter()
    classifier = load_classifier(run, cohort, key, config)
    traced = TracedModel(classifier)
    rows = np.arange(BATCH) % len(cohort.sample)
    features = features_without_decoys(
        cohort.expression(np.unique(rows)), classifier.scaler, classifier.layout
    )[rows]
    traced.logits([features])
    loaded = time.perf_counter()
    n_batches = 0
    while not n_batches or time.perf_counter() - loaded < SECONDS:
        traced.logits([features])
        n_batches += 1
    sample = (time.perf_counter() - loaded) / (n_batches * BATCH)
    return {"model_load": loaded - started - sample * BATCH, "forward_sample": sample}


if __name__ == "__main__":
    _, _config, _output, _replicate, _started = sys.argv
    _numbers = measure(load_config(Path(_config)), int(_replicate), float(_started))
    Path(_output).write_text(json.dumps(_numbers), encoding="utf-8")
