"""The file of a trained model: its weights, bound to genes, layout, scaler, tumors and cohort."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumorcam.cohort.images import Scaler
from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import ModelError
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, records

MODEL_TYPE = "tumorcam-model"
STAGE = "train"
REMEDY = "run `tumorcam train`"


@dataclass(frozen=True)
class HeldOut:
    """Predictions of the held-out samples, with all decoys at their mean in training.

    `sample` (samples,) int32 is the ascending index in the cohort; `probability` (samples, tumors)
    is float32.
    """

    sample: np.ndarray
    probability: np.ndarray

    def probability_of(self, samples: np.ndarray) -> np.ndarray:
        """(given samples, tumors) float32: that of some held-out samples, by their index."""
        return self.probability[np.searchsorted(self.sample, samples)]


@dataclass(frozen=True)
class LearningRecord:
    """How a network was built and how it learned: a part of `TrainedModel`.

    `layers` is JSON, a list of {name, kind, output, weights}. `best_epoch`, counted from 0, has the
    lowest validation loss; the weights are those of `kept_epoch`. `history` has a row an epoch:
    epoch, training_loss and validation_loss (nats), validation_accuracy, learning_rate, seconds.
    `convolution_share` is the share of the held-out logits that comes through the convolutions
    (`prediction.path_share`): 1 without a skip path.
    """

    layers: str
    best_epoch: int
    kept_epoch: int
    history: pd.DataFrame
    convolution_share: float
    digest: str

    @property
    def layer_list(self) -> list[dict[str, Any]]:
        """Name, kind, output shape and number of weights of each layer."""
        layers: list[dict[str, Any]] = json.loads(self.layers)
        return layers


@dataclass(frozen=True)
class TrainedModel(LearningRecord):
    """A trained network, with all that is needed to explain samples and to check its training.

    `tumors` (tumors,) and `genes` (genes,) are str; `side` is the image's, in pixels; `pixel`
    (genes + decoys,) and `decoy_gene` (decoys,) int32 are the layout; `weights` float32 stand in
    the order of Keras; `role` (samples of the cohort,) int8 is as in `splits.roles`.
    """

    tumors: np.ndarray
    genes: np.ndarray
    side: int
    pixel: np.ndarray
    decoy_gene: np.ndarray
    scaler: Scaler
    weights: tuple[np.ndarray, ...]
    role: np.ndarray
    held_out: HeldOut

    @property
    def layout(self) -> GeneLayout:
        """Where the genes and decoys stand on the image."""
        return GeneLayout(self.side, self.pixel, self.decoy_gene)


@dataclass(frozen=True)
class _Judged:
    """The part of `TrainedModel` with its predictions."""

    held_out: HeldOut


@dataclass(frozen=True)
class _Scaled:
    """The part of `TrainedModel` that standardises expression."""

    scaler: Scaler


def model_attributes(config: Config, cohort_digest: str, name: str) -> dict[str, str]:
    """Root attributes of a model's file: its cohort, settings and name."""
    return {"cohort_digest": cohort_digest, "model": name} | chain.made_with(config, STAGE)


def write_model(path: Path, attributes: Mapping[str, str], model: TrainedModel) -> None:
    """Write a model; FileError if the disk or a quota is full."""
    with hdf5.create_file(path, MODEL_TYPE, attributes) as file:
        records.write_record(file, model)


def read_model(path: Path, config: Config, cohort_digest: str, name: str) -> TrainedModel:
    """Read a finished model. Weights are read as numbers, never as code.

    Parameters
    ----------
    config, cohort_digest, name
        Settings, cohort and model name that the file must have been made with.

    Raises
    ------
    FileError
        If the file is missing or damaged, or was made from another cohort or with other settings.
    ModelError
        If it is another model.
    """
    attributes = hdf5.stored_attributes(path, MODEL_TYPE, remedy=REMEDY)
    chain.require_settings(path, attributes, config, STAGE)
    hdf5.require_cohort(attributes, path, cohort_digest, remedy=REMEDY)
    if attributes["model"] != name:
        msg = f"{path} is the model {attributes['model']}, wanted {name}; {REMEDY}"
        raise ModelError(msg)
    with hdf5.open_file(path, MODEL_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, TrainedModel)


def read_learning(path: Path, cohort_digest: str) -> LearningRecord:
    """Read how a model learned, without its weights.

    Raises
    ------
    FileError
        If the file is missing, damaged, or of another cohort.
    """
    attributes = hdf5.stored_attributes(path, MODEL_TYPE, remedy=REMEDY)
    hdf5.require_cohort(attributes, path, cohort_digest, remedy=REMEDY)
    with hdf5.open_file(path, MODEL_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, LearningRecord)


def read_scaler(path: Path) -> Scaler:
    """Read the scaler of a model; FileError where the file is missing or damaged."""
    with hdf5.open_file(path, MODEL_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, _Scaled).scaler


def read_held_out(path: Path) -> HeldOut:
    """Read the predictions of a model; FileError where the file is missing or damaged."""
    with hdf5.open_file(path, MODEL_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, _Judged).held_out


def model_digest(path: Path) -> str:
    """The digest in a model's header; FileError where it is missing or damaged."""
    return str(hdf5.stored_attributes(path, MODEL_TYPE, remedy=REMEDY, whole=False)["digest"])
