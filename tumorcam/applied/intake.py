"""From a matrix of new samples to their cohort file: the run's genes, in the run's order."""

import hashlib
import warnings
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.applied.batch_alignment import (
    MIN_SAMPLES,
    quantile_blocks,
    shift_and_scale,
    typical_profile,
)
from tumorcam.applied.matching import GeneMatch, match_genes
from tumorcam.applied.new_cohort import NewCohortFile, NewSamples
from tumorcam.applied.reference import Reference, blocks
from tumorcam.cohort.cohort import Cohort, CohortGenes, CohortLayouts, CohortSamples
from tumorcam.cohort.drops import STOP, stop_or_drop
from tumorcam.cohort.preparation import permuted_genes
from tumorcam.cohort.sample_filters import distinct_samples
from tumorcam.cohort.selection import CheckedValues, GeneValues, check_values, log_values
from tumorcam.cohort.summary import count_by_type
from tumorcam.cohort.variance import row_variance
from tumorcam.errors import InputError
from tumorcam.readers.genes.naming import NamedGenes, name_genes
from tumorcam.readers.inputs import Inputs
from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.readers.samples_table.identifiers import canonical
from tumorcam.readers.wording import listed, plain
from tumorcam.settings.config import Config
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues


class NewValues(NamedTuple):
    """Values of the run's genes in new samples.

    Attributes
    ----------
    expression : StoredValues
        (genes, samples) float32, log2(x + 1); NaN where a sample lacks the gene.
    n_missing : (samples,) int64
        How many genes each sample lacks.
    missing : (genes,) float64
        The share of samples that lack each gene.
    mean, sd : (genes,) float64
        Over the values that are there, before any alignment; NaN without values.
    """

    expression: StoredValues
    n_missing: np.ndarray
    missing: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


class Membership(NamedTuple):
    """The patients of new samples, which of them the run has, and how that was told.

    `patient` (samples,) str; `fold` (samples,) int16 holds the patient out; `is_own` (samples,)
    bool.
    """

    patient: np.ndarray
    fold: np.ndarray
    is_own: np.ndarray
    facts: list[Fact]


def prepare_new_samples(
    config: Config,
    given: Inputs,
    cohort: Cohort,
    reference: Reference,
    tables: Sequence[pd.DataFrame] = (),
    folder: Path | None = None,
) -> NewCohortFile:
    """New samples as the run's networks take them.

    Parameters
    ----------
    config : Config
        Of the new samples: the run's, with their own input.
    given : Inputs
        From `inputs.open_inputs` with `labelled=False`.
    cohort, reference
        Of the run.
    tables : sequence of DataFrame
        Annotation tables by which genes may be matched, all texts.
    folder : Path or None
        A folder on a disk with room for the values.

    Raises
    ------
    InputError
        If samples or values have a fault for which the config does not say "drop", or samples lack
        more of the run's genes than `apply.max_missing` allows.
    """
    matrix = given.matrix
    distinct, dropped = distinct_samples(config.cohort, matrix.samples, given.samples)
    table = distinct.sort_values("sample").reset_index(drop=True)
    named = name_genes(matrix, config.input)
    match = match_genes(matrix, named.names, cohort.genes, tables)
    _require_genes(match, cohort, matrix, config)
    checked = check_values(config, matrix, table, named, keeps_missing=True)
    table = checked.samples
    values, repeats = _values(config, checked, match, cohort, matrix.path, folder)
    left = _with_enough_genes(config, table["sample"].tolist(), values, len(cohort.genes))
    if left.dropped:
        checked = checked._replace(kept=checked.kept.only(left.mask), samples=table[left.mask])
        table = checked.samples.reset_index(drop=True)
        values, repeats = _values(config, checked, match, cohort, matrix.path, folder)
    expression = _aligned(config, values, cohort, reference, folder)
    members = _membership(table, values, cohort)
    tumor_index = pd.Index(cohort.tumors).get_indexer(table["tumor"])
    facts = [*matrix.facts, *given.facts, *named.facts, *match.facts, *checked.facts]
    dropped += [*matrix.dropped, *given.dropped, *checked.dropped, *repeats, *left.dropped]
    return NewCohortFile(
        expression=expression,
        decoy_expression=permuted_genes(
            expression, cohort.decoy_gene, config.rng("decoys of new samples")
        ),
        tumors=cohort.tumors,
        samples=CohortSamples(
            **{name: table[name].to_numpy(str) for name in ("sample", "sample_type", "source")},
            patient=members.patient,
            tumor=table["tumor"].to_numpy(str),
            tumor_index=tumor_index.astype(np.int16),
            fold=members.fold,
        ),
        genes=CohortGenes(cohort.genes, _variances(expression), cohort.is_entrapped),
        layouts=_layouts(cohort),
        dropped=pd.DataFrame(dropped, columns=list(Drop._fields), dtype=str),
        facts=pd.DataFrame([*facts, *members.facts], columns=list(Fact._fields), dtype=str),
        counts=count_by_type(given.samples, table),
        new=NewSamples(
            label=table["tumor"].to_numpy(str),
            n_missing=values.n_missing,
            is_own=members.is_own,
            genes=_gene_table(cohort.genes, matrix, match, values),
        ),
    )


