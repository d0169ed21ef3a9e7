"""New samples beside the bare engine, and the peak memory of each stage.

    python -m benchmarks.apply [--rounds 3] [--samples 2048] [--skip-memory] [--skip-speed]

Expression is drawn and the networks are untrained; classify and explain take as long as with real
ones. The bare engine runs the same networks and the same explainer on images that lie ready.
"""

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.drawn_run import run_job
from benchmarks.explain_job import SIDE, THREADS, make_run
from tumorcam.applied.calls import explained_cohort
from tumorcam.applied.classify import classify_blocks, write_all_calls
from tumorcam.applied.intake import prepare_new_samples
from tumorcam.applied.missing_genes import missing_curve
from tumorcam.applied.reference_fit import write_reference
from tumorcam.cohort.cohort import Cohort, plan_of, read_cohort, write_cohort
from tumorcam.cohort.images import features_without_decoys
from tumorcam.explain import explain
from tumorcam.operations.application import new_config
from tumorcam.readers.inputs import Inputs
from tumorcam.readers.matrix import Matrix
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey, Plan, write_plan
from tumorcam.storage.run_config import write_run_config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import StoredValues
from tumorcam.training.network import load_classifier, network_images
from tumorcam.training.source import source_run
from tumorcam.training.threads import use_threads

N_TRAINED = 256  # samples of the run that is applied
MEMORY_SAMPLES = (1_000, 10_000)
BLOCK = 512  # drawn samples that are stored at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--skip-speed", action="store_true")
    args = parser.parse_args()
    use_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        if not args.skip_speed:
            compare_with_engine(make_new(Path(folder) / "run", args.samples), args.rounds)
        if not args.skip_memory:
            for n_samples in MEMORY_SAMPLES:
                # in another process: the peak memory of a child includes that of its parent
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    arguments = (Path(folder) / f"{n_samples}", n_samples)
                    print_memory(pool.apply(make_new, arguments), n_samples)


def make_new(folder: Path, n_samples: int) -> Config:
    """New samples in an untrained run, ready to classify."""
    use_threads(THREADS)
    own = make_run(folder, N_TRAINED, SIDE)
    run, cohort = RunFolder.of(own), read_cohort(folder / "cohort.h5", own)
    write_run_config(own, [])
    reference = write_reference(run, cohort, own, missing_curve(run, cohort, own))
    config = new_config(source_run(folder), "new", [str(folder / "drawn.tsv")], [])
    rng, values = np.random.default_rng(1), StoredValues()
    for start in range(0, n_samples, BLOCK):
        n = min(BLOCK, n_samples - start)
        drawn = 5 + 2 * rng.standard_normal((n, len(cohort.genes)), dtype=np.float32)
        values.add_samples(drawn.clip(0, 20))
    names = [f"N{i:06d}" for i in range(n_samples)]
    matrix = Matrix(path=folder / "drawn.tsv", samples=names, genes=cohort.genes.tolist(),
                    values=values)  # fmt: skip
    samples = pd.DataFrame({"sample": names})
    for column in ("patient", "tumor", "sample_type", "source"):
        samples[column] = ""
    given = Inputs(matrix, samples, [], [])
    content = prepare_new_samples(config, given, cohort, reference)
    write_cohort(RunFolder.of(config).cohort, content, config, "drawn")
    write_run_config(config, [])
    write_plan(RunFolder.of(config).plan, plan_of(new_cohort(config), config))
    return config


def new_cohort(config: Config) -> Cohort:
    return read_cohort(RunFolder.of(config).cohort, config)


def compare_with_engine(config: Config, rounds: int) -> None:
    """Classification and explanation in this process against networks and explainer alone."""
    run, cohort = RunFolder.of(config), new_cohort(config)
    plan = plan_of(cohort, config)
    bare = BareEngine(run, cohort, plan, config)
    original = explain.make_explainer
    explain.make_explainer = lambda *args: bare.explainer  # type: ignore[assignment]
    seconds: dict[str, list[float]] = {"bare": [], "apply": []}
    for turn in range(rounds + 1):
        for name, measured in seconds.items():
            for folder in (run.predictions, run.shards):
                shutil.rmtree(folder, ignore_errors=True)
            started = time.perf_counter()
            if name == "bare":
                bare.run()
            else:
                classify_blocks(run, cohort, plan.prediction_tasks, config, visible=False)
                write_all_calls(run, cohort, plan, config)
                explained = explained_cohort(run, cohort, config)
                explain.explain_shards(run, explained, plan.shards, config, visible=False)
            if turn:
                measured.append(time.perf_counter() - started)
    explain.make_explainer = original
    medians = {name: statistics.median(measured) for name, measured in seconds.items()}
    print(
        f"{len(cohort.sample)} samples x {len(cohort.genes)} genes, {len(plan.models)} networks: "
        f"bare {medians['bare']:.1f} s, apply {medians['apply']:.1f} s: "
        f"{medians['bare'] / medians['apply']:.0%} of the bare engine"
    )


class BareEngine:
    """All networks and one explainer, with the images of all samples ready in memory."""

    def __init__(self, run: RunFolder, cohort: Cohort, plan: Plan, config: Config) -> None:
        expression = cohort.expression()
        first = load_classifier(run, cohort, ModelKey(0, 0), config)
        self.explainer = explain.make_explainer(first, config)
        self.networks, self.images, self.batches = [], [], []
        size = self.explainer.batch_size
        for key in plan.models:
            classifier = load_classifier(run, cohort, key, config)
            features = features_without_decoys(expression, classifier.scaler, classifier.layout)
            self.networks.append(classifier.network)
            self.images.append(network_images(classifier.network, features, classifier.layout))
        for shard in plan.shards:
            rows = cohort.rows_of(shard)
            target = np.array([[i % 4, 5, 6, 7] for i in range(len(rows))])
            for i in range(0, len(rows), size):
                part = rows[i : i + size]
                self.batches.append((self.images[shard.fold][part], target[i : i + size]))

    def run(self) -> None:
        """Classify all samples by all networks, and explain each once."""
        for network, images in zip(self.networks, self.images, strict=True):
            for i in range(0, len(images), 256):
                network(images[i : i + 256], training=False).numpy()
        for images, target in self.batches:
            self.explainer(images, target)


def print_memory(config: Config, n_samples: int) -> None:
    """Peak memory of the jobs on all samples."""
    for stage in ("classify", "explain"):
        cost = run_job(config, stage)
        peak, seconds = cost.peak_bytes / 2**20, cost.seconds
        print(f"{n_samples:6} samples, {stage}: {peak:6.0f} MiB, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
