"""Teams of the suite that train networks, explain by them, and classify changed samples."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import explain, training_step
from benchmarks.measurement import BOUND, OURS, PEER, Rate, Team, spawn
from tumorcam.cohort.cohort import read_cohort
from tumorcam.faithfulness import examine, perturbation
from tumorcam.settings import TrainingSettings
from tumorcam.settings.config import load_config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.threads import use_threads

SAMPLES, IMAGES = "samples/s", "images/s"
RIVALS, TWO_PASSES = "own and three rivals", "own and three rivals, two passes"
ONEDNN = {explain.ONEDNN: "1"}  # as the jobs set it
BACKWARD = 2  # times the operations of the forward pass


def step_teams(batch: int, n_steps: int, n_threads: int, *, with_peers: bool) -> list[Team]:
    """The contenders of `benchmarks.training_step`, each in a process, and the bound."""
    micro_batch = TrainingSettings().micro_batch
    args = argparse.Namespace(
        batch=batch, steps=n_steps, threads=n_threads, micro_batch=micro_batch
    )
    names = list(training_step.CONTENDERS)[: None if with_peers else 1]

    def team_of(name: str) -> Team:
        process = training_step.start(name, args)

        def team() -> list[Rate]:
            process.send(n_steps)
            seconds = process.recv()
            kind = OURS if name == "tumorcam" else PEER
            work = f"batch of {batch}"
            return [] if seconds is None else [Rate(work, name, kind, SAMPLES, batch / seconds)]

        team()
        return team

    bound = spawn(stepping_bound, f"batch of {batch}", n_threads, **ONEDNN)
    return [*map(team_of, names), bound]


def stepping_bound(work: str, n_threads: int) -> Team:
    """What the machine's matrix products allow a training step."""
    use_threads(n_threads)
    forward, _ = explain.useful_operations(explain.mission(64, "same")[0])
    product = next(explain.matrix_product(None, None, None, n_threads))

    def team() -> list[Rate]:
        operations = 2 * explain.MATRIX**3 / seconds_of(product.run)
        rate = operations / ((1 + BACKWARD) * forward)
        return [Rate(work, "matrix product", BOUND, SAMPLES, rate)]

    team()
    return team


def explain_teams(n_samples: int, n_threads: int, *, with_peers: bool) -> list[Team]:
    """The contenders of `benchmarks.explain`, each kind in a process."""
    return [
        spawn(explaining, kind, onednn, n_samples, n_threads, **{explain.ONEDNN: onednn})
        for kind, onednn in explain.TEAMS
        if with_peers or kind in ("own", "matrix")
    ]


def explaining(kind: str, onednn: str, n_samples: int, n_threads: int) -> Team:
    """The contenders of one kind, warmed up."""
    use_threads(n_threads)
    network, images, targets = explain.mission(n_samples, "valid")
    contenders = list(explain.KINDS[kind](network, images, targets, n_threads))
    forward, head = explain.useful_operations(network)
    operations = {
        "one target": 2 * forward + head,
        RIVALS: forward + explain.N_TARGETS * (head + forward),
    }
    operations[TWO_PASSES] = 2 * operations[RIVALS]

    def team() -> list[Rate]:
        rates = []
        for name, n, run in contenders:
            seconds = seconds_of(run)
            if kind == "matrix":
                product = 2 * explain.MATRIX**3 / seconds
                rates += [
                    Rate(work, name, BOUND, SAMPLES, product / n_operations)
                    for work, n_operations in operations.items()
                ]
                continue
            contender, _, work = name.rpartition(", ")
            contender += ", oneDNN off" if onednn == "0" else ""
            side = OURS if kind == "own" else PEER
            rates.append(Rate(work, contender, side, SAMPLES, n / seconds))
            if kind == "own" and work == RIVALS:
                seconds += seconds_of(run)
                rates.append(Rate(TWO_PASSES, contender, OURS, SAMPLES, n / seconds))
        return rates

    team()
    return team


def faithfulness_team(toml: Path, n_threads: int) -> Team:
    """Classification of samples with changed genes in a finished run, in a process."""
    return spawn(classifying, toml, n_threads, **ONEDNN)


def classifying(toml: Path, n_threads: int) -> Team:
    """Changed samples by tumorcam, and as many images of that size, which lie ready, by Keras."""
    use_threads(n_threads)
    config = load_config(toml)
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    work = examine.plan_work(run, cohort, config)
    n_images = examine.n_forward_passes(cohort, config)
    network = load_classifier(run, cohort, work.blocks[0].model, config).network
    shape = (n_images, *network.input_shape[1:])
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    product = next(explain.matrix_product(None, None, None, n_threads))
    forward, _ = explain.useful_operations(network)
    blocks = dict(enumerate(work.blocks))

    def respond() -> None:
        for _ in perturbation.respond(run, cohort, blocks, work.sets, config, visible=False):
            pass

    def predict() -> None:
        network.predict(images, batch_size=perturbation.BATCH, verbose=0)

    def team() -> list[Rate]:
        task = "changed samples"
        product_rate = 2 * explain.MATRIX**3 / seconds_of(product.run)
        return [
            Rate(task, "tumorcam", OURS, IMAGES, n_images / seconds_of(respond)),
            Rate(task, "matrix product", BOUND, IMAGES, product_rate / forward),
            Rate(task, "Keras predict, images ready", PEER, IMAGES, n_images / seconds_of(predict)),
        ]

    team()
    return team


def seconds_of(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
