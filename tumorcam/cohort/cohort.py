"""The cohort file: expression, samples, genes, folds, layouts and decoys of one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import StaleError
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, records
from tumorcam.storage.plan import ModelKey, Plan, ShardKey, make_plan, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues

COHORT_TYPE = "tumorcam-cohort"
STAGE = "prepare"
ENTRAPPED = " (permuted)"  # after the name of an entrapped gene, so that no list of genes has it
CHUNK_SAMPLES, CHUNK_GENES = 256, 256  # of expression: explain reads rows, reduce reads columns
REMEDY = "run `tumorcam prepare`"


@dataclass(frozen=True)
class CohortSamples:
    """The samples of a cohort file, sorted by ID.

    Attributes
    ----------
    sample, patient : (samples,) str
        IDs.
    tumor : (samples,) str
        Tumor type, such as "BRCA".
    sample_type : (samples,) str
        TCGA code, such as "01"; empty if unknown.
    source : (samples,) str
        Data set or batch; empty if unknown.
    tumor_index : (samples,) int16
        Index of the tumor type in the sorted tumors.
    fold : (samples,) int16
        The fold that holds the sample out, from 0.
    """

    sample: np.ndarray
    patient: np.ndarray
    tumor: np.ndarray
    sample_type: np.ndarray
    source: np.ndarray
    tumor_index: np.ndarray
    fold: np.ndarray


@dataclass(frozen=True)
class CohortGenes:
    """The genes of a cohort file.

    Attributes
    ----------
    name : (genes,) str
        In the order of the input's names; "(permuted)" follows the name of an entrapped gene.
    variance : (genes,) float64
        Variance of log2(x + 1) over all samples.
    is_entrapped : (genes,) bool
        Whether the values were permuted over all samples, as `cohort.entrapment` asks.
    """

    name: np.ndarray
    variance: np.ndarray
    is_entrapped: np.ndarray


@dataclass(frozen=True)
class CohortLayouts:
    """The layouts of a cohort file.

    Attributes
    ----------
    side : int
        Rows and columns of an image, pixels.
    pixel : (replicates, folds, genes + decoys) int32
        Row-major pixel of each gene and, after the genes, of each decoy, for each network.
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.
    """

    side: int
    pixel: np.ndarray
    decoy_gene: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CohortFile:
    """The content of a cohort file; each field is a dataset or a group of the same name.

    Attributes
    ----------
    expression : (samples, genes) float32
        log2(x + 1).
    decoy_expression : (samples, decoys) float32
        That of the gene, permuted over all samples; one permutation a decoy. These two are given
        as `StoredValues`, (genes, samples), and read as arrays.
    tumors : (tumors,) str
        Tumor types, sorted.
    samples, genes, layouts
        As their classes say.
    dropped : DataFrame
        Genes, samples and rows of the input that were left out: kind, name and reason.
    facts : DataFrame
        What was understood of the input, and why; a row for each `Fact`.
    counts : DataFrame
        Samples of the input and of the cohort by tumor and type, as `summary.count_by_type` has it.
    tally : DataFrame or None
        Genes and samples that were read, left out for each reason, and kept; a column each for
        kind, step and n. None in files of earlier versions and of new samples.
    """

    expression: StoredValues = records.stored(chunks=(CHUNK_SAMPLES, CHUNK_GENES))
    decoy_expression: StoredValues = records.stored(chunks=(CHUNK_SAMPLES, CHUNK_GENES))
    tumors: np.ndarray
    samples: CohortSamples
    genes: CohortGenes
    layouts: CohortLayouts
    dropped: pd.DataFrame
    facts: pd.DataFrame
    counts: pd.DataFrame
    tally: pd.DataFrame | None = None


@dataclass(frozen=True)
class Cohort:
    """A cohort as all stages after `prepare` use it; its expression is read on demand.

    Attributes
    ----------
    path : Path
        The cohort file.
    digest : str
        SHA-256 of the content of the file.
    tumors : (tumors,) str
        Tumor types, sorted.
    sample, patient, sample_type, source : (samples,) str
        As in `CohortSamples`.
    tumor : (samples,) int64
        Index in `tumors` of each sample's tumor type, or of the one that a new sample is explained
        for; -1 where it is unknown.
    fold : (samples,) int16
        The fold that holds the sample out, from 0.
    genes : (genes,) str
        Names of the genes.
    variance, is_entrapped : (genes,) float64, bool
        As in `CohortGenes`.
    n_folds : int
        Number of folds.
    layouts : tuple of GeneLayout
        One for each network: the folds of a replicate side by side.
    dropped, facts, counts, tally : DataFrame
        As in `CohortFile`.
    is_counted : (samples,) bool, or None
        Which new samples count in the tables of tumors; None for a run's own samples, which all do.
    recall : (tumors,) float64, or None
        How many of a tumor's samples are called right, where that is not known from this cohort.
    """

    path: Path
    digest: str
    tumors: np.ndarray
    sample: np.ndarray
    patient: np.ndarray
    tumor: np.ndarray
    fold: np.ndarray
    sample_type: np.ndarray
    source: np.ndarray
    genes: np.ndarray
    variance: np.ndarray
    is_entrapped: np.ndarray
    n_folds: int
    layouts: tuple[GeneLayout, ...]
    dropped: pd.DataFrame
    facts: pd.DataFrame
    counts: pd.DataFrame
    tally: pd.DataFrame | None = None
    is_counted: np.ndarray | None = None
    recall: np.ndarray | None = None

    @property
    def n_replicates(self) -> int:
        """Number of networks that explain each sample."""
        return len(self.layouts) // self.n_folds

    @property
    def decoy_gene(self) -> np.ndarray:
        """(decoys,) int32: the gene that each decoy copies, the same in all layouts."""
        return self.layouts[0].decoy_gene

    @property
    def n_columns(self) -> int:
        """Number of columns of a saliency table: genes, present decoys and chance decoys."""
        return len(self.genes) + 2 * len(self.decoy_gene)

    @property
    def is_testable(self) -> np.ndarray:
        """(columns,) bool: whether the gene of each column varies."""
        decoys = self.variance[self.decoy_gene]
        return np.concatenate([self.variance, decoys, decoys]) > 0

    def rows_of(self, shard: ShardKey) -> np.ndarray:
        """(samples,) int: indices of a shard's samples in the cohort."""
        return np.flatnonzero(self.fold == shard.fold)[shard.start : shard.stop]

    def layout_of(self, model: ModelKey) -> GeneLayout:
        """The layout of a model."""
        return self.layouts[model.replicate * self.n_folds + model.fold]

    def expression(self, samples: slice | np.ndarray = slice(None)) -> np.ndarray:
        """(given samples, genes) float32: log2(x + 1) of the given samples and all genes.

        Parameters
        ----------
        samples : slice or (given samples,) int
            Indices must ascend.
        """
        return self._rows("expression", samples)

    def decoy_expression(self, samples: slice | np.ndarray = slice(None)) -> np.ndarray:
        """(given samples, decoys) float32: the permuted log2(x + 1) of all decoys.

        The permutation is over all samples and the same in every network, so that a decoy is one
        fake gene. Parameters are as in `expression`.
        """
        return self._rows("decoy_expression", samples)

    def some_genes(self, genes: np.ndarray) -> np.ndarray:
        """(samples, given genes) float32: log2(x + 1) of all samples and the given genes.

        Parameters
        ----------
        genes : (given genes,) int
            Indices, which must ascend.
        """
        values = np.empty((len(self.sample), len(genes)), np.float32)
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            for band in _by_chunk(genes, CHUNK_GENES):
                part = records.read_array(file, "expression", np.s_[:, band[0] : band[-1] + 1])
                values[:, np.searchsorted(genes, band)] = part[:, band - band[0]]
        return values

    def _rows(self, name: str, samples: slice | np.ndarray) -> np.ndarray:
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            if isinstance(samples, slice) or len(samples) == 0:
                return records.read_array(file, name, samples)
            parts = [  # slices of a chunk's rows: a third of the time of index lists
                records.read_array(file, name, slice(rows[0], rows[-1] + 1))[rows - rows[0]]
                for rows in _by_chunk(samples, CHUNK_SAMPLES)
            ]
        return np.concatenate(parts)

    def gene_bands(self, genes: slice) -> Iterator[np.ndarray]:
        """Neighbouring genes, as many at once as have BAND_VALUES values, or one.

        More of them are read once into a temporary file beside the cohort.

        Yields
        ------
        (samples, band) float32
            log2(x + 1) of all samples.
        """
        n_samples, (start, stop, _) = len(self.sample), genes.indices(len(self.genes))
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            if n_samples * (stop - start) <= BAND_VALUES:
                yield records.read_array(file, "expression", np.s_[:, start:stop])
                return
            values = StoredValues(self.path.parent)
            step = max(1, BAND_VALUES // ((stop - start) * CHUNK_SAMPLES)) * CHUNK_SAMPLES
            for first in range(0, n_samples, step):
                rows = np.s_[first : first + step, start:stop]
                values.add_samples(records.read_array(file, "expression", rows))
        for _, band in values.bands():
            yield band.T


def write_cohort(path: Path, content: CohortFile, config: Config, input_digest: str) -> None:
    """Write a cohort file.

    Parameters
    ----------
    config : Config
        The settings that the content was made with.
    input_digest : str
        Digest of the input files that the content was made from.

    Raises
    ------
    FileError
        If the disk or a quota is full.
    """
    attributes = _attributes(config, input_digest)
    needed = content.expression.nbytes + content.decoy_expression.nbytes
    with hdf5.create_file(path, COHORT_TYPE, attributes, needed=needed) as file:
        records.write_record(file, content)


def is_current(path: Path, config: Config, input_digest: str) -> bool:
    """Whether a cohort file is complete and was made with these settings from this input."""
    return hdf5.is_complete(path, COHORT_TYPE, _attributes(config, input_digest))


def read_cohort(path: Path, config: Config) -> Cohort:
    """The cohort of a run.

    Raises
    ------
    FileError
        If the file is missing, damaged, or was prepared with other settings.
    """
    attributes = hdf5.stored_attributes(path, COHORT_TYPE, remedy=REMEDY)
    chain.require_settings(path, attributes, config, STAGE)
    with hdf5.open_file(path, COHORT_TYPE, remedy=REMEDY) as file:
        content = records.read_record(file, CohortFile, without=("expression", "decoy_expression"))
    return cohort_of(path, str(attributes["digest"]), content)


def plan_of(cohort: Cohort, config: Config) -> Plan:
    """The models and shards of a run with this cohort."""
    return make_plan(
        cohort.digest,
        cohort.fold,
        n_folds=cohort.n_folds,
        side=cohort.layouts[0].side,
        n_genes=len(cohort.genes),
        n_decoys=len(cohort.decoy_gene),
        replicates=config.layout.replicates,
        block=config.explain.block,
        nulls=config.layout.nulls,
    )


def planned(run: RunFolder, config: Config) -> Plan:
    """The plan of a run, held against its cohort and the settings.

    Raises
    ------
    FileError
        If it or the cohort is missing or damaged; StaleError if the cohort and the settings give
        another plan.
    """
    path = run.plan
    cohort, plan = read_cohort(run.cohort, config), read_plan(path, config.layout.nulls)
    if plan == plan_of(cohort, config):
        return plan
    if plan.block != config.explain.block:
        change = f"explain.block: {plan.block} -> {config.explain.block}"
        msg = f"{path} was made with other settings (then -> now: {change}); restore it, or"
    else:
        msg = f"{path} is not the plan that {cohort.path} and the settings give;"
    raise StaleError(f"{msg} {REMEDY}, which writes it anew")


def _attributes(config: Config, input_digest: str) -> dict[str, str]:
    """Root attributes of a cohort file: what it was made with and from."""
    return chain.made_with(config, STAGE) | {"input_digest": input_digest}


def _by_chunk(indices: np.ndarray, chunk: int) -> list[np.ndarray]:
    """Ascending indices, split so that those of one chunk stay together."""
    return np.split(indices, 1 + np.flatnonzero(np.diff(indices // chunk)))


def cohort_of(path: Path, digest: str, content: CohortFile) -> Cohort:
    """The cohort of a file whose expression was not read."""
    samples, layouts = content.samples, content.layouts
    return Cohort(
        path=path,
        digest=digest,
        tumors=content.tumors,
        sample=samples.sample,
        patient=samples.patient,
        tumor=samples.tumor_index.astype(np.int64),
        fold=samples.fold,
        sample_type=samples.sample_type,
        source=samples.source,
        genes=content.genes.name,
        variance=content.genes.variance,
        is_entrapped=content.genes.is_entrapped,
        n_folds=layouts.pixel.shape[1],
        layouts=tuple(
            GeneLayout(layouts.side, pixel, layouts.decoy_gene)
            for of_replicate in layouts.pixel
            for pixel in of_replicate
        ),
        dropped=content.dropped,
        facts=content.facts,
        counts=content.counts,
        tally=content.tally,
    )
