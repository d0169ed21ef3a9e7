"""Trial of this machine's device, also as `python -m tumorcam.operations.selftest`.

A small network is explained on the device and on the CPU, and its gradient is compared with
TensorFlow's own.
"""

import sys
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.cluster.launcher import Launch, current_launch
from tumorcam.explain import devices
from tumorcam.saliency.explainer import Explainer
from tumorcam.saliency.rules import can_compile

TOLERANCE = 1e-4  # relative distance of two maps; devices sum in different orders
METHODS = ("guided_grad_cam", "guided_backprop", "gradient")
N_IMAGES = 16


@dataclass(frozen=True)
class DeviceTrial:
    """The device on which the network was explained, and the faults of its maps."""

    device: str
    faults: tuple[str, ...]

    @property
    def text(self) -> str:
        """The device and its faults in one line."""
        return f"explain on {self.device}: {'; '.join(self.faults) or 'right'}"


def main() -> int:
    """Print the result of the trial; 1 if a map is wrong, else 0."""
    trial = try_device(current_launch())
    print(trial.text)
    return 1 if trial.faults else 0


def try_device(launch: Launch) -> DeviceTrial:
    """Explain a small network on the device that this process's jobs would use.

    Call it before TensorFlow computes anything. An error of TensorFlow is a fault too, such as
    that of a GPU for which its build has no kernels.

    Parameters
    ----------
    launch : Launch
        The launcher's view of this process, by which it takes one GPU of its node.
    """
    gpu = devices.take_gpu(launch)
    free = devices.free_bytes(gpu)
    memory = "" if free is None else f", {free / 2**30:.1f} GiB free"
    xla = "with" if can_compile() else "without"
    try:
        faults = _faults()
    except (tf.errors.OpError, RuntimeError) as error:
        faults = [f"stopped: {(str(error).splitlines() or [type(error).__name__])[0]}"]
    return DeviceTrial(f"{f'GPU {gpu}' if gpu else 'the CPU'}{memory}, {xla} XLA", tuple(faults))


def _faults() -> list[str]:
    network, images, targets = _example()
    explainer = _explainer(network)
    maps, reverse = explainer(images, targets), explainer(images[::-1], targets[::-1])
    with tf.device("CPU:0"):
        on_cpu = _explainer(network)(images, targets)
    faults = [
        f"{name} {distance:.1e} off the CPU's"
        for name in METHODS
        if (distance := _distance(maps.methods[name], on_cpu.methods[name])) > TOLERANCE
    ]
    if _distance(maps.methods["gradient"], _gradients(network, images, targets)) > TOLERANCE:
        faults.append("gradient off TensorFlow's own")
    if any((maps.methods[name] != reverse.methods[name][::-1]).any() for name in METHODS):
        faults.append("the order of samples changes bits")
    return faults


def _example() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    layers, rng = keras.layers, np.random.default_rng(0)
    network = keras.Sequential(
        [
            keras.Input((21, 21, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(4),
        ]
    )
    network.set_weights([rng.normal(0, 0.2, array.shape) for array in network.get_weights()])
    images = rng.normal(size=(N_IMAGES, 21, 21, 1)).astype(np.float32)
    return network, images, rng.integers(0, 4, (N_IMAGES, 2))


def _explainer(network: keras.Model) -> Explainer:
    return Explainer(network, methods=METHODS, batch_size=N_IMAGES)


def _gradients(network: keras.Model, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(samples, targets, rows, columns) gradients by automatic differentiation."""
    gradients = []
    for target in targets.T:
        with tf.GradientTape() as tape:
            pixels = tf.constant(images)
            tape.watch(pixels)
            logit = tf.gather(network(pixels), target, axis=1, batch_dims=1)
        gradients.append(tape.gradient(logit, pixels)[..., 0])
    return np.stack(gradients, axis=1)


def _distance(maps: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(maps - reference) / np.linalg.norm(reference))


if __name__ == "__main__":
    sys.exit(main())