def _gene_table(
    genes: np.ndarray, matrix: Matrix, match: GeneMatch, values: NewValues
) -> pd.DataFrame:
    """The table `NewSamples.genes`."""
    rows = dict(zip(match.names.tolist()[::-1], matrix.genes[::-1], strict=True))
    return pd.DataFrame(
        {
            "gene": genes,
            "row": [rows.get(gene, "") for gene in genes.tolist()],
            "missing": values.missing,
            "mean": values.mean,
            "sd": values.sd,
        }
    )


def _require_genes(match: GeneMatch, cohort: Cohort, matrix: Matrix, config: Config) -> None:
    """Stop where the matrix has too few of the run's genes."""
    n_genes, n_matched = len(cohort.genes), len(set(match.names.tolist()) - {""})
    if n_matched < (1 - config.apply.max_missing) * n_genes or not n_matched:
        msg = (
            f"{plain(str(matrix.path))} has {n_matched} of the {n_genes} genes of the run "
            f"({n_matched / n_genes:.0%}), wanted at least {1 - config.apply.max_missing:.0%}; its "
            f"gene IDs are {listed(matrix.genes)}, the run's {listed(cohort.genes.tolist())}; set "
            "input.gene_table to a table that maps the first to the second"
        )
        if n_matched:
            msg += ", or raise apply.max_missing: calls become worse then, as the page shows"
        raise InputError(msg)


