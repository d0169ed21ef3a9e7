"""Try a bundle of export.py on JAX's first device: is it right, how fast is it, what do peers take?

    python3 run.py BUNDLE [--rounds 20] [--json FILE] [--no-peers]

It needs JAX and NumPy, but neither tumorcam nor TensorFlow. With PyTorch it also times a training
step of the same network on the same card, and with captum its Guided Grad-CAM.

Every result is compared with what tumorcam computed on a CPU. The exit status is 1 if a float32
program fails or is farther away than TOLERANCE. Arguments lie on the device before a round starts,
and the results stay there: copies from and to the host are not timed.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leaves memory to PyTorch

import jax
import jax.export
import jax.extend.mlir
import jax.numpy as jnp

TOLERANCE = 1e-4  # relative distance, the median; that of tumorcam/operations/selftest.py
WHOLE, ROUNDED = "float32", "tensorfloat32"  # the second may round what it multiplies
PEERS = {"explain": "captum", "training": "torch"}  # beside tumorcam, by task

Row = dict[str, Any]  # what is measured, then what came out


class Bundle(NamedTuple):
    """What export.py wrote: programs of two tasks in a folder, and arrays by name."""

    folder: Path
    explain: dict[str, Any]
    training: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """The bundle in a folder."""
        description = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz") as arrays:
            return cls(folder, **description, arrays=dict(arrays))

    def weights(self, task: str) -> list[np.ndarray]:
        """Weights that the programs of a task take, float32, in the order of their arguments."""
        entries = getattr(self, task)["weights"]
        arrays = [self.arrays[entry["array"]].astype(np.float32) for entry in entries]
        return [a.T if e["transposed"] else a for a, e in zip(arrays, entries, strict=True)]

    def batch(self, size: int) -> list[np.ndarray]:
        """Images, targets and masks of a training step."""
        n_inputs = self.training["inputs"]
        return [repeated(self.arrays[f"training_input{i}"], size) for i in range(n_inputs)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a line a measurement, and write them all; 1 if a result is wrong, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="file for all measurements and the card's name")
    parser.add_argument("--no-peers", action="store_true", help="neither captum nor PyTorch")
    args = parser.parse_args(words)
    bundle = Bundle.read(args.bundle)
    result = {
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        **{peer: version_of(peer) for peer in PEERS.values()},
        "rounds": args.rounds,
    }
    print(", ".join(f"{name} {value}" for name, value in result.items()), flush=True)
    rows = planned(bundle, with_peers=not args.no_peers)
    for i, row in enumerate(rows):
        try:
            MEASURES[row["task"], row["contender"]](bundle, row, args.rounds)
        except RuntimeError as error:  # of JAX and of PyTorch, such as too little memory
            row["error"] = str(error).split("\n")[0]
        print(line_of(row), flush=True)
        if args.json:  # each time, so that a run that is stopped leaves what it measured
            text = json.dumps(result | {"rows": rows[: i + 1]}, indent=1)
            args.json.write_text(text, encoding="utf-8")
    wrong = [row for row in rows if is_wrong(row)]
    for row in wrong:
        print(f"failed, or wrong by more than {TOLERANCE}: {line_of(row)}", file=sys.stderr)
    return 1 if wrong else 0


def planned(bundle: Bundle, *, with_peers: bool) -> list[Row]:
    """The rows of all measurements, still without results."""
    rows = [
        {"task": task, "contender": "tumorcam"} | program
        for task in ("explain", "training")
        for program in getattr(bundle, task)["programs"]
    ]
    for task, peer in PEERS.items() if with_peers else ():
        if not (version_of("torch") and version_of(peer)):
            print(f"left out: {peer}, which is not installed with PyTorch")
            continue
        batches = sorted({row["batch"] for row in rows if row["task"] == task})
        rows += [
            {"task": task, "contender": peer, "precision": precision, "batch": batch}
            for precision in (WHOLE, ROUNDED)
            for batch in batches
        ]
    if jax.default_backend() == "cpu":  # XLA dies of bfloat16 on some CPUs
        rows = [row for row in rows if row["precision"] == WHOLE]
    return rows


def version_of(package: str) -> str | None:
    """The version of an installed package; None without it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def line_of(row: Row) -> str:
    """A measurement as text."""
    text = f"{row['task']:8} {row['contender']:8} {row['precision']:13} batch {row['batch']:4}"
    text += "".join(f" {name} {row[name]:3}" for name in ("targets", "micro_batch") if name in row)
    if "device" in row:  # PyTorch's, which is the CPU if its build is for CPUs alone
        text += f" on {row['device']}"
    if "error" in row:
        return f"{text}  {row['error']}"
    rates = [row["batch"] / row[name] for name in ("seconds", "slowest", "fastest")]
    text += "  {:.1f} samples/s ({:.1f} to {:.1f})  ".format(*rates)
    return text + ", ".join(f"{name} {d['median']:.1e}" for name, d in row["distances"].items())


