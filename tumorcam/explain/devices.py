"""The GPU that a process explains with, if it has one, and how many samples fit it."""

import shutil
import subprocess

import tensorflow as tf

from tumorcam.cluster import launcher

FREE_SHARE = 0.5  # of free memory for values; convolutions want workspace too
MIB = 2**20


def take_gpu(local_rank: int) -> str:
    """Give this process one GPU of its node: ranks take turns, memory grows, float32 is whole.

    Call it before anything is computed. TensorFloat-32, which TensorFlow uses by default, keeps 10
    of 23 bits: too few for maps that agree with those of a CPU.

    Returns
    -------
    str
        What `nvidia-smi --id` calls the GPU; empty without one.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return ""
    index = local_rank % len(gpus)
    tf.config.set_visible_devices(gpus[index], "GPU")
    tf.config.experimental.set_memory_growth(gpus[index], True)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return launcher.gpu_names(len(gpus))[index]


def device_names() -> list[str]:
    """TensorFlow's version and devices, such as `TensorFlow 2.21.0`, `CPU:0`, `GPU:0 NVIDIA H100`.

    Whatever `take_gpu` took, all are listed.
    """
    names = [f"TensorFlow {tf.__version__}"]
    for device in tf.config.list_physical_devices():
        kind = device.name.split(":", 1)[1]
        model = tf.config.experimental.get_device_details(device).get("device_name", "")
        names.append(f"{kind} {model}".strip())
    return names


def free_bytes(gpu: str) -> int | None:
    """Free memory of a GPU of `take_gpu`; None where nvidia-smi does not know."""
    if not gpu or not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    answer = subprocess.run([*query, f"--id={gpu}"], capture_output=True, text=True, check=False)
    return int(answer.stdout) * MIB if answer.stdout.strip().isdigit() else None


def fitting_batch_size(wanted: int, at_most: int, bytes_each: int, free: int) -> int:
    """The wanted batch size, halved until it fits free memory, or doubled while it does.

    Parameters
    ----------
    wanted, at_most : int
        Samples.
    bytes_each, free : int
        What a sample takes, and what there is.
    """
    n_fitting = max(1, int(FREE_SHARE * free / bytes_each))
    while wanted > n_fitting:
        wanted = -(-wanted // 2)
    while 2 * wanted <= min(n_fitting, at_most):
        wanted *= 2
    return wanted
