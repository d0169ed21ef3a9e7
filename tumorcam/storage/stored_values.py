"""Raw values of an expression matrix on disk, so that no input needs to fit in memory.

A file is read once, in its own orientation; everything after that reads bands of genes from here.
"""

import bisect
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.storage import disk

FLOAT32 = 4  # bytes
BAND_VALUES = 2**21  # values that are read at once: 8 MiB, whatever the number of samples


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
        self._tiles: list[Tile] = []
        self._n_bytes = 0
        self.folder = folder
        self.shape = (0, 0)
        with self._naming_a_full_disk():
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115

    @classmethod
    def of(cls, values: np.ndarray) -> "StoredValues":
        """An array (genes, samples) as stored values."""
        stored = cls()
        stored.add_genes(values)
        return stored

    @classmethod
    def on(cls, descriptor: int, folder: Path) -> "StoredValues":
        """Values in another process's empty file, by its descriptor; that process adopts them."""
        stored = cls.__new__(cls)
        stored._file = os.fdopen(descriptor, "r+b", buffering=0)
        stored._tiles, stored._n_bytes = [], 0
        stored.folder, stored.shape = folder, (0, 0)
        return stored

    @property
    def descriptor(self) -> int:
        """The file's descriptor, for a process that fills it."""
        return self._file.fileno()

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The parts of the file in their order."""
        return tuple(self._tiles)

    def adopt(self, tiles: Sequence[Tile], shape: tuple[int, int]) -> None:
        """Take over what another process has written to the file.

        Raises
        ------
        ValueError
            If the file has another size than the tiles or the shape.
        """
        self._tiles, self.shape = list(tiles), shape
        self._n_bytes = os.fstat(self.descriptor).st_size
        areas = [(t.genes.stop - t.genes.start) * (t.samples.stop - t.samples.start) for t in tiles]
        if not self._n_bytes == sum(areas) * FLOAT32 == self.nbytes:
            msg = f"the file of values has {self._n_bytes} bytes; wanted {self.nbytes}"
            raise ValueError(msg)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.shape[0] * self.shape[1] * FLOAT32

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

    def block(self, genes: slice, samples: slice = slice(None)) -> np.ndarray:
        """(genes, samples) float32: neighbouring genes of neighbouring samples."""
        first, last, _ = samples.indices(self.shape[1])
        values = np.empty((genes.stop - genes.start, last - first), np.float32)
        for tile in self._tiles_of(genes):
            rows = slice(max(genes.start, tile.genes.start), min(genes.stop, tile.genes.stop))
            columns = slice(max(first, tile.samples.start), min(last, tile.samples.stop))
            if rows.start < rows.stop and columns.start < columns.stop:
                target = values[
                    rows.start - genes.start : rows.stop - genes.start,
                    columns.start - first : columns.stop - first,
                ]
                self._read_tile(tile, rows, columns, target)
        return values

    def rows(self, genes: np.ndarray) -> np.ndarray:
        """(given genes, samples) float32.

        Parameters
        ----------
        genes : (given genes,) int
            Indices in any order; neighbours are read at once.
        """
        values = np.empty((len(genes), self.shape[1]), np.float32)
        breaks = np.flatnonzero(np.diff(genes) != 1) + 1
        for part in np.split(np.arange(len(genes)), breaks) if len(genes) else ():
            start, n = int(genes[part[0]]), len(part)
            values[part[0] : part[0] + n] = self.block(slice(start, start + n))
        return values

    def bands(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All genes, one band after the other: their indices, and (band, samples) float32."""
        step = max(1, BAND_VALUES // max(1, self.shape[1]))
        starts = range(0, self.shape[0], step)
        bands = (slice(start, min(start + step, self.shape[0])) for start in starts)
        return ahead(lambda genes: (genes, self.block(genes)), bands)

    def _tiles_of(self, genes: slice) -> Sequence[Tile]:
        """The tiles that may have some of these genes: all of them, or neighbours among bands."""
        if not self._tiles or self._tiles[0].genes.stop == self.shape[0]:
            return self._tiles
        first = bisect.bisect_right(self._tiles, genes.start, key=lambda tile: tile.genes.stop)
        last = bisect.bisect_left(self._tiles, genes.stop, key=lambda tile: tile.genes.start)
        return self._tiles[first:last]

    def _add(self, values: np.ndarray, genes: slice, samples: slice) -> None:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: a bad value
            tile = np.ascontiguousarray(values, dtype=np.float32)
        self._tiles.append(Tile(self._n_bytes, genes, samples))
        view, n_written = tile.reshape(-1).view(np.uint8).data, 0
        with self._naming_a_full_disk():
            while n_written < len(view):
                n_written += os.write(self._file.fileno(), view[n_written:])
        self._n_bytes += len(view)

    @contextlib.contextmanager
    def _naming_a_full_disk(self) -> Iterator[None]:
        """Turn the error of a full disk or quota in the block into a FileError."""
        try:
            yield
        except OSError as error:
            if not disk.is_full(error):
                raise
            folder = Path(self.folder or tempfile.gettempdir())
            raise disk.no_space(folder / "raw values", written=self._n_bytes) from error

    def _read_tile(self, tile: Tile, genes: slice, samples: slice, target: np.ndarray) -> None:
        """Read a part of a tile into (genes, samples) `target`."""
        width = tile.samples.stop - tile.samples.start
        n_samples = samples.stop - samples.start
        if n_samples == width and target.flags.c_contiguous:
            self._read(tile.offset + (genes.start - tile.genes.start) * width * FLOAT32, target)
            return
        for row, gene in enumerate(range(genes.start, genes.stop)):
            first = (gene - tile.genes.start) * width + samples.start - tile.samples.start
            self._read(tile.offset + first * FLOAT32, target[row])

    def _read(self, offset: int, target: np.ndarray) -> None:
        """Fill a contiguous array from a place of the file."""
        view, n_read = target.reshape(-1).view(np.uint8).data, 0
        while n_read < len(view):
            n_more = os.preadv(self._file.fileno(), [view[n_read:]], offset + n_read)
            if not n_more:
                raise EOFError(f"the file of values ends before byte {offset + len(view)}")
            n_read += n_more
