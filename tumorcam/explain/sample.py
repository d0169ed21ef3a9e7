"""The genes that stand out in the saliency map of one sample, as a table."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.applied.networks import judging_classifier
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import pick_genes
from tumorcam.cohort.layout import GeneLayout
from tumorcam.cohort.lookup import find_sample, find_tumor
from tumorcam.errors import ConfigError
from tumorcam.explain.explain import make_explainer, rival_tumors
from tumorcam.explain.views import UNITS, method_name
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder, slugs

COLUMNS = """share: of the map's maximum; expression: log2(x + 1), or as read with input.scale as_is
standardised: training SD from the mean; row, column: of the pixel, from 0 at the top left
replicates: in how many of the trained ones the gene is picked"""


@dataclass(frozen=True)
class Question:
    """The question which genes of a sample speak for a tumor.

    `sample` and `target` are indices of the sample and the tumor; `cutoff` is a share of the map's
    maximum, above 0 and at most 1.
    """

    sample: int
    target: int
    method: str
    cutoff: float


@dataclass(frozen=True)
class SampleMap:
    """Input, saliency map and prediction of one sample, by a model that held out its patient.

    `expression` (genes + decoys,) float32 is log2(x + 1); `image` (rows, columns) float32 is in
    training SD from the mean, 0 on empty pixels; `saliency` (rows, columns) float32 is signed, in
    UNITS of the method; `probability` (tumors,) is float64.
    """

    model: str
    layout: GeneLayout
    expression: np.ndarray
    image: np.ndarray
    saliency: np.ndarray
    probability: np.ndarray

    @property
    def feature_saliency(self) -> np.ndarray:
        """(genes + decoys,) float32: saliency at their pixels, decoys last."""
        return pick_genes(self.saliency[np.newaxis], self.layout)[0]


def ask(cohort: Cohort, sample: str, target: str | None, *, method: str, cutoff: float) -> Question:
    """The question about a sample and a tumor; None stands for the sample's own tumor.

    `method` and `cutoff`, a share of the map's maximum, belong to the question as they are.

    Both are found as by `find_sample` and `find_tumor`: whatever their case.

    Raises
    ------
    ConfigError
        If not exactly one sample fits (the message lists similar ones), the cohort has no such
        tumor (it lists all), or the cutoff is out of range.
    """
    index = find_sample(cohort, sample)
    tumor = int(cohort.tumor[index]) if target is None else find_tumor(cohort, target)
    if not 0 < cutoff <= 1:
        msg = f"the cutoff is {cutoff}; wanted a share of the maximum, above 0 and at most 1"
        raise ConfigError(msg)
    return Question(index, tumor, method, cutoff)


def held_out_models(cohort: Cohort, sample: int, replicate: int) -> list[ModelKey]:
    """The models that held out a sample's patient, one a replicate, the given replicate's first.

    Raises
    ------
    ConfigError
        If the run has no such replicate.
    """
    n_replicates = cohort.n_replicates
    if replicate not in range(n_replicates):
        msg = f"the run has no replicate {replicate}; it has 0 to {n_replicates - 1}"
        raise ConfigError(msg)
    others = [other for other in range(n_replicates) if other != replicate]
    return [ModelKey(number, int(cohort.fold[sample])) for number in (replicate, *others)]


def file_name(cohort: Cohort, question: Question, replicate: int) -> str:
    """SAMPLE-TARGET-METHOD-cutoff0.8-rNN as a name that is safe on any file system."""
    sample, target = cohort.sample[question.sample], cohort.tumors[question.target]
    name = f"{sample}-{target}-{question.method}-cutoff{question.cutoff!r}-r{replicate:02d}"
    return slugs(np.array([name]))[0]


def explain_sample(
    run: RunFolder, cohort: Cohort, config: Config, question: Question, key: ModelKey
) -> SampleMap:
    """The map that answers a question, computed by one of `held_out_models`.

    Raises
    ------
    FileError, ModelError
        If the model is missing, damaged, or belongs to another cohort.
    """
    classifier = judging_classifier(run, cohort, key, config)
    expression = cohort.expression(slice(question.sample, question.sample + 1))
    images = classifier.images(expression)
    settings = dataclasses.replace(
        config.explain, methods=(question.method,), cubes=(), batch_size=1
    )
    explainer = make_explainer(classifier, dataclasses.replace(config, explain=settings))
    sample, tumors = str(cohort.sample[question.sample]), cohort.tumors.tolist()
    rivals = rival_tumors(sample, question.target, tumors, config.explain.rivals)
    maps = explainer(images, np.array([[question.target, *rivals]]))  # some share a coarse map
    square = (classifier.layout.side, classifier.layout.side)
    return SampleMap(
        model=key.name,
        layout=classifier.layout,
        expression=expression[0, classifier.layout.source_gene],
        image=images.reshape(square),
        saliency=maps.methods[question.method][0, 0].reshape(square),
        probability=classifier.held_out.probability_of(np.array([question.sample]))[0],
    )


def pick_features(saliency: np.ndarray, cutoff: float) -> np.ndarray:
    """(genes + decoys,) bool: saliency is at least a share of the largest one.

    Parameters
    ----------
    saliency : (genes + decoys,) float32
        If no value is positive, none is picked.
    cutoff : float
        As in `Question`.
    """
    largest = saliency.max()
    return (saliency >= cutoff * largest) & (largest > 0)


def picks_table(maps: Sequence[SampleMap], genes: np.ndarray, *, cutoff: float) -> pd.DataFrame:
    """The genes and decoys picked from the first map, highest saliency first.

    Parameters
    ----------
    maps : sequence of SampleMap
        One a replicate, of the same sample, target and method.
    genes : (genes,) str
    cutoff : float
        As in `Question`.

    Returns
    -------
    DataFrame
        gene; decoy (bool); saliency; share (of the map's maximum); expression, log2(x + 1);
        standardised, in training SD; row and column of the pixel, from 0 at the top left;
        replicates (in how many of the maps the same gene or decoy is picked).
    """
    first, layout = maps[0], maps[0].layout
    saliency = first.feature_saliency
    picks = [pick_features(sample_map.feature_saliency, cutoff) for sample_map in maps]
    n_replicates = np.sum(picks, axis=0)
    picked = np.flatnonzero(picks[0])
    picked = picked[np.argsort(-saliency[picked], kind="stable")]
    row, column = np.divmod(layout.pixel[picked], layout.side)
    return pd.DataFrame(
        {
            "gene": genes[layout.source_gene[picked]],
            "decoy": picked >= layout.n_genes,
            "saliency": saliency[picked],
            "share": saliency[picked] / saliency.max(),
            "expression": first.expression[picked],
            "standardised": first.image[row, column],
            "row": row,
            "column": column,
            "replicates": n_replicates[picked],
        }
    )


def full_table(
    cohort: Cohort, question: Question, sample_map: SampleMap, table: pd.DataFrame
) -> pd.DataFrame:
    """A `picks_table` for a file: its first columns say what is explained, and by which model."""
    about = {
        "sample": cohort.sample[question.sample],
        "target": cohort.tumors[question.target],
        "method": question.method,
        "model": sample_map.model,
    }
    return pd.concat([pd.DataFrame(about, index=table.index), table], axis=1)


def table_text(table: pd.DataFrame, *, n_replicates: int) -> str:
    """A `picks_table` as text for a terminal, with an explanation of its columns."""
    if table.empty:
        return ""
    texts = table.assign(
        gene=labels(table),
        saliency=table["saliency"].map("{:.3g}".format),
        share=table["share"].map("{:.2f}".format),
        expression=table["expression"].map("{:.2f}".format),
        standardised=table["standardised"].map("{:+.2f}".format),
        replicates=table["replicates"].map(f"{{}}/{n_replicates}".format),
    )
    return f"{texts.drop(columns='decoy').to_string(index=False)}\n{COLUMNS}"


def labels(table: pd.DataFrame) -> list[str]:
    """The gene names in a `picks_table`; decoys are marked."""
    return (table["gene"] + np.where(table["decoy"], " (decoy)", "")).tolist()


def describe(cohort: Cohort, question: Question, sample_map: SampleMap, table: pd.DataFrame) -> str:
    """Three lines: what is explained, what the model predicts, and how many genes are picked."""
    sample, own = cohort.sample[question.sample], cohort.tumors[cohort.tumor[question.sample]]
    called, n_decoys = int(sample_map.probability.argmax()), int(table["decoy"].sum())
    picks = "no gene or decoy has a positive saliency"
    if len(table):
        picks = (
            f"{len(table) - n_decoys} of {sample_map.layout.n_genes} genes and {n_decoys} of "
            f"{len(sample_map.layout.decoy_gene)} decoys reach {question.cutoff:g} of the maximum, "
            f"{sample_map.feature_saliency.max():.3g} {UNITS[question.method]}"
        )
    return (
        f"{sample} ({own}): {method_name(question.method)} for {cohort.tumors[question.target]}\n"
        f"model {sample_map.model}, which never saw this patient, calls it {cohort.tumors[called]} "
        f"with probability {sample_map.probability[called]:.3f}\n{picks}"
    )
