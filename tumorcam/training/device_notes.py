"""TensorFlow's version and the GPUs that a process took, noted in its log."""

from collections.abc import Sequence

import tensorflow as tf

from tumorcam.cluster.job_notes import JobNotes
from tumorcam.cluster.logs import write_notes


def note_devices(gpus: Sequence[tf.config.PhysicalDevice], names: Sequence[str]) -> None:
    """Note TensorFlow's version, and the model of each GPU that this process computes on.

    Parameters
    ----------
    gpus : sequence of PhysicalDevice
        Empty where the CPU computes.
    names : sequence of str
        What nvidia-smi calls them.
    """
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    models = [str(detail.get("device_name", "unknown model")) for detail in details]
    gpu_models = dict(zip(names, models, strict=True))
    write_notes(JobNotes(versions={"TensorFlow": tf.__version__}, gpus=gpu_models))
