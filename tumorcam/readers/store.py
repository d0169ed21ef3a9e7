"""Raw values of an expression matrix on disk, so that no input needs to fit in memory.

A file is read once, in its own orientation; everything after that reads bands of genes from here.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

FLOAT32 = 4  # bytes
BAND_VALUES = 2**24  # values that are read at once: 64 MiB


class Tile(NamedTuple):
    """A part of the file: some genes of some samples, one gene after the other."""

    offset: int
    genes: slice
    samples: slice


class StoredValues:
    """(genes, samples) float32 on disk; the file vanishes with the object.

    It is filled by `add_genes` alone or by `add_samples` alone.

    Parameters
    ----------
    folder : Path or None
        A folder on a disk with room for four bytes a value; None takes the system's folder for
        temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._tiles: list[Tile] = []
        self._n_bytes = 0
        self.shape = (0, 0)

    def add_genes(self, values: np.ndarray) -> None:
        """Append genes: (genes, samples) of any real numbers, all samples in their order."""
        start, n_samples = self.shape[0], values.shape[1]
        self._add(values, slice(start, start + len(values)), slice(0, n_samples))
        self.shape = (start + len(values), n_samples)

    def add_samples(self, values: np.ndarray) -> None:
        """Append samples: (samples, genes) of any real numbers, all genes in their order."""
        start, n_genes = self.shape[1], values.shape[1]
        self._add(values.T, slice(0, n_genes), slice(start, start + len(values)))
        self.shape = (n_genes, start + len(values))

    def genes(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, samples) float32: neighbouring genes of all samples."""
        band = np.empty((stop - start, self.shape[1]), np.float32)
        for tile in self._tiles:
            first, last = max(start, tile.genes.start), min(stop, tile.genes.stop)
            if first < last:
                self._read_tile(tile, first, last, band[first - start : last - start, tile.samples])
        return band

    def bands(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All genes, one band after the other: their indices, and (band, samples) float32."""
        step = max(1, BAND_VALUES // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            stop = min(start + step, self.shape[0])
            yield slice(start, stop), self.genes(start, stop)

    def _add(self, values: np.ndarray, genes: slice, samples: slice) -> None:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: a bad value
            tile = np.ascontiguousarray(values, dtype=np.float32)
        self._tiles.append(Tile(self._n_bytes, genes, samples))
        view, written = memoryview(tile).cast("B"), 0
        while written < len(view):
            written += os.write(self._file.fileno(), view[written:])
        self._n_bytes += len(view)

    def _read_tile(self, tile: Tile, start: int, stop: int, target: np.ndarray) -> None:
        """Read the genes `start` to `stop` of a tile into (genes, samples) `target`."""
        n_samples = tile.samples.stop - tile.samples.start
        offset = tile.offset + (start - tile.genes.start) * n_samples * FLOAT32
        n_bytes = (stop - start) * n_samples * FLOAT32
        content = os.pread(self._file.fileno(), n_bytes, offset)
        target[:] = np.frombuffer(content, np.float32).reshape(stop - start, n_samples)
