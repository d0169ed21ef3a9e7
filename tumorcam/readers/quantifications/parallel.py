"""The values of many files of the same format, read side by side and stored block by block."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from tumorcam.cluster.launcher import n_cpus
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.quantifications.alignment import LIBRARY_SIZES, align
from tumorcam.readers.quantifications.columns import read_columns
from tumorcam.readers.quantifications.formats import Quantification
from tumorcam.readers.wording import listed, plain
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues

MIN_COMMON = 0.5  # of the genes of two files, for them to be of one annotation
MAX_THREADS = 16

Progress = Callable[[int, int], None]


class Task(NamedTuple):
    """Columns of a file, each the values of one sample; `is_last` if the file has no more."""

    file: Quantification
    columns: list[str]
    is_last: bool


class Part(NamedTuple):
    """What a task read, in the order of the reference genes.

    `values` (columns, genes) float32 is NaN for a gene that the file lacks; `lacks` has the
    positions of these genes, `others` the IDs that the reference lacks.
    """

    values: np.ndarray
    is_same_order: bool
    lacks: np.ndarray
    others: list[str]


@dataclass(frozen=True)
class StoredFiles:
    """The genes and values of many files, and what was left out of them.

    `is_kept` (genes of the first file,) bool says which of its genes all files have.
    """

    genes: list[str]
    values: StoredValues
    is_kept: np.ndarray
    dropped: list[Drop] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


def read_parallel(
    files: Sequence[Quantification],
    columns: Sequence[list[str]],
    folder: Path | None,
    progress: Progress | None = None,
) -> StoredFiles:
    """The values of all files, with the genes that all of them have, in the first file's order.

    Parameters
    ----------
    columns : sequence of list of str
        The columns to read of each file.
    progress : callable or None
        It is called with the number of files that were read, and of all files.

    Raises
    ------
    InputError
        If a file is damaged or cut off, or two files have few genes in common.
    """
    reference = read_columns(files[0], []).ids
    genes = reference.to_list()
    if not genes:
        msg = f"{plain(str(files[0].path))} has no rows of values; download or write it again"
        raise InputError(msg)
    values, is_in_all = StoredValues(folder), np.ones(len(genes), bool)
    others: dict[str, Path] = {}
    n_reordered, n_read = 0, 0

    def read(task: Task) -> Part:
        return _read_aligned(task, reference, genes, files[0].path)

    max_columns = max(1, BAND_VALUES // max(1, len(genes)))
    with ThreadPoolExecutor(min(n_cpus(), MAX_THREADS)) as threads:
        for block in _blocks(files, columns, max_columns):
            parts = []
            for task, part in zip(block, threads.map(read, block), strict=True):
                parts.append(part.values)
                is_in_all[part.lacks] = False
                others |= {name: task.file.path for name in part.others if name not in others}
                n_reordered += task.is_last and not part.is_same_order
                n_read += task.is_last
                if progress:
                    progress(n_read, len(files))
            values.add_samples(np.concatenate(parts))
    stored = StoredFiles(genes, values, is_in_all)
    if n_reordered:
        text = f"{n_reordered} of {len(files)} files were aligned by gene"
        stored.facts.append(Fact("genes of the files", text, "their order is another"))
    return _common_genes(stored, others, folder)


def _blocks(
    files: Sequence[Quantification], columns: Sequence[list[str]], max_columns: int
) -> Iterator[list[Task]]:
    """Tasks of `max_columns` columns together, or fewer."""
    block: list[Task] = []
    n_columns = 0
    for file, names in zip(files, columns, strict=True):
        for start in range(0, len(names), max_columns):
            chosen = names[start : start + max_columns]
            if n_columns + len(chosen) > max_columns and block:
                yield block
                block, n_columns = [], 0
            block.append(Task(file, chosen, start + max_columns >= len(names)))
            n_columns += len(chosen)
    if block:
        yield block


def _read_aligned(task: Task, reference: pl.Series, genes: list[str], first: Path) -> Part:
    ids, values = read_columns(task.file, task.columns)
    nothing = np.empty(0, np.intp)
    if ids.equals(reference):
        return Part(np.ascontiguousarray(values.T), True, nothing, [])
    _refuse_cut_off(ids, reference, task.file.path, first)
    names = ids.to_list()
    positions, others = align(genes, names)
    lacks = np.flatnonzero(positions < 0)
    n_common = len(genes) - len(lacks)
    if n_common < MIN_COMMON * min(len(genes), len(names)):
        msg = (
            f"{plain(str(task.file.path))} and {plain(str(first))} have {n_common:,} genes in "
            f"common, of {len(names):,} such as {listed(names[:1])} and {len(genes):,} such as "
            f"{listed(genes[:1])}; leave in input.expression the files of one gene annotation"
        )
        raise InputError(msg)
    aligned = values[positions].T
    aligned[:, lacks] = np.nan
    return Part(np.ascontiguousarray(aligned), False, lacks, others)


def _refuse_cut_off(ids: pl.Series, reference: pl.Series, path: Path, first: Path) -> None:
    short, long, cut, whole = ids, reference, path, first
    if len(ids) > len(reference):
        short, long, cut, whole = reference, ids, first, path
    if len(short) < len(long) and short.equals(long.head(len(short))):
        msg = (
            f"{plain(str(cut))} is cut off: it has the first {len(short):,} of the {len(long):,} "
            f"genes of {plain(str(whole))}; download or write it again"
        )
        raise InputError(msg)


def _common_genes(stored: StoredFiles, others: dict[str, Path], folder: Path | None) -> StoredFiles:
    """The genes that all files have, with a Drop for every other."""
    if stored.is_kept.all() and not others:
        return stored
    if not stored.is_kept.any():
        msg = (
            "no gene is in all files of input.expression; leave in it the files of one gene "
            "annotation"
        )
        raise InputError(msg)
    lacking = [gene for gene, kept in zip(stored.genes, stored.is_kept, strict=True) if not kept]
    drops = [Drop("gene", gene, "some of the files lack it") for gene in lacking]
    drops += [Drop("gene", gene, f"{path} has it, others do not") for gene, path in others.items()]
    values = StoredValues(folder)
    for band, block in stored.values.bands():
        if stored.is_kept[band].any():
            values.add_genes(block[stored.is_kept[band]])
    genes = [gene for gene, kept in zip(stored.genes, stored.is_kept, strict=True) if kept]
    text = f"{len(genes):,} genes that all files have; {len(drops):,} others are left out"
    reason = f"the files do not have the same genes; {LIBRARY_SIZES}"
    fact = Fact("genes of the files", text, reason)
    return StoredFiles(genes, values, stored.is_kept, drops, [*stored.facts, fact])
