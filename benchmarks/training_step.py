"""A training step of the default network: tumorcam's loop beside Keras `fit` and PyTorch.

    python -m benchmarks.training_step [--batch 32] [--rounds 7] [--steps 8] [--profile]

All train the same network (107 x 107 pixels, 22 tumors) with AdamW on drawn samples in memory.
Each contender has a process of its own; they take turns, and ratios are of the same turn. tumorcam
runs its loop, with its batches, micro-batches and sums, as `tumorcam train` does. Keras runs `fit`
as tumorcam sets TensorFlow up (oneDNN, freed memory is kept), and as TensorFlow runs by itself.
PyTorch runs a plain loop with its fused AdamW, in both orders of an image's axes. With `--profile`,
the time of each operation of tumorcam's step is listed instead.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.explain_peers import ONEDNN, is_installed, torch_twin

SIDE, N_GENES, N_TUMORS = 107, 107**2 // 2, 22  # each gene has a decoy
INPUT_DROPOUT, WEIGHT_DECAY, LEARNING_RATE = 0.5, 0.01, 1e-3  # tumorcam's defaults
Steps = Callable[[int], float]  # seconds a step, of a number of steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="steps of a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--profile", action="store_true", help="where the time of a step goes")
    args = parser.parse_args()
    if args.profile:
        print_profile(args)
        return
    teams = {name: start(name, args) for name in args.only}
    rounds: dict[str, list[float]] = {name: [] for name in teams}
    for turn in range(args.rounds + 1):  # the first compiles and warms up
        for name, team in teams.items():
            team.send(args.steps)
            seconds = team.recv()
            if turn and seconds is not None:
                rounds[name].append(seconds)
                print(f"{name:32}{1000 * seconds:8.0f} ms a step", flush=True)
    own = rounds[next(iter(rounds))]
    print(f"batch of {args.batch}: {'ms a step':>32}{'min':>8}{'max':>8}{'ratio':>8}")
    for name, taken in ((name, taken) for name, taken in rounds.items() if taken):
        times = [1000 * value for value in (statistics.median(taken), min(taken), max(taken))]
        ratio = statistics.median(other / mine for other, mine in zip(taken, own, strict=True))
        print(f"{name:40}{times[0]:10.0f}{times[1]:8.0f}{times[2]:8.0f}{ratio:8.2f}")


def start(name: str, args: argparse.Namespace) -> Connection:
    """The connection to a contender's process, which answers a number of steps with its seconds."""
    os.environ.pop(ONEDNN, None)
    if "by itself" not in name:
        os.environ[ONEDNN] = "1"
    parent, child = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=compete, args=(name, child, args), daemon=True).start()
    return parent


def compete(name: str, parent: Connection, args: argparse.Namespace) -> None:
    ends = contextlib.suppress(EOFError)  # nobody asks any more
    with tempfile.TemporaryDirectory() as folder, ends:
        steps = CONTENDERS[name](name, args, folder)
        while True:
            n_steps = parent.recv()
            parent.send(steps(n_steps) if steps else None)


def own(name: str, args: argparse.Namespace, folder: str) -> Steps:
    from benchmarks.drawn_run import prepare_drawn
    from benchmarks.drawn_training import new_loop
    from tumorcam.settings.config import config_from_tables
    from tumorcam.training.loop import Wishes
    from tumorcam.training.threads import use_threads

    use_threads(args.threads)
    tables = {
        "run": {"folder": f"{folder}/run", "threads_per_rank": args.threads},
        "layout": {"replicates": 1},
        "splits": {"folds": 2},
        "training": {
            "epochs": 1000,
            "batch_size": args.batch,
            "micro_batch": args.micro_batch,
        },
    }
    config = config_from_tables(tables, source="benchmark")
    cohort, _ = prepare_drawn(config, 20 * args.batch, N_GENES, N_TUMORS)
    loop = new_loop(config, cohort, Path(folder) / "checkpoints")
    assert loop.task.layout.side == SIDE
    data = iter(loop.workers.strategy.distribute_datasets_from_function(loop._dataset))

    def steps(n_steps: int) -> float:
        started = time.perf_counter()
        for _ in range(n_steps):
            loop._take_step(data, Wishes(False, False))
        return (time.perf_counter() - started) / n_steps

    return steps


