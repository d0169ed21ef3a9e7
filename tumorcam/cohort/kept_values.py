"""The values of the samples that a cohort keeps, as the file has them and as log2(x + 1)."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.cohort.scales import largest_value, to_log2
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues


@dataclass(frozen=True)
class KeptValues:
    """Raw values of some samples of a matrix, in the cohort's order.

    Attributes
    ----------
    values : StoredValues
        (genes, samples of the matrix) float32.
    columns : (columns,) int
        Columns of the matrix, those of one sample side by side.
    starts : (samples,) int
        Where each sample begins in `columns`; all its columns become one.
    is_sum : bool
        Whether the columns of a sample are added; else the mean is taken.
    """

    values: StoredValues
    columns: np.ndarray
    starts: np.ndarray
    is_sum: bool = False

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.starts)

    def bands(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All genes of the matrix, band by band: their indices, and (band, samples) float32."""
        for genes, band in self.values.bands():
            yield genes, self._merged(band)

    def rows(self, genes: np.ndarray) -> np.ndarray:
        """(given genes, samples) float32: the genes of these indices."""
        return self._merged(self.values.rows(genes))

    def only(self, is_kept: np.ndarray) -> "KeptValues":
        """The values of the samples whose (samples,) `is_kept` is True."""
        parts = np.split(self.columns, self.starts[1:])
        kept = [part for part, keep in zip(parts, is_kept, strict=True) if keep]
        starts = np.cumsum([0, *map(len, kept[:-1])])
        return dataclasses.replace(self, columns=np.concatenate(kept), starts=starts)

    def _merged(self, band: np.ndarray) -> np.ndarray:
        band = np.take(band, self.columns, axis=1)
        if len(self.starts) == len(self.columns):
            return band
        total = np.add.reduceat(band.astype(np.float64), self.starts, axis=1)
        if not self.is_sum:
            total /= np.diff([*self.starts, len(self.columns)])
        return total.astype(np.float32)


def kept_values(
    values: StoredValues, names: list[str], samples: np.ndarray, duplicates: str
) -> KeptValues:
    """The values of a cohort's samples.

    Parameters
    ----------
    values : StoredValues
        (genes, samples of the matrix).
    names : list of str
        Samples of the matrix; one may repeat.
    samples : (samples,) str
        The samples of the cohort, in its order.
    duplicates : str
        As `cohort.duplicates`: mean and sum merge the columns of a repeated sample, any other rule
        keeps the first.
    """
    order = {name: i for i, name in enumerate(samples)}
    place = np.array([order.get(name, len(order)) for name in names])
    columns = np.argsort(place, kind="stable")[: int((place < len(order)).sum())]
    starts = np.flatnonzero(np.diff(place[columns], prepend=-1))
    if duplicates not in ("mean", "sum"):
        columns, starts = columns[starts], np.arange(len(starts))
    return KeptValues(values, columns, starts, is_sum=duplicates == "sum")


@dataclass(frozen=True)
class LogValues:
    """log2(x + 1) of the kept samples, a row for each distinct gene.

    Attributes
    ----------
    kept : KeptValues
        The raw values.
    scale : str
        As `input.scale`.
    sizes : (samples,) float64 or None
        Size factors where the scale is one of counts, else None.
    rows : (rows,) int
        Rows of the matrix, those of one gene side by side.
    starts : (genes,) int
        Where each gene begins in `rows`.
    merge : str
        How the rows of one gene become one, "mean" or "sum", on the linear scale.
    repairs : bool
        Whether negative values become 0 and missing ones the mean of the gene's other samples.
    keeps_missing : bool
        Whether missing values stay NaN after all.
    """

    kept: KeptValues
    scale: str
    sizes: np.ndarray | None
    rows: np.ndarray
    starts: np.ndarray
    merge: str
    repairs: bool
    keeps_missing: bool = False

    def bands(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All genes, band by band: their indices, and (band, samples) float32."""
        return ahead(lambda genes: (genes, self._band(genes)), self._slices())

    def _slices(self) -> Iterator[slice]:
        """The genes of each band: as many as have `BAND_VALUES` raw values, or one."""
        step = max(1, BAND_VALUES // self.kept.n_samples)
        stops = self._stops
        start = 0
        while start < len(self.starts):
            stop = int(np.searchsorted(stops, self.starts[start] + step, "right"))
            genes = slice(start, max(stop, start + 1))
            yield genes
            start = genes.stop

    def only(self, genes: np.ndarray) -> "LogValues":
        """The values of some genes, given by their indices, in that order."""
        parts = np.split(self.rows, self.starts[1:])
        chosen = [parts[gene] for gene in genes.tolist()]
        starts = np.cumsum([0, *map(len, chosen[:-1])])
        return dataclasses.replace(self, rows=np.concatenate(chosen), starts=starts)

    @property
    def _stops(self) -> np.ndarray:
        return np.append(self.starts[1:], len(self.rows))

    def _band(self, genes: slice) -> np.ndarray:
        rows = self.rows[self.starts[genes.start] : self._stops[genes.stop - 1]]
        raw = self.kept.rows(rows)
        is_missing = self._is_missing(raw) if self.repairs else None
        if is_missing is not None:
            raw[is_missing | ((raw < 0) & (self.scale not in SIGNED))] = 0
        log2 = to_log2(raw, self.scale, self.sizes)
        starts = self.starts[genes] - self.starts[genes.start]
        if len(starts) < len(rows):
            log2 = self._merged(log2, starts)
            if is_missing is not None:
                is_missing = np.logical_and.reduceat(is_missing, starts, axis=0)
        if is_missing is not None and is_missing.any():
            if self.keeps_missing:
                log2[is_missing] = np.nan
            else:
                _impute(log2, is_missing)
        return log2

    def _is_missing(self, raw: np.ndarray) -> np.ndarray:
        """Missing values, and those that are too large for the scale."""
        return ~(raw <= largest_value(self.scale))

    def _merged(self, log2: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(genes, samples): one row for the rows of each gene, added or averaged."""
        linear = log2 if self.scale == "as_is" else np.exp2(log2.astype(np.float64)) - 1
        merged = np.add.reduceat(linear.astype(np.float64), starts, axis=0)
        if self.merge == "mean":
            merged /= np.diff([*starts, len(log2)])[:, np.newaxis]
        return (merged if self.scale == "as_is" else np.log2(merged + 1)).astype(np.float32)


SIGNED = ("as_is", "log2_tpm_001")  # scales on which a value may be negative


def _impute(log2: np.ndarray, is_missing: np.ndarray) -> None:
    """Give each missing value the mean of its gene over the samples that have one; no labels."""
    for gene in np.flatnonzero(is_missing.any(axis=1)):
        lacks = is_missing[gene]
        log2[gene, lacks] = log2[gene, ~lacks].mean(dtype=np.float64) if not lacks.all() else 0
