"""Values of a band of columns, sorted by tumor, so that memory holds those of one tumor at once."""

import io
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO

import numpy as np

from tumorcam.explain import shards
from tumorcam.explain.views import RankingKey
from tumorcam.significance.held_out import BandSource
from tumorcam.storage import disk
from tumorcam.storage.plan import ShardKey

IN_MEMORY = 2**25  # bytes; more of them stand in a temporary file


class BandValues:
    """The values (samples, band) float16 of each ranking and replicate, as the shards have them.

    They are read once and stand in a temporary file, which vanishes when the context ends: the
    samples of a tumor side by side, those of a fold within them.

    Parameters
    ----------
    source : BandSource
        The shards that are there.
    band : slice
        Neighbouring columns.
    keys : sequence of RankingKey
        The rankings.

    Attributes
    ----------
    replicates : list of pairs of int
        Null run (0 is the run itself) and replicate of all models that have shards.
    has_sample : dict
        By null run and replicate, whether a shard has each sample, (samples,) bool.
    """

    def __init__(self, source: BandSource, band: slice, keys: Sequence[RankingKey]) -> None:
        self._source, self._band, self._keys = source, band, list(keys)
        cohort = source.cohort
        self._order = np.lexsort((cohort.fold, cohort.tumor))
        self._place = np.argsort(self._order)
        self._start = np.searchsorted(
            cohort.tumor[self._order], np.arange(len(cohort.tumors) + 1)
        ).tolist()
        self.replicates = list(dict.fromkeys((s.null, s.replicate) for s in source.sample_index))
        self.has_sample = {of: np.zeros(len(cohort.sample), dtype=bool) for of in self.replicates}
        n_columns = band.stop - band.start
        n_values = len(self._order) * n_columns * len(self._keys) * len(self.replicates)
        self._row_bytes = n_columns * np.dtype(np.float16).itemsize
        self._file: IO[bytes] = io.BytesIO()
        if n_values * np.dtype(np.float16).itemsize > IN_MEMORY:
            self._file = tempfile.TemporaryFile(dir=source.run.root)  # noqa: SIM115

    def __enter__(self) -> "BandValues":
        for shard, index in self._source.sample_index.items():
            self._store(shard, index)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def samples_of(self, tumor: int) -> np.ndarray:
        """(samples of the tumor,) int: their indices in the cohort, ascending."""
        return np.sort(self._order[self._start[tumor] : self._start[tumor + 1]])

    def of_tumor(self, key: RankingKey, replicate: tuple[int, int], tumor: int) -> np.ndarray:
        """(samples of the tumor, band) float16, in the order of `samples_of`; 0 without a shard.

        `key` is the ranking, `replicate` one of `replicates`.
        """
        start, stop = self._start[tumor : tumor + 2]
        values = np.zeros((stop - start, self._band.stop - self._band.start), np.float16)
        self._seek(key, replicate, start)
        self._file.readinto(values.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
        return values[np.argsort(self._order[start:stop])]

    def _store(self, shard: ShardKey, index: np.ndarray) -> None:
        """Write the values of a shard's samples, whose indices in the cohort are given."""
        of = (shard.null, shard.replicate)
        self.has_sample[of][index] = True
        rows = np.argsort(self._place[index])
        place = self._place[index][rows]
        parts = np.split(np.arange(len(rows)), 1 + np.flatnonzero(np.diff(place) != 1))
        path = self._source.run.shard(shard)
        by_name = shards.read_band(path, self._keys, self._band)
        for key in self._keys:
            for part in parts if len(rows) else ():
                self._seek(key, of, place[part[0]])
                self._write(by_name[key.name][rows[part]])

    def _seek(self, key: RankingKey, replicate: tuple[int, int], place: int) -> None:
        block = self._keys.index(key) * len(self.replicates) + self.replicates.index(replicate)
        self._file.seek((block * len(self._order) + int(place)) * self._row_bytes)

    def _write(self, values: np.ndarray) -> None:
        try:
            self._file.write(values.tobytes())
        except OSError as error:
            if not disk.is_full(error):
                raise
            path = self._source.run.root / "values of a band"
            raise disk.no_space(path, written=self._file.tell()) from error
