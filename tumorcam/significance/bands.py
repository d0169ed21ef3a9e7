"""The files bands/b*.h5: the statistics of one band of columns in every ranking."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorcam.explain.views import RankingKey
from tumorcam.significance.resampling import FlipRecords
from tumorcam.significance.statistics import PatientStatistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.records import stored

BAND_TYPE = "tumorcam-band-of-all-tumors"
REMEDY = "run `tumorcam reduce`"
RECORD = ("flip", "gene", "value")  # what FlipRecords has of each record
EXPRESSION = "log2_fold_change"  # has a column for each gene of a band


@dataclass(frozen=True)
class BandStatistics(PatientStatistics):
    """Statistics of the columns of one band, or of several side by side, in one ranking.

    The last axis of every array is the columns: genes, present decoys and chance decoys. Those of
    `PatientStatistics` are (tumors, columns). `model_score` (replicates, folds, tumors, columns)
    float64 has the replicates that have shards, and is NaN where a fold lacks the tumor;
    `replicate_score` (replicates, tumors, columns) is that of all folds. With null runs
    `null_p_value` and `null_score` (nulls, tumors, columns) are float64.
    """

    model_score: np.ndarray
    replicate_score: np.ndarray
    null_p_value: np.ndarray | None
    null_score: np.ndarray | None

    def part(self, columns: slice) -> "BandStatistics":
        """The statistics of some of the columns."""
        arrays: dict[str, Any] = {
            name: None if array is None else array[..., columns]
            for name, array in vars(self).items()
        }
        return BandStatistics(**arrays)


@dataclass(frozen=True)
class BandFlips:
    """Sign flips of the testable genes of one band, a row a tumor.

    As `FlipRecords`: `statistic` (tumors, genes), `flip`, `gene` and `value` (tumors, records).
    The first `n_records` (tumors,) int of a row are records; tumors with too few patients have
    none.
    """

    n_records: np.ndarray
    statistic: np.ndarray = stored(chunks=(1, None))
    flip: np.ndarray = stored(chunks=(1, None))
    gene: np.ndarray = stored(chunks=(1, None))
    value: np.ndarray = stored(chunks=(1, None))

    @classmethod
    def of(cls, flips: Sequence[FlipRecords | None]) -> "BandFlips":
        """The flips of all tumors; of a tumor with too few patients they are None."""
        columns = {}
        for column in fields(FlipRecords):
            rows = [np.empty(0) if of is None else getattr(of, column.name) for of in flips]
            longest = max(rows, key=len)
            columns[column.name] = np.zeros((len(rows), len(longest)), longest.dtype)
            for row, values in zip(columns[column.name], rows, strict=True):
                row[: len(values)] = values
        n_records = np.array([0 if of is None else len(of.flip) for of in flips])
        return cls(n_records, **columns)


@dataclass(frozen=True)
class BandResamples:
    """Bootstraps and sign flips of the genes of one band in one ranking.

    `bootstrap` (tumors, bootstraps, genes) float32 is NaN for tumors with too few patients.
    """

    flips: BandFlips
    bootstrap: np.ndarray = stored(chunks=(1, None, None))


@dataclass(frozen=True)
class BandRanking(BandResamples, BandStatistics):
    """All that a band's file holds of one ranking.

    With null runs `null_model_score` (nulls, replicates, folds, tumors, columns) is float64.
    """

    null_model_score: np.ndarray | None = stored(chunks=(1, None, None, None, None))


@dataclass(frozen=True)
class BandExpression:
    """Expression of the genes of a band in each tumor against all others, (tumors, genes)."""

    expression_auroc: np.ndarray
    log2_fold_change: np.ndarray


@dataclass(frozen=True)
class Bands:
    """The files of all bands, open for reading; arrays are joined along the columns."""

    files: Sequence[h5py.File]

    def statistics(self, key: RankingKey) -> BandStatistics:
        """The statistics of all columns in one ranking."""
        parts = [records.read_record(group, BandStatistics) for group in self._groups(key)]
        return _side_by_side(parts)

    def expression(self) -> BandExpression:
        """Expression of all genes."""
        return _side_by_side([records.read_record(file, BandExpression) for file in self.files])

    def bootstraps(self, key: RankingKey, tumor: int) -> np.ndarray:
        """(bootstraps, genes) float32 scores of one tumor."""
        parts = [records.read_array(group, "bootstrap", tumor) for group in self._of_genes(key)]
        return np.concatenate(parts, axis=-1)

    def null_model_score(self, key: RankingKey, null: int) -> np.ndarray:
        """(replicates, folds, tumors, columns) float64 scores of the models of one null run."""
        parts = [records.read_array(group, "null_model_score", null) for group in self._groups(key)]
        return np.concatenate(parts, axis=-1)

    def flips(self, key: RankingKey, tumor: int) -> list[FlipRecords]:
        """The flips of one tumor, band by band."""
        flips = []
        for group in (_inner(group, "flips") for group in self._of_genes(key)):
            n = records.read_array(group, "n_records", tumor)
            statistic = records.read_array(group, "statistic", tumor)
            columns = [records.read_array(group, name, np.s_[tumor, :n]) for name in RECORD]
            flips.append(FlipRecords(statistic, *columns))
        return flips

    def _of_genes(self, key: RankingKey) -> list[h5py.Group]:
        """The bands that have genes, in one ranking."""
        return [_inner(file, key.name) for file in self._files_of_genes]

    @cached_property
    def _files_of_genes(self) -> list[h5py.File]:
        return [file for file in self.files if records.array_shape(file, EXPRESSION)[-1]]

    def _groups(self, key: RankingKey) -> list[h5py.Group]:
        return [_inner(file, key.name) for file in self.files]


@contextlib.contextmanager
def open_bands(paths: Sequence[Path]) -> Iterator[Bands]:
    """All bands of a run, for reading; FileError where one is missing or damaged."""
    with contextlib.ExitStack() as stack:
        files = [hdf5.open_file(path, BAND_TYPE, remedy=REMEDY) for path in paths]
        yield Bands([stack.enter_context(file) for file in files])


def is_band_complete(path: Path, attributes: Mapping[str, str]) -> bool:
    """Whether a band was finished with these attributes."""
    return hdf5.is_complete(path, BAND_TYPE, attributes)


def write_band(
    path: Path,
    attributes: Mapping[str, str],
    rankings: Iterable[tuple[RankingKey, BandRanking]],
    expression: BandExpression,
) -> None:
    """Write the statistics of a band.

    Parameters
    ----------
    rankings : iterable of pairs of RankingKey and BandRanking
        Each is written before the next one is computed.
    """
    with hdf5.create_file(path, BAND_TYPE, attributes) as file:
        for key, ranking in rankings:
            records.write_record(file.create_group(key.name), ranking)
        records.write_record(file, expression)


def _inner(group: h5py.Group, name: str) -> h5py.Group:
    with records.reading(group):
        return group[name]


def _side_by_side(parts: Sequence[records.Record]) -> records.Record:
    """One record whose arrays are those of all parts, joined along the last axis."""
    columns = {
        field.name: [getattr(part, field.name) for part in parts]
        for field in fields(parts[0])  # type: ignore[arg-type]
    }
    joined = {
        name: None if arrays[0] is None else np.concatenate(arrays, axis=-1)
        for name, arrays in columns.items()
    }
    return type(parts[0])(**joined)
