"""All networks of a run as one TensorFlow module, which is used without tumorcam."""

import errno
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tumorcam.applied.reference import SMALLEST
from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.layout import GeneLayout
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import Classifier, load_classifier

BLOCK = 64  # samples that a network takes at once, which bounds the memory of any call
FULL_DISK = {  # words in TensorFlow's messages, and the error of the system that they stand for
    "No space left": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
}

Forward = Callable[[tf.Tensor, list[tf.Tensor], list[tf.Tensor]], tf.Tensor]


class Names(NamedTuple):
    """Names of the genes and of the tumors, in the order of the ensemble's input and output."""

    genes: list[str]
    tumors: list[str]


class Member(tf.Module):  # type: ignore[misc]
    """One network: its weights, scaler and layout, all of them variables.

    Attributes
    ----------
    mean, sd : (genes,) float32
        As in `Scaler`.
    source : (pixels,) int64
        As in `source_of_pixels`.
    learned, moments : lists of float32 variables
        The weights that training changes by gradients, and the moments of batch normalizations.
    """

    def __init__(self, classifier: Classifier, name: str) -> None:
        super().__init__()

        def variable(value: np.ndarray, label: str) -> tf.Variable:
            return tf.Variable(value, trainable=False, name=f"{name}/{label}")

        scaler, network = classifier.scaler, classifier.network
        self.mean, self.sd = variable(scaler.mean, "mean"), variable(scaler.sd, "sd")
        source = source_of_pixels(classifier.layout, len(scaler.mean))
        self.source = variable(source, "source")
        self.learned = [variable(v.numpy(), v.path) for v in network.trainable_variables]
        self.moments = [variable(v.numpy(), v.path) for v in network.non_trainable_variables]

    def probability(self, expression: tf.Tensor, forward: Forward) -> tf.Tensor:
        """(samples, tumors) float64 of (samples, genes) float32, where NaN is a missing gene."""
        genes = (expression - self.mean) / self.sd
        genes = tf.where(tf.math.is_nan(expression), tf.zeros_like(genes), genes)
        images = tf.gather(tf.pad(genes, [[0, 0], [0, 1]]), self.source, axis=1)
        learned, moments = (
            [tf.identity(v) for v in group] for group in (self.learned, self.moments)
        )
        return tf.nn.softmax(tf.cast(forward(images, learned, moments), tf.float64))


class Ensemble(tf.Module):  # type: ignore[misc]
    """Networks that classify expression together; `tf.saved_model.load` gives it back.

    Parameters
    ----------
    members : sequence of Member
    forward : callable
        As `forward_of` gives it.
    names : Names
    temperature : float
        As in `Calibration`.
    texts : sequence of Path
        Text files that are copied into the SavedModel.
    """

    def __init__(
        self,
        members: Sequence[Member],
        forward: Forward,
        names: Names,
        *,
        temperature: float,
        texts: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.members = list(members)
        self.temperature = tf.Variable(temperature, trainable=False, dtype=tf.float64)
        self.texts = [tf.saved_model.Asset(str(path)) for path in texts]
        self._forward, self._names = forward, names
        expression = tf.TensorSpec([None, len(names.genes)], tf.float32, name="expression")
        self.classify = tf.function(self._classify, input_signature=[expression])
        self.info = tf.function(self._info, input_signature=[])

    def _info(self) -> dict[str, tf.Tensor]:
        """The names of the genes and tumors, as strings."""
        return {name: tf.constant(list(names)) for name, names in self._names._asdict().items()}

    def _classify(self, expression: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities of samples, (samples, tumors) float32, before and after calibration."""
        n_tumors = len(self._names.tumors)

        def add_block(start: tf.Tensor, done: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            block = self._mean_probability(expression[start : start + BLOCK])
            return start + BLOCK, tf.concat([done, block], axis=0)

        _, probability = tf.while_loop(
            lambda start, _: start < tf.shape(expression)[0],
            add_block,
            (tf.constant(0), tf.zeros([0, n_tumors], tf.float64)),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, n_tumors])),
            parallel_iterations=1,
        )
        logarithm = tf.math.log(tf.maximum(probability, tf.constant(SMALLEST, tf.float64)))
        return {
            "probability": tf.cast(probability, tf.float32),
            "calibrated": tf.cast(tf.nn.softmax(logarithm / self.temperature), tf.float32),
        }

    def _mean_probability(self, expression: tf.Tensor) -> tf.Tensor:
        total = tf.zeros([tf.shape(expression)[0], len(self._names.tumors)], tf.float64)
        for member in self.members:
            with tf.control_dependencies([total]):  # one network after the other
                total += member.probability(expression, self._forward)
        return total / len(self.members)


def source_of_pixels(layout: GeneLayout, n_genes: int) -> np.ndarray:
    """The gene of each pixel, (pixels,) int64; `n_genes` where there is none, or a decoy."""
    source = np.full(layout.side**2, n_genes, np.int64)
    source[layout.pixel[:n_genes]] = np.arange(n_genes)
    return source


def forward_of(network: keras.Model) -> Forward:
    """The logits of flat images by given weights, computed by the layers of a network.

    The network's own weights are not used, and no SavedModel gets them.
    """
    shape = (-1, *network.input_shape[1:])

    @tf.function  # so that the graph has the layers once, not once a network
    def logits(images: tf.Tensor, learned: list[tf.Tensor], moments: list[tf.Tensor]) -> tf.Tensor:
        image = tf.reshape(images, shape)
        return network.stateless_call(learned, moments, image, training=False)[0]

    return lambda images, learned, moments: logits(images, learned, moments)


def read_ensemble(
    run: RunFolder,
    cohort: Cohort,
    keys: Sequence[ModelKey],
    config: Config,
    *,
    temperature: float,
    texts: Sequence[Path] = (),
) -> Ensemble:
    """The ensemble of some models of a run, which are read one after the other.

    `keys` name the models, `temperature` divides their logits, and `texts` are files that the
    export holds too.

    Raises
    ------
    FileError
        If a model is missing or damaged.
    ModelError
        If it has other genes, tumors or pixels than the cohort, or its weights do not fit.
    """
    forward = forward_of(load_classifier(run, cohort, keys[0], config).network)  # all are alike
    members = []
    for key in progress(keys, "export", "networks"):
        members.append(Member(load_classifier(run, cohort, key, config), key.name))
        gc.collect()  # the network, which refers to itself and would stay for long
    names = Names(cohort.genes.tolist(), cohort.tumors.tolist())
    return Ensemble(members, forward, names, temperature=temperature, texts=texts)


def save_ensemble(ensemble: Ensemble, folder: Path) -> None:
    """Write a SavedModel; OSError if the disk or a quota is full."""
    signatures = {"serving_default": ensemble.classify, "info": ensemble.info}
    try:
        tf.saved_model.save(ensemble, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        for words, number in FULL_DISK.items():
            if words.lower() in str(error).lower():
                raise OSError(number, words, str(folder)) from error
        raise
