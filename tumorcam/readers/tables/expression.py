"""Expression matrices as text, genes x samples or samples x genes, read once in whole rows."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cluster.ahead import ahead
from tumorcam.cluster.launcher import n_cpus
from tumorcam.errors import InputError, quoted
from tumorcam.readers.matrix import SAMPLE, Drop, Fact, Matrix
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables import words
from tumorcam.readers.tables.cells import Rows, cut_rows
from tumorcam.readers.tables.frames import distinct_names
from tumorcam.readers.tables.geometry import (
    Columns,
    DescribingRow,
    Geometry,
    IsSample,
    look_at_columns,
)
from tumorcam.readers.tables.heading import Heading, read_heading
from tumorcam.readers.tables.lines import Chunk, read_chunks
from tumorcam.readers.tables.names import require_names
from tumorcam.readers.tables.numbers import read_numbers
from tumorcam.readers.tables.orientation import decide_geometry
from tumorcam.readers.tables.packing import open_unpacked
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

WHOLE_FLOAT = re.compile(r"(\d+)\.0")  # an Entrez ID that pandas took for a float
LABELS_REASON = "labels of the samples, not a gene"
MAX_THREADS = 4  # that read chunks side by side; unpacking is not faster than that
TOTALS_REASON = "it sums up the other rows"


class _Part(NamedTuple):
    """What a chunk of the file gives; the `values` are (rows, columns of values) float64."""

    values: np.ndarray
    names: list[str]
    numbers: list[int]
    texts: list[list[str]]
    describing: list[DescribingRow]
    dropped: list[Drop]
    n_bytes: int


@dataclass
class _Kept:
    """What is kept of the rows that were read so far, besides their values."""

    texts: list[list[str]]
    names: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    describing: list[DescribingRow] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)

    def add(self, part: _Part) -> None:
        """Add what the next chunk gives."""
        self.names += part.names
        self.numbers += part.numbers
        self.describing += part.describing
        self.dropped += part.dropped
        for column, texts in zip(self.texts, part.texts, strict=True):
            column += texts


def read_text_matrix(
    path: Path,
    settings: InputSettings,
    is_sample: IsSample,
    folder: Path | None,
    progress: Callable[[int], None] | None = None,
) -> Matrix:
    """An expression matrix from a text file, plain or packed, in any dialect and orientation.

    Parameters
    ----------
    settings : InputSettings
        `orientation`, `delimiter`, `decimal`, `measure` and `gene_column` override what the rows
        tell.
    is_sample : callable
        Whether a name is that of a sample.
    folder : Path or None
        Where the values are stored, as in `StoredValues`.
    progress : callable, optional
        Takes the number of bytes of text that were read since its last call.

    Returns
    -------
    Matrix
        All columns and rows that are no annotation, labels, totals or row numbers.

    Raises
    ------
    InputError
        If the file cannot be read, or can be read in two ways.
    """
    values = StoredValues(folder)
    with open_unpacked(path, "input.expression") as stream:
        heading = read_heading(
            read_chunks(stream, path), path, settings.delimiter, settings.decimal
        )
        columns = look_at_columns(heading)
        geometry = decide_geometry(columns, settings, is_sample, path)
        kept = _Kept(texts=[[] for _ in geometry.texts])
        chunks = _below(heading.chunks, columns.line)
        n_threads = min(n_cpus(), MAX_THREADS)
        parts = ahead(
            lambda chunk: _read_part(chunk, heading, geometry, path),
            chunks,
            n_ahead=n_threads + 1,
            n_threads=n_threads,
        )
        with contextlib.closing(parts):
            for part in parts:
                kept.add(part)
                (values.add_genes if geometry.genes_in_rows else values.add_samples)(part.values)
                if progress:
                    progress(part.n_bytes)
    if not kept.names:
        msg = f"{plain(str(path))} has no rows of values; download or write it again"
        raise InputError(msg)
    return _matrix(path, heading, columns, geometry, kept, values)


def _below(chunks: Iterator[Chunk], line: int) -> Iterator[Chunk]:
    """The chunks without the first lines of the file."""
    for chunk in chunks:
        n_above = line - chunk.line + 1
        if n_above <= 0:
            yield chunk
            continue
        lines = chunk.text.split(b"\n", n_above)
        if len(lines) > n_above and lines[-1]:
            yield Chunk(lines[-1], line + 1, chunk.is_last)


def _read_part(chunk: Chunk, heading: Heading, geometry: Geometry, path: Path) -> _Part:
    rows, dropped = cut_rows(chunk, heading, path)
    names = rows.column(geometry.id_column)
    is_kept = [_is_kept(name, geometry) for name in names]
    describing = list[DescribingRow]()
    for i, name in enumerate(names):
        if not is_kept[i]:
            is_total = words.is_total(name)
            reason = TOTALS_REASON if is_total else LABELS_REASON
            dropped.append(Drop("row", f"line {rows.numbers[i]} ({plain(name)})", reason))
            if not is_total:
                describing.append(DescribingRow(name, rows.row(i)))
    rows = rows.select(is_kept)
    _require_empty(rows, heading)
    return _Part(
        values=read_numbers(rows, geometry.values, heading.dialect.decimal, geometry.header),
        names=[*compress(names, is_kept)],
        numbers=rows.numbers,
        texts=[rows.column(column) for column in geometry.texts],
        describing=describing,
        dropped=dropped,
        n_bytes=len(chunk.text),
    )


def _is_kept(name: str, geometry: Geometry) -> bool:
    """Whether a row is a gene or sample, and not totals or labels."""
    return not (words.is_total(name) or (geometry.genes_in_rows and words.is_clinical(name)))


def _require_empty(rows: Rows, heading: Heading) -> None:
    """Check that the columns without a name at the end of the rows have no cells."""
    n_trailing = heading.n_trailing
    trailing = range(rows.width - n_trailing, rows.width)
    if n_trailing == 0 or not rows.flat(trailing).strip():
        return
    for i, number in enumerate(rows.numbers):
        if surplus := [text for text in rows.row(i)[-n_trailing:] if text]:
            msg = (
                f"{plain(str(rows.path))} line {number} has the cell {quoted(surplus[0])} after "
                "the last named column; wanted no more cells than the header: correct that line, "
                "or write the file again"
            )
            raise InputError(msg)


def _matrix(
    path: Path,
    heading: Heading,
    columns: Columns,
    geometry: Geometry,
    kept: _Kept,
    values: StoredValues,
) -> Matrix:
    row_texts = pd.DataFrame(
        dict(zip(_names_of(columns, geometry), kept.texts, strict=True)),
        index=range(len(kept.names)),
        dtype=str,
    )
    describing = [*geometry.describing, *kept.describing]
    titles = distinct_names([row.name for row in describing])
    column_texts = pd.DataFrame(
        {
            title: [row.cells[i] for i in geometry.values]
            for title, row in zip(titles, describing, strict=True)
        },
        index=range(len(geometry.values)),
        dtype=str,
    )
    column_names = [geometry.header[i] for i in geometry.values]
    facts = [*heading.facts, *geometry.facts]
    dropped = [*heading.dropped, *columns.dropped, *kept.dropped]
    if dropped:
        lines = listed([drop.name for drop in dropped])
        facts.append(Fact("dropped lines", lines, dropped[0].reason))
    if geometry.genes_in_rows:
        samples, genes = column_names, _gene_names(kept, row_texts)
        labels, annotation = column_texts, row_texts
        if titles:
            facts.append(Fact("labels", f"{len(titles)} rows: {listed(titles)}", LABELS_REASON))
    else:
        samples, genes = kept.names, _numbered(column_names, geometry.values)
        labels, annotation = row_texts, column_texts
    require_names(samples, "sample", path)
    require_names(genes, "gene", path)
    return Matrix(
        path=path,
        samples=samples,
        genes=genes,
        values=values,
        dropped=dropped,
        facts=facts,
        labels=labels.assign(**{SAMPLE: samples}) if len(labels.columns) else None,
        annotation=annotation,
    )


def _names_of(columns: Columns, geometry: Geometry) -> list[str]:
    """Different names of the columns that describe the rows; none is "sample"."""
    names = [columns.name(i) for i in geometry.texts]
    return distinct_names([SAMPLE, *names])[1:]


def _gene_names(kept: _Kept, annotation: pd.DataFrame) -> list[str]:
    """The gene IDs; in place of a missing one the first text of its annotation, or its line."""
    names = [_whole(name) for name in kept.names]
    missing = [i for i, name in enumerate(names) if is_missing(name)]
    for i in missing:
        texts = [text for text in annotation.iloc[i] if not is_missing(text)]
        names[i] = _whole(texts[0]) if texts else f"line {kept.numbers[i]}"
    return names


def _numbered(names: list[str], columns: list[int]) -> list[str]:
    """The gene IDs of columns; in place of a missing one the number of its column."""
    return [
        f"column {column + 1}" if is_missing(name) else _whole(name)
        for name, column in zip(names, columns, strict=True)
    ]


def _whole(name: str) -> str:
    whole = WHOLE_FLOAT.fullmatch(name)
    return whole[1] if whole else name
