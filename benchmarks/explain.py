"""Throughput of Guided Grad-CAM on the mission's network: tumorcam beside its peers.

    python -m benchmarks.explain [--samples 128] [--rounds 7] [--threads 2] [--library] [--profile]

All contenders explain the same images of 107 x 107 pixels with the same weights (`valid` padding,
22 classes). Each has a process of its own; they take turns, and medians are quoted. A peer that is
not installed is named and left out: xplique, captum with torch, grad-cam with torchvision.
TensorFlow is timed with oneDNN; xplique is also timed with TensorFlow's default on CPUs without
AVX-512, which is to leave oneDNN off.

With `--library`, what a user calls is timed instead: the second and later calls of
`tumorcam.guided_grad_cam(network, images, targets)` beside xplique, on 256 images and the network
with `same` padding, with oneDNN and without.
"""

import argparse
import importlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tumorcam.settings import ModelSettings
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import build_network
from tumorcam.training.threads import use_threads

SIDE, N_TUMORS, N_TARGETS = 107, 22, 4
OWN_BATCH = 64  # the default of explain.batch_size
PEER_BATCH = {"xplique": 32, "captum": 64}  # of 16 to 128 none is clearly faster here
MATRIX = 2048  # rows and columns of the product that measures the machine
FEW = 8  # samples of contenders that take them one by one
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow's own default is 0 where the CPU lacks AVX-512


class Contender(NamedTuple):
    """Something that explains samples; `run` takes all `n_samples` once."""

    name: str
    n_samples: int
    run: Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, help="by default 128, or 256 with --library")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--library", action="store_true", help="time the library's function")
    parser.add_argument("--profile", action="store_true", help="where the time of a batch goes")
    args = parser.parse_args()
    args.samples = args.samples or (256 if args.library else 128)
    args.padding = "same" if args.library else "valid"
    if args.profile:
        print_profile(args.threads)
        return
    rounds: dict[str, list[float]] = {}
    teams = [start(kind, onednn, args) for kind, onednn in (LIBRARY if args.library else TEAMS)]
    for turn in range(args.rounds + 1):  # the first warms up
        for team in teams:
            for name, rate in ask(team):
                if turn:
                    rounds.setdefault(name, []).append(rate)
    for team in teams:
        team.send(False)
    rate = 2 * MATRIX**3 * statistics.median(rounds.pop("matrix product"))
    print_table(rounds, mission(64, args.padding)[0], rate)


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


def mission(n_samples: int = 64, padding: str = "valid"):
    """The mission's network with its initial weights, images and targets."""
    rng = np.random.default_rng(0)
    settings = ModelSettings(padding=padding)
    network = build_network(settings, side=SIDE, n_tumors=N_TUMORS, rng=rng)
    images = rng.normal(size=(n_samples, SIDE, SIDE, 1)).astype(np.float32)
    fit_initial_weights(network, images[:64])
    return network, images, np.stack([rng.permutation(N_TUMORS)[:N_TARGETS] for _ in images])


def print_table(rounds: dict[str, list[float]], network: object, rate: float) -> None:
    """Samples per second, and the share of the machine's arithmetic that is useful work."""
    forward, head = useful_operations(network)
    print(f"matrix product {rate / 1e9:.0f} GFLOP/s; forward {forward / 1e9:.3f} GFLOP a sample")
    print(f"{'':44}{'samples/s':>10}{'min':>8}{'max':>8}{'of bound':>10}")
    for name, rates in rounds.items():
        n_targets = N_TARGETS if "rivals" in name else 1
        work = forward + n_targets * (head + forward)
        median = statistics.median(rates)
        share = f"{median * work / rate:10.0%}"
        print(f"{name:44}{median:10.1f}{min(rates):8.1f}{max(rates):8.1f}{share}")


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

    batch = OWN_BATCH
    for precision in ("float32", "bfloat16"):
        explainer = Explainer(
            network, methods=("guided_grad_cam",), batch_size=batch, precision=precision
        )
        for n_targets, label in ((1, "one target"), (N_TARGETS, "own and three rivals")):
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
        "tumorcam.guided_grad_cam, one target",
        len(images),
        lambda: tumorcam.guided_grad_cam(network, images, targets[:, 0]),
    )