def drawn_samples(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (samples, rows, columns, 1) float32, and the tumor of each."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((n_samples, SIDE, SIDE, 1), dtype=np.float32)
    return images, rng.integers(0, N_TUMORS, n_samples)


def new_network():
    from tumorcam.settings import ModelSettings
    from tumorcam.training.network import build_network

    rng = np.random.default_rng(0)
    return build_network(ModelSettings(), side=SIDE, n_tumors=N_TUMORS, rng=rng)


def keras_fit(name: str, args: argparse.Namespace, folder: str) -> Steps:
    import keras
    import tensorflow as tf

    from tumorcam.training.threads import use_threads

    if "by itself" in name:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    else:
        use_threads(args.threads)
    layers = [keras.layers.Dropout(INPUT_DROPOUT), *new_network().layers]
    network = keras.Sequential([keras.Input((SIDE, SIDE, 1)), *layers])
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(optimizer, loss, jit_compile="auto" if "XLA" in name else False)

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.ended = time.perf_counter()
            if batch == 0:  # fit has started
                self.started = self.ended

    def steps(n_steps: int) -> float:
        images, tumor = drawn_samples((n_steps + 1) * args.batch)
        clock = Clock()
        one_hot = np.eye(N_TUMORS, dtype=np.float32)[tumor]
        network.fit(images, one_hot, batch_size=args.batch, verbose=0, callbacks=[clock])
        return (clock.ended - clock.started) / n_steps

    return steps


def torch_loop(name: str, args: argparse.Namespace, folder: str) -> Steps | None:
    if not is_installed("torch"):
        return None
    import torch

    from tumorcam.training.threads import use_threads

    use_threads(args.threads)
    torch.set_num_threads(args.threads)
    layout = torch.channels_last if "channels last" in name else torch.contiguous_format
    twin = torch_twin(new_network())
    for pooling in (layer for layer in twin if isinstance(layer, torch.nn.MaxPool2d)):
        pooling.ceil_mode = True  # as padding "same"
    network = torch.nn.Sequential(torch.nn.Dropout(INPUT_DROPOUT), twin)
    network = network.to(memory_format=layout).train()
    kernels = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": kernels}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    images, tumor = (torch.from_numpy(array) for array in drawn_samples(20 * args.batch))
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=layout)

    def steps(n_steps: int) -> float:
        started = time.perf_counter()
        order = torch.randperm(len(images))
        for step in range(n_steps):
            rows = order[torch.arange(step * args.batch, (step + 1) * args.batch) % len(images)]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images[rows]), tumor[rows])
            loss.backward()
            optimizer.step()
            loss.item()
        return (time.perf_counter() - started) / n_steps

    return steps


def print_profile(args: argparse.Namespace) -> None:
    """Milliseconds of each operation in a step of tumorcam's."""
    os.environ[ONEDNN] = "1"
    with tempfile.TemporaryDirectory() as folder:
        steps = own("tumorcam", args, folder)
        steps(3)
        import tensorflow as tf
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        with tf.profiler.experimental.Profile(folder):
            seconds = steps(args.steps)
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    durations: Counter[str] = Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            durations[name] += event.duration_ps / 1e9 / args.steps
    print(f"{1000 * seconds:9.0f} ms a step")
    for name, milliseconds in durations.most_common(60):
        print(f"{milliseconds:9.2f} ms  {name}")


CONTENDERS: dict[str, Callable[..., Steps | None]] = {
    "tumorcam": own,
    "Keras fit, oneDNN": keras_fit,
    "Keras fit, oneDNN and XLA": keras_fit,
    "Keras fit, XLA, by itself": keras_fit,
    "PyTorch": torch_loop,
    "PyTorch, channels last": torch_loop,
}

if __name__ == "__main__":
    main()
