"""Write the explainer and a training step as XLA programs: a bundle that run.py tries on a card.

    python -m benchmarks.accelerator.export FOLDER [--explain-batches 64 256 1024]
                                            [--training-batches 32 128 512]

The network is the default one on images of 107 x 107 pixels with 22 tumors. Its initial weights are
rounded to float16, which halves the bundle. FOLDER gets the programs, the arrays that they take, a
reference and a copy of run.py. The reference is what tumorcam itself computes here: maps of its
explainer, and the loss, weights and momentums after one step of its training loop.
"""

import argparse
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.accelerator.training_step import State, training_step
from benchmarks.drawn_run import prepare_drawn
from benchmarks.drawn_training import new_loop
from tumorcam.saliency import Explainer
from tumorcam.settings.config import config_from_tables
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.network import network_images

N_GENES, N_TUMORS, N_TARGETS = 5_724, 22, 4  # genes and as many decoys fill 107 x 107 pixels
PRECISIONS = (
    "float32",
    "tensorfloat32",
    "bfloat16",
)  # the second: XLA may round what it multiplies
METHODS = ("guided_grad_cam", "guided_backprop", "gradient_x_input")
N_CHECKED = 8  # samples whose maps are kept
MAX_MICRO_BATCHES = 8  # of a program, which repeats its operations for each
MAX_KEPT = 4096  # values of an array of weights that are kept, evenly spaced


class ExplainProgram(NamedTuple):
    """Maps of some targets of each sample of a batch."""

    precision: str
    batch: int
    targets: int