def textbook(network, images, targets, n_threads) -> Iterator[Contender]:
    """One sample at a time: a model for Grad-CAM, a copy with guided ReLUs, GradientTape."""
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def guided_relu(value):
        return (
            tf.nn.relu(value),
            lambda gradient: (
                gradient * tf.cast(gradient > 0, tf.float32) * tf.cast(value > 0, tf.float32)
            ),
        )

    guided = keras.models.clone_model(network)
    guided.set_weights(network.get_weights())
    for layer in guided.layers:
        if getattr(layer, "activation", None) is keras.activations.relu:
            layer.activation = guided_relu
    last = [layer for layer in network.layers if "conv" in layer.name][-1]
    both = keras.Model(network.inputs, [last.output, network.outputs[0]])

    def explain(image, target):
        with tf.GradientTape() as tape:
            activation, logits = both(image[None])
            logit = logits[0, target]
        alpha = tf.reduce_mean(tape.gradient(logit, activation), axis=(1, 2), keepdims=True)
        cam = tf.nn.relu(tf.reduce_sum(alpha * activation, axis=-1, keepdims=True))
        cam = tf.image.resize(cam, image.shape[:2])
        with tf.GradientTape() as tape:
            pixels = tf.constant(image[None])
            tape.watch(pixels)
            logit = guided(pixels)[0, target]
        return (cam * tape.gradient(logit, pixels)).numpy()

    few = min(FEW, len(images))
    yield Contender(
        "textbook loop, one target",
        few,
        lambda: [explain(images[i], targets[i, 0]) for i in range(few)],
    )


def xplique(network, images, targets, n_threads) -> Iterator[Contender]:
    if not is_installed("xplique"):
        return
    from xplique.attributions import GradCAM, GuidedBackprop

    last = [layer.name for layer in network.layers if "conv" in layer.name][-1]
    size = PEER_BATCH["xplique"]
    guided = GuidedBackprop(network, batch_size=size)
    coarse = GradCAM(network, batch_size=size, conv_layer=last)
    one_hot = np.eye(N_TUMORS, dtype=np.float32)

    def explain(n_targets):
        return [
            np.squeeze(guided.explain(images, one_hot[targets[:, t]]))
            * np.squeeze(coarse.explain(images, one_hot[targets[:, t]]))
            for t in range(n_targets)
        ]

    yield Contender("xplique, one target", len(images), lambda: explain(1))
    yield Contender("xplique, own and three rivals", len(images), lambda: explain(N_TARGETS))


def torch_peers(network, images, targets, n_threads) -> Iterator[Contender]:
    if not is_installed("torch"):
        return
    import torch

    torch.set_num_threads(n_threads)
    twin = torch_twin(network)
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    classes = torch.from_numpy(targets[:, 0])
    with torch.no_grad():
        gap = np.abs(twin(pixels[:4]).numpy() - network(images[:4]).numpy()).max()
    assert gap < 1e-3, f"the networks differ by {gap}"
    last = [layer for layer in twin if isinstance(layer, torch.nn.Conv2d)][-1]
    if is_installed("captum"):
        from captum.attr import GuidedGradCam

        method, size = GuidedGradCam(twin, last), PEER_BATCH["captum"]
        yield Contender(
            "captum, one target",
            len(images),
            lambda: [
                method.attribute(pixels[i : i + size].requires_grad_(), classes[i : i + size])
                for i in range(0, len(images), size)
            ],
        )
    if is_installed("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        few = min(FEW, len(images))
        coarse, guided = GradCAM(twin, [last]), GuidedBackpropReLUModel(twin, "cpu")

        def explain(i):
            cam = coarse(pixels[i : i + 1], [ClassifierOutputTarget(int(classes[i]))])
            return cam[0, :, :, None] * guided(pixels[i : i + 1], int(classes[i]))

        yield Contender(
            "pytorch-grad-cam, one target", few, lambda: [explain(i) for i in range(few)]
        )


def torch_twin(network):
    """The same network in torch; its first dense layer takes channels first."""
    import torch

    blocks, shape = [], None
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            kernel, bias = (torch.from_numpy(w) for w in layer.get_weights())
            twin = torch.nn.Conv2d(*kernel.shape[2:], 3, padding=layer.padding)
            twin.weight.data, twin.bias.data = kernel.permute(3, 2, 0, 1).contiguous(), bias
            blocks += [twin, torch.nn.ReLU()]
        elif kind == "MaxPooling2D":
            blocks.append(torch.nn.MaxPool2d(2))
        elif kind == "Flatten":
            blocks.append(torch.nn.Flatten())
            shape = layer.input.shape[1:]
        else:
            kernel, bias = (torch.from_numpy(w) for w in layer.get_weights())
            if shape:
                kernel = kernel.reshape(*shape, -1).permute(2, 0, 1, 3).reshape(kernel.shape)
                shape = None
            twin = torch.nn.Linear(*kernel.shape)
            twin.weight.data, twin.bias.data = kernel.T.contiguous(), bias
            blocks += [twin, torch.nn.ReLU()]
    return torch.nn.Sequential(*blocks[:-1]).eval()


def matrix_product(network, images, targets, n_threads) -> Iterator[Contender]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    left, right = (tf.constant(rng.normal(size=(MATRIX, MATRIX)), tf.float32) for _ in range(2))
    yield Contender("matrix product", 1, lambda: tf.matmul(left, right).numpy())


def is_installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        print(f"left out: {name} ({error})", flush=True)
        return False
    return True


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
