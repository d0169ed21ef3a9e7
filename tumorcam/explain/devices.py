"""The GPU of a process, if it has one, and the batch size that fits it."""

import shutil
import subprocess

import tensorflow as tf

from tumorcam.cluster.launcher import Launch
from tumorcam.training.device_notes import note_devices

FREE_SHARE = 0.5  # of free memory for values; convolutions want workspace too
MIB = 2**20


def take_gpu(launch: Launch) -> str:
    """Give this process one GPU of its node, in turn by rank; call it before any computation.

    Memory grows with use, and TensorFloat-32 is switched off: TensorFlow's default keeps 10 of the
    23 bits of float32, too few for maps that agree with those of a CPU.

    Returns
    -------
    str
        What `nvidia-smi --id` calls the GPU; empty without one.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        note_devices([], [])
        return ""
    index = launch.local_rank % len(gpus)
    tf.config.set_visible_devices(gpus[index], "GPU")
    tf.config.experimental.set_memory_growth(gpus[index], True)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    name = launch.gpu_names(len(gpus))[index]
    note_devices([gpus[index]], [name])
    return name


def device_names() -> list[str]:
    """TensorFlow's version and devices, such as `TensorFlow 2.21.0`, `CPU:0`, `GPU:0 NVIDIA H100`.

    All devices of the node are listed, also those that `take_gpu` did not take.
    """
    names = [f"TensorFlow {tf.__version__}"]
    for device in tf.config.list_physical_devices():
        kind = device.name.split(":", 1)[1]
        model = tf.config.experimental.get_device_details(device).get("device_name", "")
        names.append(f"{kind} {model}".strip())
    return names


def free_bytes(gpu: str) -> int | None:
    """Free memory of a GPU named by `take_gpu`, in bytes; None where nvidia-smi cannot tell."""
    if not gpu or not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    answer = subprocess.run([*query, f"--id={gpu}"], capture_output=True, text=True, check=False)
    return int(answer.stdout) * MIB if answer.stdout.strip().isdigit() else None


def fitting_batch_size(batch_size: int, at_most: int, sample_bytes: int, free: int) -> int:
    """A batch size that fits free memory: the given one, halved or doubled as often as needed.

    Parameters
    ----------
    batch_size, at_most : int
        Number of samples to start from, and the largest number.
    sample_bytes, free : int
        Memory that one sample takes, and free memory, in bytes.
    """
    n_fitting = max(1, int(FREE_SHARE * free / sample_bytes))
    while batch_size > n_fitting:
        batch_size = -(-batch_size // 2)
    while 2 * batch_size <= min(n_fitting, at_most):
        batch_size *= 2
    return batch_size
