"""The files faithfulness.h5 and, while its job works, responses/*.h5."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import StaleError
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, integrity, records
from tumorcam.storage.run_folder import RunFolder

FAITHFULNESS_TYPE, RESPONSES_TYPE = "tumorcam-faithfulness", "tumorcam-responses"
REMEDY = "run `tumorcam faithfulness`"
STAGE = "faithfulness"


@dataclass(frozen=True)
class Responses:
    """Predictions of a network for all copies of some samples, each (samples, copies).

    `margin` float64 is the logit of the sample's own tumor minus the mean of the other logits,
    `logit` float64 the own tumor's logit, and `correct` bool tells whether it is the highest.
    """

    margin: np.ndarray
    logit: np.ndarray
    correct: np.ndarray

    @classmethod
    def of_logits(cls, logits: np.ndarray, own: np.ndarray) -> "Responses":
        """The responses of (samples, copies, tumors) logits of samples of the tumors `own`."""
        values = logits.astype(np.float64)
        logit = values[np.arange(len(own)), :, own]
        others = (values.sum(axis=2) - logit) / (values.shape[2] - 1)
        return cls(
            margin=logit - others,
            logit=logit,
            correct=values.argmax(axis=2) == own[:, np.newaxis],
        )


@dataclass(frozen=True)
class SampleFalls:
    """Falls of every sample, means over replicates and over random draws.

    `sample` (samples,) int is the index in the cohort, ascending. `margin` and `logit` (changes,
    sets, sizes, samples) float are the value of the intact sample minus that of the changed one
    (for insertion: of the changed sample minus a blank one). `correct`, of the same shape, is the
    share of networks that classify the changed sample rightly. `intact_margin`, `intact_logit` and
    `intact_correct` (samples,) are those of the unchanged sample.
    """

    sample: np.ndarray
    margin: np.ndarray
    logit: np.ndarray
    correct: np.ndarray
    intact_margin: np.ndarray
    intact_logit: np.ndarray
    intact_correct: np.ndarray

    def as_float32(self) -> "SampleFalls":
        """The same in float32, as the file keeps it."""
        values = {name: array.astype(np.float32) for name, array in vars(self).items()}
        return SampleFalls(**(values | {"sample": self.sample}))


@dataclass(frozen=True)
class Deletion:
    """Curves of deletion and insertion, one row for each tumor and a last row for their mean.

    The mean is over the tumors with enough patients for an interval. Intervals are 95 % bootstrap
    intervals over patients, paired over sets; they are NaN for tumors with too few patients.

    Attributes
    ----------
    sizes, sets : (sizes,) int, (sets,) str
        Numbers of genes; sets as in `GeneSets`, and "random".
    curve, curve_low, curve_high : (tumors + 1, changes, sets, sizes) float64
        Mean fall of the margin over a tumor's patients, logits.
    logit_curve, accuracy : (tumors + 1, changes, sets, sizes) float64
        Mean fall of the own logit, and share of samples that are still classified rightly.
    intact_margin, intact_accuracy : (tumors + 1,) float64
        Of unchanged samples.
    area, area_low, area_high : (tumors + 1, changes, rankings, controls) float64
        Area between the curves of a ranking and a control over the logarithm of the number of
        genes, divided by its width, that is their mean distance in logits.
    size : int
        The number of genes of `difference`: 20, or the next smaller one.
    difference, difference_low, difference_high : (tumors + 1, changes, rankings, controls) float64
        Fall for the ranking minus fall for the control at that number of genes.
    """

    sizes: np.ndarray
    sets: np.ndarray
    curve: np.ndarray
    curve_low: np.ndarray
    curve_high: np.ndarray
    logit_curve: np.ndarray
    accuracy: np.ndarray
    intact_margin: np.ndarray
    intact_accuracy: np.ndarray
    area: np.ndarray
    area_low: np.ndarray
    area_high: np.ndarray
    size: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray


@dataclass(frozen=True)
class Nulls:
    """Null runs, whose networks were trained on permuted labels, for each ranking.

    `spearman` (rankings, nulls, tumors) float64 is the rank correlation of their scores with the
    real ones. `called` and `learned` (rankings, nulls) int count the (tumor, gene) pairs that they
    would call by q_decoy and grade learned at full recall. `rank_difference` (rankings, nulls)
    float64 is the mean rank of some genes minus that of their own decoys in the null scores, over
    `pairs` (rankings,) int pairs of tumor and gene. `difference`, `difference_low` and
    `difference_high` (rankings,) float64 are its mean over nulls with a 95 % t interval.
    """

    spearman: np.ndarray
    called: np.ndarray
    learned: np.ndarray
    rank_difference: np.ndarray
    pairs: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray


@dataclass(frozen=True)
class Stability:
    """How alike the top genes of parts of a run are.

    `k` (rankings, tumors) int is how many are compared: as many as are called, from 5 to 50. The
    Jaccard index and the rank-biased overlap are (rankings, tumors) float64, NaN where unknown.
    Those of halves compare disjoint halves of the replicates, whose number is `replicates`, and are
    means over `halvings` ways to halve them. Those of folds are means over the pairs of folds.
    """

    k: np.ndarray
    replicates: np.ndarray
    halvings: np.ndarray
    jaccard_halves: np.ndarray
    overlap_halves: np.ndarray
    jaccard_folds: np.ndarray
    overlap_folds: np.ndarray


@dataclass(frozen=True)
class MarkerLifts:
    """How well rankings and the t-test find known markers.

    `lift` (rankings, tumors) and `t_test` (tumors,) float64 are the area under the precision-recall
    curve divided by the share of markers among the genes; a random ranking has 1. `n_markers`
    (tumors,) int is the number of markers among the genes.
    """

    n_markers: np.ndarray
    lift: np.ndarray
    t_test: np.ndarray


@dataclass(frozen=True)
class Entrapment:
    """How many entrapped genes, which cannot matter, each ranking calls.

    `called` and `entrapped` (rankings, levels) int count the pairs with a q_decoy of at most
    `level` (levels,), all and those of entrapped genes. `n_entrapped` () int is the number of such
    genes. `false_share` (rankings, levels) float64 is the share of false pairs that they estimate:
    entrapped / called, times genes / entrapped genes; NaN where nothing is called. `false_low` and
    `false_high` are its 95 % Wilson interval.
    """

    level: np.ndarray
    n_entrapped: np.ndarray
    called: np.ndarray
    entrapped: np.ndarray
    false_share: np.ndarray
    false_low: np.ndarray
    false_high: np.ndarray


@dataclass(frozen=True)
class PlantedScores:
    """How well rankings and the t-test find the planted drivers.

    `precision` and `area` (rankings,) float64 are the precision at 20 and the area under the
    precision-recall curve, means over the tumors with drivers and without their proxies;
    `t_precision` and `t_area` () are those of the t-test. `called`, `own`, `other`, `proxy` and
    `neither` (rankings, levels) int count the pairs with a q_decoy of at most `level` (levels,), as
    `truth.TruthScores` does.
    """

    precision: np.ndarray
    area: np.ndarray
    t_precision: np.ndarray
    t_area: np.ndarray
    level: np.ndarray
    called: np.ndarray
    own: np.ndarray
    other: np.ndarray
    proxy: np.ndarray
    neither: np.ndarray


@dataclass(frozen=True)
class FaithfulnessChecks:
    """All checks of a run; a part is None where the run lacks what it needs.

    `tumors` (tumors,), `methods` (methods,) and `rankings` (rankings,) are str, the last ones
    METHOD/view. `changes` and `controls` name the axes of `deletion`, which, like `retrained`, is
    about `methods` in one view alone. `marker_file` is the name of the user's list of markers.
    """

    tumors: np.ndarray
    methods: np.ndarray
    rankings: np.ndarray
    changes: tuple[str, ...]
    controls: tuple[str, ...]
    samples: SampleFalls
    deletion: Deletion
    retrained: pd.DataFrame
    stability: Stability
    nulls: Nulls | None
    entrapment: Entrapment | None
    markers: MarkerLifts | None
    planted: PlantedScores | None
    marker_file: str


@dataclass(frozen=True)
class Faithfulness(FaithfulnessChecks):
    """A file faithfulness.h5; `view` is that of `deletion` and `retrained`.

    `config` is the settings that it was made with, as JSON.
    """

    view: str
    config: str
    digest: str


def write_faithfulness(
    path: Path, attributes: Mapping[str, str], checks: FaithfulnessChecks
) -> None:
    """Write faithfulness.h5.

    Parameters
    ----------
    attributes : mapping
        Digests and settings, the view among them.
    """
    with hdf5.create_file(path, FAITHFULNESS_TYPE, attributes) as file:
        records.write_record(file, checks)


def read_faithfulness(path: Path, significance_digest: str, config: Config) -> Faithfulness | None:
    """The checks of these tables; None where there are none.

    Raises
    ------
    FileError
        If they are damaged; StaleError if they are of other tables or other settings.
    """
    if not os.path.lexists(path):
        return None
    attributes = hdf5.stored_attributes(path, FAITHFULNESS_TYPE, remedy=REMEDY)
    if attributes["significance_digest"] != significance_digest:
        raise StaleError(f"{path} was made from another significance.h5; {REMEDY}")
    chain.require_settings(path, attributes, config, STAGE)
    with hdf5.open_file(path, FAITHFULNESS_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Faithfulness, config=attributes["config"])


def list_digests(run: RunFolder, config: Config) -> dict[str, str]:
    """Digests of the list of markers and of the planted drivers; empty for a missing file."""
    files = {"markers": Path(config.faithfulness.markers), "truth": run.input.truth}
    return {
        f"{name}_digest": integrity.file_digest(file) if file.is_file() else ""
        for name, file in files.items()
    }


def has_responses(path: Path, attributes: Mapping[str, str]) -> bool:
    """Whether a block's responses were finished with these attributes."""
    return hdf5.is_complete(path, RESPONSES_TYPE, attributes)


def write_responses(path: Path, attributes: Mapping[str, str], responses: Responses) -> None:
    """Write the responses of one block of samples."""
    with hdf5.create_file(path, RESPONSES_TYPE, attributes) as file:
        records.write_record(file, responses)


def read_responses(path: Path) -> Responses:
    """The responses of one block; FileError where they are missing or damaged."""
    with hdf5.open_file(path, RESPONSES_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Responses)