def _values(
    config: Config,
    checked: CheckedValues,
    match: GeneMatch,
    cohort: Cohort,
    path: Path,
    folder: Path | None,
) -> tuple[NewValues, list[Drop]]:
    """The values of the run's genes, and the repeated rows that were merged or left out."""
    logs = log_values(config, checked, _named(match), path, is_chosen=match.names != "")
    row_of_gene = _row_of_each_gene(logs, cohort.genes)
    n_samples = checked.kept.n_samples
    expression, n_missing = StoredValues(folder), np.zeros(n_samples, np.int64)
    missing, mean, sd = (np.full(len(cohort.genes), value) for value in (1.0, np.nan, np.nan))
    step = max(1, BAND_VALUES // max(1, n_samples))
    for start in range(0, len(cohort.genes), step):
        genes = np.arange(start, min(start + step, len(cohort.genes)))
        band = np.full((len(genes), n_samples), np.nan, np.float32)
        is_there = row_of_gene[genes] >= 0
        if is_there.any():
            parts = logs.genes.only(row_of_gene[genes][is_there]).bands()
            band[is_there] = np.concatenate([values for _, values in parts])
        is_missing = np.isnan(band)
        n_missing += is_missing.sum(axis=0)
        missing[genes] = is_missing.mean(axis=1)
        with warnings.catch_warnings():  # of genes without any value, whose mean is NaN
            warnings.simplefilter("ignore", RuntimeWarning)
            mean[genes] = np.nanmean(band, axis=1, dtype=np.float64)
            sd[genes] = np.nanstd(band, axis=1, dtype=np.float64)
        expression.add_genes(band)
    return NewValues(expression, n_missing, missing, mean, sd), logs.dropped


def _named(match: GeneMatch) -> NamedGenes:
    """The rows of the matrix under the names of the run's genes."""
    is_gene = match.names != ""
    return NamedGenes(names=match.names.tolist(), is_gene=is_gene, dropped=[], facts=[])


def _row_of_each_gene(logs: GeneValues, genes: np.ndarray) -> np.ndarray:
    """(genes,) int: the row of `logs` with each gene, -1 without one; of several the most variable.

    Several rows have one name only where `cohort.duplicates` keeps the most variable.
    """
    rows = pd.DataFrame({"name": logs.names, "row": np.arange(len(logs.names)), "variance": 0.0})
    repeated = np.flatnonzero(rows["name"].duplicated(keep=False))
    if len(repeated):
        bands = [band for _, band in logs.genes.only(repeated).bands()]
        rows.loc[repeated, "variance"] = row_variance(np.concatenate(bands))
    best = rows.sort_values("variance", ascending=False, kind="stable").drop_duplicates("name")
    return best.set_index("name")["row"].reindex(genes).fillna(-1).to_numpy(int)


class _Left(NamedTuple):
    """`mask` (samples,) bool: the samples that stay; and those that do not."""

    mask: np.ndarray
    dropped: list[Drop]


def _with_enough_genes(
    config: Config, names: Sequence[str], values: NewValues, n_genes: int
) -> _Left:
    """Which samples have enough of the run's genes.

    Raises
    ------
    InputError
        If some have not, unless `cohort.bad_values` leaves out bad samples.
    """
    lacks = values.n_missing > config.apply.max_missing * n_genes
    if lacks.all():
        msg = (
            f"all {len(lacks)} samples ({listed(list(names))}) lack more than "
            f"{config.apply.max_missing:.0%} of the run's {n_genes} genes, at least "
            f"{values.n_missing.min()} each: check the missing values of the matrix, or raise "
            "apply.max_missing: calls become worse then, as the page shows"
        )
        raise InputError(msg)
    dropped = stop_or_drop(
        "drop" if config.cohort.bad_values in ("drop", "drop_samples") else STOP,
        [
            Drop("sample", name, f"lacks {n} of the {n_genes} genes of the run")
            for name, n in compress(zip(names, values.n_missing.tolist(), strict=True), lacks)
        ],
        f"samples that lack more than {config.apply.max_missing:.0%} of the run's genes",
        'set cohort.bad_values = "drop_samples", which leaves them out and lists them, or raise '
        "apply.max_missing: their calls become worse then, as the page shows",
    )
    return _Left(~lacks, dropped)


def _aligned(
    config: Config,
    values: NewValues,
    cohort: Cohort,
    reference: Reference,
    folder: Path | None,
) -> StoredValues:
    """The values as the networks get them, with the training mean in place of missing ones."""
    align, n_samples = config.apply.align, values.expression.shape[1]
    if align == "location_scale" and n_samples < MIN_SAMPLES:
        msg = (
            f'apply.align = "location_scale" needs at least {MIN_SAMPLES} samples, there '
            f'are {n_samples}; set apply.align = "quantile" or "none"'
        )
        raise InputError(msg)
    complete = StoredValues(folder)
    for genes, band in values.expression.bands():
        if align == "location_scale":
            band = shift_and_scale(band, genes, values.mean, values.sd, reference)
        complete.add_genes(np.where(np.isnan(band), reference.mean[genes, np.newaxis], band))
    if align != "quantile":
        return complete
    aligned, is_present = StoredValues(folder), values.missing < 1
    profile = typical_profile(cohort, is_present)
    for block in quantile_blocks(complete, is_present, profile):
        aligned.add_samples(block)
    return aligned


def _membership(table: pd.DataFrame, values: NewValues, cohort: Cohort) -> Membership:
    """Which patients are the run's, by their IDs, the samples' IDs, or the very same values."""
    samples = table["sample"].tolist()
    patient = np.where(table["patient"] != "", table["patient"], table["sample"]).astype(str)
    fold_of = dict(zip(map(canonical, cohort.patient.tolist()), cohort.fold.tolist(), strict=True))
    owner = dict(zip(map(canonical, cohort.sample.tolist()), cohort.patient.tolist(), strict=True))
    twins = _twins(values, cohort)
    n_twins = 0
    for i, name in enumerate(samples):
        if canonical(patient[i]) in fold_of:
            continue
        same = owner.get(canonical(name)) or twins.get(i)
        n_twins += canonical(name) not in owner and i in twins
        if same:
            patient = patient.astype(object)
            patient[i] = same
    keys = [canonical(str(name)) for name in patient]
    is_own = np.array([key in fold_of for key in keys])
    fold = [fold_of.get(key, _hashed(key) % cohort.n_folds) for key in keys]
    facts = [Fact("patients of the run", f"{is_own.sum()} of {len(samples)} samples are of them",
                  "only networks that held such a patient out judge it")]  # fmt: skip
    if n_twins:
        facts.append(Fact("patients of the run", f"{n_twins} samples have other IDs",
                          "but the very values of samples of the run"))  # fmt: skip
    if not (table["patient"] != "").all():
        n = int((table["patient"] == "").sum())
        reason = "if some are of the run's patients, networks may judge whom they were trained on"
        facts.append(Fact("patients", f"of {n} samples not known: each counts as one", reason))
    return Membership(patient.astype(str), np.array(fold, np.int16), is_own, facts)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _twins(values: NewValues, cohort: Cohort) -> dict[int, str]:
    """The patient of the run whose sample has the very same values, by the new sample's index."""
    is_there = values.missing == 0
    genes = np.flatnonzero(is_there)
    if not len(genes):
        return {}
    owner: dict[bytes, str] = {}
    for rows in blocks(len(cohort.sample)):
        digests = _row_digests(cohort.expression(rows)[:, is_there])
        owner |= dict(zip(digests, cohort.patient[rows].tolist(), strict=True))
    twins: dict[int, str] = {}
    every = slice(0, values.expression.shape[0])
    for rows in blocks(values.expression.shape[1]):
        digests = _row_digests(values.expression.block(every, rows)[is_there].T)
        twins |= {rows.start + i: owner[d] for i, d in enumerate(digests) if d in owner}
    return twins


def _row_digests(values: np.ndarray) -> list[bytes]:
    return [hashlib.sha256(row.tobytes()).digest() for row in np.ascontiguousarray(values)]


def _variances(expression: StoredValues) -> np.ndarray:
    return np.concatenate([row_variance(band) for _, band in expression.bands()])


def _layouts(cohort: Cohort) -> CohortLayouts:
    shape = (cohort.n_replicates, cohort.n_folds, -1)
    pixel = np.stack([layout.pixel for layout in cohort.layouts]).reshape(shape)
    return CohortLayouts(cohort.layouts[0].side, pixel, cohort.decoy_gene)