def is_wrong(row: Row) -> bool:
    """Whether a float32 program of tumorcam failed, or gave a result far from the reference."""
    if row["contender"] != "tumorcam" or row["precision"] != WHOLE:
        return False
    return "error" in row or not all(d["median"] <= TOLERANCE for d in row["distances"].values())


def explain(bundle: Bundle, row: Row, rounds: int) -> None:
    """Maps of tumorcam's explainer."""
    batch, n_targets, arrays = row["batch"], row["targets"], bundle.arrays
    dtype = "bfloat16" if row["precision"] == "bfloat16" else "float32"
    methods = bundle.explain["methods"]
    arguments = [
        repeated(arrays["images"], batch),
        repeated(arrays["targets"][:, :n_targets], batch).T,
        *(jnp.asarray(array, dtype) for array in bundle.weights("explain")),
    ]
    shapes = [(batch, *arrays["logits"].shape[1:])]
    shapes += [(n_targets, batch, *arrays[name].shape[2:]) for name in methods]
    run = compiled(bundle, row, arguments, shapes)
    arguments = jax.device_put(arguments)
    logits, *maps = map(np.asarray, run(*arguments))
    row["distances"] = {"logits": distances(logits, arrays["logits"])} | {
        name: distances(values.swapaxes(0, 1), arrays[name][:, :n_targets])
        for name, values in zip(methods, maps, strict=True)
    }
    time_rounds(row, rounds, lambda: jax.block_until_ready(run(*arguments)))


def train(bundle: Bundle, row: Row, rounds: int) -> None:
    """A step of tumorcam's training: forward, backward, AdamW."""
    weights, arrays = bundle.weights("training"), bundle.arrays
    zeros = [np.zeros_like(array) for array in weights]
    batch = [*bundle.batch(row["batch"]), np.float32(bundle.training["rate"]), np.float32(1)]
    state = [*weights, *zeros, *zeros]
    shapes = [(), *(array.shape for array in state)]
    run = compiled(bundle, row, [*batch, *state], shapes, n_kept=len(batch))
    batch = jax.device_put(batch)
    loss, *state = run(*batch, *jax.device_put(state))
    row["distances"] = {"loss": distances(np.reshape(loss, 1), arrays["loss"])}
    n_arrays, strides = len(weights), bundle.training["strides"]
    for name, values in (("weights", state[:n_arrays]), ("momentum", state[n_arrays:])):
        apart = [
            distances(np.ravel(values[i])[None, ::stride], arrays[f"{name}{i}"][None])["largest"]
            for i, stride in enumerate(strides)
        ]
        row["distances"][name] = summary(apart)

    def step() -> None:
        nonlocal state
        _, *state = jax.block_until_ready(run(*batch, *state))

    time_rounds(row, rounds, step)


def compiled(
    bundle: Bundle,
    row: Row,
    arguments: Sequence[np.ndarray],
    shapes: Sequence[tuple[int, ...]],
    n_kept: int | None = None,
) -> Callable[..., Any]:
    """The program of a row, compiled for JAX's first device; the row gets the seconds it took.

    Parameters
    ----------
    arguments : sequence of array
        All that the program takes.
    shapes : sequence of tuple
        Shapes of its outputs, which are float32.
    n_kept : int or None
        The memory of all arguments behind the first `n_kept` may become that of the outputs.
    """

    def zeros(*_: jax.Array) -> list[jax.Array]:
        return [jnp.zeros(shape) for shape in shapes]

    started, n_arguments = time.perf_counter(), len(arguments)
    stand_in = jax.export.export(jax.jit(zeros))(*arguments)  # a function of the same signature
    module = jax.extend.mlir.hlo_to_stablehlo((bundle.folder / row["file"]).read_bytes())
    program = dataclasses.replace(
        stand_in, mlir_module_serialized=module, module_kept_var_idx=tuple(range(n_arguments))
    )
    donated = () if n_kept is None else tuple(range(n_kept, n_arguments))
    run = jax.jit(program.call, donate_argnums=donated).lower(*arguments).compile()
    row["compile_seconds"] = time.perf_counter() - started
    return run


