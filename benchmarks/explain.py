"""Throughput of Guided Grad-CAM on the mission's network: tumorcam beside its peers.

    python -m benchmarks.explain [--samples 256] [--rounds 7] [--threads 2] [--only own xplique]
        [--library] [--profile]

All contenders explain the same images of 107 x 107 pixels with the same weights (`valid` padding,
22 classes). Each has a process of its own; they take turns, and the table has medians of rounds. A
peer that is not installed is named and left out: xplique, captum with torch, grad-cam with
torchvision. TensorFlow is timed with oneDNN. xplique takes its default batch of 32 and larger ones;
it is also timed with TensorFlow's default on CPUs without AVX-512, which is to leave oneDNN off.

With `--library`, what a user calls is timed instead: the second and later calls of
`tumorcam.guided_grad_cam(network, images, targets)` beside xplique, on the network
with `same` padding, with oneDNN and without.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.explain_peers import (
    N_TARGETS,
    ONE,
    ONEDNN,
    RIVALS,
    Contender,
    mission,
    textbook,
    torch_peers,
    xplique,
)
from tumorcam.training.threads import use_threads

OWN_BATCH = 128  # as in configs/tcga.toml; the default of 64 is some 5 % slower
MATRIX = 2048  # rows and columns of the product that measures the machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=KINDS, help="contenders; by default all")
    parser.add_argument("--library", action="store_true", help="time the library's function")
    parser.add_argument("--profile", action="store_true", help="where the time of a batch goes")
    args = parser.parse_args()
    args.padding = "same" if args.library else "valid"
    if args.profile:
        print_profile(args.threads)
        return
    rounds: dict[str, list[float]] = {}
    teams = [
        start(kind, onednn, args)
        for kind, onednn in (LIBRARY if args.library else TEAMS)
        if not args.only or kind in (*args.only, "matrix")
    ]
    for turn in range(args.rounds + 1):  # the first warms up
        for team in teams:
            for name, rate in ask(team):
                if turn:
                    rounds.setdefault(name, []).append(rate)
    for team in teams:
        team.send(False)
    print_table(rounds, mission(64, args.padding)[0])


def start(kind: str, onednn: str, args: argparse.Namespace) -> Connection:
    """The connection to a process of contenders, which answers True with the rates of a round."""
    os.environ[ONEDNN] = onednn
    parent, child = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=compete, args=(kind, child, args), daemon=True).start()
    return parent


def ask(team: Connection) -> list[tuple[str, float]]:
    team.send(True)
    rates: list[tuple[str, float]] = team.recv()
    return rates


def compete(kind: str, parent: Connection, args: argparse.Namespace) -> None:
    use_threads(args.threads)
    network, images, targets = mission(args.samples, args.padding)
    contenders = list(KINDS[kind](network, images, targets, args.threads))
    if args.library:
        contenders = contenders[:1]  # those with one target
    suffix = ", oneDNN off" if os.environ[ONEDNN] == "0" else ""
    while parent.recv():
        rates = []
        for name, n_samples, run in contenders:
            started = time.perf_counter()
            run()
            rates.append((name + suffix, n_samples / (time.perf_counter() - started)))
        parent.send(rates)


def print_table(rounds: dict[str, list[float]], network: object) -> None:
    """Medians over rounds: samples/s, share of the bound, and how many times tumorcam is faster.

    The share and the ratio are taken within each round, so that a machine that others slow down for
    a while slows both sides of them. The bound is the rate of a matrix product.
    """
    products = np.array(rounds.pop("matrix product")) * 2 * MATRIX**3
    forward, head = useful_operations(network)
    print(
        f"matrix product {np.median(products) / 1e9:.0f} GFLOP/s; "
        f"forward {forward / 1e9:.3f} GFLOP a sample"
    )
    print(f"{'':44}{'samples/s':>10}{'min':>8}{'max':>8}{'of bound':>10}{'tumorcam':>10}")
    for name, rates in rounds.items():
        label = RIVALS if RIVALS in name else ONE
        work = forward + (N_TARGETS if label == RIVALS else 1) * (head + forward)
        share = np.median(np.array(rates) * work / products)
        line = f"{name:44}{np.median(rates):10.1f}{min(rates):8.1f}{max(rates):8.1f}{share:10.0%}"
        own_rates = next((rounds[own] for own in rounds if label in own and "tumor" in own), None)
        if own_rates and "tumor" not in name:
            line += f"{np.median(np.array(own_rates) / rates):8.2f} x"
        print(line)


def useful_operations(network: object) -> tuple[float, float]:
    """Floating-point operations of a sample's forward pass, and of its dense layers alone."""
    forward = head = 0.0
    for layer in network.layers:  # type: ignore[attr-defined]
        if hasattr(layer, "kernel"):
            cells = np.prod(layer.output.shape[1:-1])
            work = 2.0 * cells * np.prod(layer.kernel.shape)
            forward += work
            head += work if len(layer.output.shape) == 2 else 0.0
    return forward, head


def own(network, images, targets, n_threads) -> Iterator[Contender]:
    from tumorcam.saliency import Explainer

    batch = min(OWN_BATCH, len(images))
    for precision in ("float32", "bfloat16"):
        explainer = Explainer(
            network, methods=("guided_grad_cam",), batch_size=batch, precision=precision
        )
        for n_targets, label in ((1, ONE), (N_TARGETS, RIVALS)):
            yield Contender(
                f"tumorcam, {precision}, {label}",
                len(images),
                lambda explainer=explainer, n=n_targets: [
                    explainer(images[i : i + batch], targets[i : i + batch, :n])
                    for i in range(0, len(images), batch)
                ],
            )


def library(network, images, targets, n_threads) -> Iterator[Contender]:
    """What a user calls; the round that warms up compiles, the next ones use what is kept."""
    import tumorcam

    yield Contender(
        f"tumorcam.guided_grad_cam, {ONE}",
        len(images),
        lambda: tumorcam.guided_grad_cam(network, images, targets[:, 0]),
    )


def matrix_product(network, images, targets, n_threads) -> Iterator[Contender]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    left, right = (tf.constant(rng.normal(size=(MATRIX, MATRIX)), tf.float32) for _ in range(2))
    yield Contender("matrix product", 1, lambda: tf.matmul(left, right).numpy())


def print_profile(n_threads: int) -> None:
    """Milliseconds of each operation for a batch of one target."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    use_threads(n_threads)
    network, images, targets = mission(OWN_BATCH)
    run = next(own(network, images, targets, n_threads)).run
    run(), run()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    durations: Counter[str] = Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            kind = name.split(":")[-1]
            if "Mkl" in kind or "fusion" in name or name.startswith("_explain"):
                name = "XLA, between them" if "fusion" in name else name
                durations[name] += event.duration_ps / 1e9
    for name, milliseconds in durations.most_common(20):
        print(f"{milliseconds:9.2f} ms  {name}")


KINDS: dict[str, Callable[..., Iterator[Contender]]] = {
    "own": own,
    "library": library,
    "textbook": textbook,
    "xplique": xplique,
    "torch": torch_peers,
    "matrix": matrix_product,
}
TEAMS = [
    ("own", "1"),
    ("xplique", "1"),
    ("xplique", "0"),
    ("torch", "1"),
    ("textbook", "1"),
    ("matrix", "1"),
]
LIBRARY = [
    ("library", "1"),
    ("xplique", "1"),
    ("library", "0"),
    ("xplique", "0"),
    ("matrix", "1"),
]

if __name__ == "__main__":
    main()