class TrainingProgram(NamedTuple):
    """A training step; a whole multiple of the loop's batch, which is then repeated."""

    precision: str
    batch: int
    micro_batch: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--explain-batches", type=int, nargs="*", default=[64, 256, 1024])
    parser.add_argument("--training-batches", type=int, nargs="*", default=[32, 128, 512])
    args = parser.parse_args()
    explain = [
        ExplainProgram(precision, batch, n_targets)
        for precision in PRECISIONS
        for batch in args.explain_batches
        for n_targets in (1, N_TARGETS)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        loop = mission_loop(Path(scratch))
        default = loop.config.training.micro_batch
        training = [
            TrainingProgram(precision, batch, micro_batch)
            for precision in PRECISIONS[:2]
            for batch in args.training_batches
            for micro_batch in sorted({default, batch})
            if micro_batch <= batch <= MAX_MICRO_BATCHES * micro_batch
        ]
        write_bundle(args.folder, loop, METHODS, explain, training)
    size = sum(path.stat().st_size for path in args.folder.iterdir()) / 1e6
    print(f"{args.folder}: {len(explain) + len(training)} programs, {size:.0f} MB")


def mission_loop(folder: Path) -> TrainingLoop:
    """The loop of the mission's network on drawn samples; it takes one step and no warm-up."""
    config = config_from_tables(
        {
            "run": {"folder": f"{folder}/run"},
            "layout": {"replicates": 1},
            "splits": {"folds": 2},
            "training": {"epochs": 1, "warmup_epochs": 0.0},
        },
        source="benchmark",
    )
    cohort, _ = prepare_drawn(config, 3 * N_TUMORS, N_GENES, N_TUMORS)
    return new_loop(config, cohort, folder / "checkpoints")


def write_bundle(
    folder: Path,
    loop: TrainingLoop,
    methods: Sequence[str],
    explain: Sequence[ExplainProgram],
    training: Sequence[TrainingProgram],
) -> None:
    """Write programs, arrays and reference, and let the loop take its one step.

    Parameters
    ----------
    loop : TrainingLoop
        Untrained, of one step in all. Its network must have no batch normalization.
    methods : sequence of str
        Saliency methods that each program computes, without those that mix targets or draw noise:
        their maps are not those of the reference.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = loop.network
    features = loop.task.training.features[: loop.config.training.batch_size]
    images = network_images(network, features, loop.task.layout)
    fit_initial_weights(network, images)
    network.set_weights([w.astype(np.float16).astype(np.float32) for w in network.get_weights()])
    store = ArrayStore({"images": images[:N_CHECKED]})
    bundle = {
        "explain": write_explain_programs(folder, loop, methods, explain, store),
        "training": write_training_programs(folder, loop, training, store),
    }
    np.savez_compressed(folder / "arrays.npz", **store.arrays)
    (folder / "bundle.json").write_text(json.dumps(bundle, indent=1), encoding="utf-8")
    shutil.copy(Path(__file__).with_name("run.py"), folder)


@dataclasses.dataclass
class ArrayStore:
    """Arrays of a bundle by name."""

    arrays: dict[str, np.ndarray]

    def add_weights(self, weights: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """Keep each array once, in float16 where that loses nothing; where each one is found."""
        return [self._add(np.asarray(array)) for array in weights]

    def _add(self, array: np.ndarray) -> dict[str, Any]:
        for name, other in self.arrays.items():
            for transposed in (False, True):
                twin = other.T if transposed else other
                if twin.shape == array.shape and np.array_equal(twin, array):
                    return {"array": name, "transposed": transposed}
        name, half = f"w{len(self.arrays)}", array.astype(np.float16)
        self.arrays[name] = half if np.array_equal(half, array) else array
        return {"array": name, "transposed": False}


def write_explain_programs(
    folder: Path,
    loop: TrainingLoop,
    methods: Sequence[str],
    programs: Sequence[ExplainProgram],
    store: ArrayStore,
) -> dict[str, Any]:
    network, images = loop.network, store.arrays["images"]
    rng, n_tumors = np.random.default_rng(0), int(network.output_shape[-1])
    targets = np.stack([rng.permutation(n_tumors)[:N_TARGETS] for _ in images]).astype(np.int32)
    explainer = Explainer(network, methods=methods, batch_size=len(images))
    maps = explainer(images, targets)
    store.arrays |= {"targets": targets, "logits": maps.logits, **maps.methods}
    weights = store.add_weights([w.numpy() for w in tf.nest.flatten(explainer._weights)])
    for program in programs:
        precision = "bfloat16" if program.precision == "bfloat16" else "float32"
        explainer = Explainer(
            network, methods=methods, batch_size=program.batch, precision=precision
        )
        arguments = (
            tf.zeros((program.batch, *images.shape[1:])),
            tf.zeros((program.targets, program.batch), tf.int32),
            explainer._weights,
        )
        path = folder / file_name("explain", program)
        path.write_bytes(xla_program(explainer._traced, arguments, program.precision))
    return {
        "methods": sorted(methods),  # the order of the program's outputs
        "weights": weights,
        "programs": [p._asdict() | {"file": file_name("explain", p)} for p in programs],
    }


def write_training_programs(
    folder: Path, loop: TrainingLoop, programs: Sequence[TrainingProgram], store: ArrayStore
) -> dict[str, Any]:
    batch = loop.batches.batch(0, 0)
    images = batch.images.reshape(-1, *loop.network.input_shape[1:])
    inputs = [images, batch.targets, *batch.masks]
    weights = loop.network.get_weights()
    rate = float(loop.optimizer.learning_rate)
    zeros = [tf.zeros(array.shape) for array in weights]
    for program in programs:
        arguments = (
            [tf.zeros((program.batch, *array.shape[1:])) for array in inputs],
            tf.constant(rate),
            tf.constant(1.0),
            State(zeros, zeros, zeros),
        )
        step = training_step(loop, program.micro_batch)
        path = folder / file_name("training", program)
        path.write_bytes(xla_program(step, arguments, program.precision))
    entries = store.add_weights(weights)
    with tempfile.TemporaryDirectory() as scratch:
        loop.run(Path(scratch) / "history.csv")
    momentums = [v.numpy() for v in loop.optimizer.variables if v.name.endswith("_momentum")]
    after = {"weights": loop.network.get_weights(), "momentum": momentums}
    store.arrays |= {f"training_input{i}": array for i, array in enumerate(inputs)}
    store.arrays["loss"] = loop.learning_curve()["training_loss"].to_numpy()
    for kind, arrays in after.items():
        store.arrays |= {f"{kind}{i}": a.ravel()[:: stride(a)] for i, a in enumerate(arrays)}
    return {
        "inputs": len(inputs),
        "rate": rate,
        "weights": entries,
        "strides": [stride(array) for array in weights],
        "programs": [p._asdict() | {"file": file_name("training", p)} for p in programs],
    }


def stride(array: np.ndarray) -> int:
    """The step from one value to the next that is kept."""
    return -(-array.size // MAX_KEPT)


def file_name(kind: str, program: tuple[object, ...]) -> str:
    return f"{'-'.join(map(str, (kind, *program)))}.hlo"


def xla_program(function: Callable, arguments: Sequence[Any], precision: str) -> bytes:
    """A function as an HLO module; with "float32" it asks for whole float32 in products."""
    with tensor_float_32(precision != "float32"):
        compiled = tf.function(lambda *a: function(*a), autograph=False, jit_compile=True)
        return compiled.experimental_get_compiler_ir(*arguments)(stage="hlo_serialized")


@contextmanager
def tensor_float_32(is_allowed: bool) -> Iterator[None]:
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(is_allowed)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


if __name__ == "__main__":
    main()