def explain_with_captum(bundle: Bundle, row: Row, rounds: int) -> None:
    """Guided Grad-CAM of one target."""
    import torch
    from captum.attr import GuidedGradCam

    network = torch_network(bundle, row["precision"])
    images = torch_images(repeated(bundle.arrays["images"], row["batch"]), network)
    targets = repeated(bundle.arrays["targets"][:, 0], row["batch"])
    targets = torch.tensor(targets, dtype=torch.int64, device=images.device)
    with torch.no_grad():
        logits = network(images).cpu().numpy()
    row |= {"targets": 1, "device": str(images.device)}
    row["distances"] = {"logits": distances(logits, bundle.arrays["logits"])}
    method = GuidedGradCam(network, [b for b in network if isinstance(b, torch.nn.Conv2d)][-1])

    time_rounds(row, rounds, lambda: torch_finished(method.attribute(images, targets)))


def train_with_torch(bundle: Bundle, row: Row, rounds: int) -> None:
    """A step of the same network with PyTorch's AdamW, the fused one on a GPU."""
    import torch

    network = torch_network(bundle, row["precision"])
    images, targets, *_ = bundle.batch(row["batch"])
    images = torch_images(images, network)
    targets = torch.tensor(targets, device=images.device)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": kernels}, {"params": biases, "weight_decay": 0.0}],
        lr=bundle.training["rate"],
        fused=images.is_cuda,
    )

    def step() -> Any:
        optimizer.zero_grad()
        loss = -(targets * torch.log_softmax(network(images), 1)).sum() / len(images)
        loss.backward()
        optimizer.step()
        return torch_finished(loss)

    row["device"] = str(images.device)
    loss = step().detach().cpu().numpy()
    row["distances"] = {"loss": distances(loss.reshape(1), bundle.arrays["loss"])}
    time_rounds(row, rounds, step)


MEASURES = {
    ("explain", "tumorcam"): explain,
    ("training", "tumorcam"): train,
    ("explain", "captum"): explain_with_captum,
    ("training", "torch"): train_with_torch,
}


def torch_network(bundle: Bundle, precision: str) -> Any:
    """The bundle's network in PyTorch on its device, which is set to a precision of products."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision == ROUNDED
    torch.backends.cudnn.allow_tf32 = precision == ROUNDED
    layers, weights, side = [], bundle.weights("training"), bundle.arrays["images"].shape[1]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        is_first_dense = kernel.ndim == 2 and layers and isinstance(layers[-1], torch.nn.MaxPool2d)
        if is_first_dense:  # its inputs have the channels first in PyTorch
            image = kernel.reshape(side, side, -1, kernel.shape[1])
            kernel = image.transpose(2, 0, 1, 3).reshape(kernel.shape)
            layers.append(torch.nn.Flatten())
        if kernel.ndim == 2:
            layer = torch.nn.Linear(*kernel.shape)
            layers += [layer, torch.nn.ReLU()]
        else:
            layer = torch.nn.Conv2d(*kernel.shape[2:], kernel.shape[0], padding="same")
            layers += [layer, torch.nn.ReLU(), torch.nn.MaxPool2d(2, ceil_mode=True)]
            side = -(-side // 2)
        axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
        layer.weight.data = torch.tensor(np.ascontiguousarray(kernel.transpose(axes)))
        layer.bias.data = torch.tensor(bias)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.nn.Sequential(*layers[:-1]).to(device)  # no ReLU behind the logits


def torch_images(images: np.ndarray, network: Any) -> Any:
    """Images with the channels first, on the device of a network."""
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return network[0].weight.new_tensor(pixels)


def torch_finished(value: Any) -> Any:
    """A tensor, once its device has computed everything so far."""
    import torch

    if value.is_cuda:
        torch.cuda.synchronize()
    return value


def time_rounds(row: Row, rounds: int, run: Callable[[], object]) -> None:
    """Give a row the median, shortest and longest seconds of a call, after one to warm up."""
    run()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    row["seconds"] = statistics.median(taken)
    row["fastest"], row["slowest"] = min(taken), max(taken)


def repeated(array: np.ndarray, size: int) -> np.ndarray:
    """The samples of an array, over and over, until there are `size` of them.

    The mean over whole repeats is the mean over the samples. So the reference of one training step
    is right for a batch of any whole number of repeats.
    """
    return np.resize(array, (size, *array.shape[1:]))


def distances(values: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Relative distances of the samples of a reference: their median and the largest.

    A rectifier near zero may switch the other way, so that single maps can be far away.
    """
    shape = len(reference), -1
    right = reference.reshape(shape).astype(np.float64)
    gap = values[: len(reference)].reshape(shape) - right
    size = np.maximum(np.linalg.norm(right, axis=1), np.finfo(float).tiny)  # Grad-CAM can be all 0
    return summary(np.linalg.norm(gap, axis=1) / size)


def summary(apart: Sequence[float]) -> dict[str, float]:
    """The median and the largest of some distances."""
    return {"median": float(np.median(apart)), "largest": float(np.max(apart))}


if __name__ == "__main__":
    sys.exit(main())
