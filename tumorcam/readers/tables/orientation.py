"""Whether the genes or the samples of a matrix are in its rows, and where each of them stands."""

import re
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, GENE_ID, SAMPLE, plain_spelling
from tumorcam.readers.matrix import Fact
from tumorcam.readers.tables import gene_rows, sample_rows
from tumorcam.readers.tables.geometry import Columns, Geometry, IsSample
from tumorcam.readers.tables.heading import ROW_NAMES
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import InputSettings

FRACTION = re.compile(r"[-+]?\d*\.\d+")
CLEAR = 2  # times as large must the better of two shares be
N_ROWS = 60  # in which the IDs of samples are looked for
N_SIDE = 20  # columns on either side that may hold numeric IDs of samples


class _Hits(NamedTuple):
    """How many of some names are samples: of a header row, or of a column."""

    place: int
    n_samples: int
    n_names: int

    @property
    def share(self) -> float:
        """The share of samples among the names."""
        return self.n_samples / max(1, self.n_names)


def decide_geometry(
    columns: Columns, settings: InputSettings, is_sample: IsSample, path: Path
) -> Geometry:
    """Decide what the rows and columns of a matrix are, over its first rows.

    Parameters
    ----------
    columns : Columns
        From `look_at_columns`.
    is_sample : callable
        Whether a name is a sample's.

    Raises
    ------
    InputError
        If it cannot be decided, with the setting that decides it.
    """
    _check_header(columns, path)
    header, column = _header_hits(columns, is_sample), _column_hits(columns, is_sample)
    if header.n_samples == column.n_samples == 0:
        column = _column_hits(columns, is_sample, with_row_numbers=True)
    genes_in_rows = _genes_in_rows(header, column, columns, settings, path)
    if genes_in_rows:
        geometry = gene_rows.find_columns(columns, header.place, settings, is_sample, path)
        text = "genes in rows, samples in columns"
    else:
        id_column = column.place if column.n_samples else _first_text(columns)
        geometry = sample_rows.find_columns(columns, id_column, settings, path)
        text = "samples in rows, genes in columns"
    reason = (
        f"{header.n_samples} of {header.n_names} names in the header are samples, and "
        f"{column.n_samples} of the first {column.n_names} in column {column.place + 1}"
    )
    if settings.orientation != AUTO:
        reason = f'input.orientation = "{settings.orientation}"; ' + reason
    geometry.facts.insert(0, Fact("orientation", text, reason))
    return geometry


def _check_header(columns: Columns, path: Path) -> None:
    """Check that there are several columns, and that a header lacks no name but the first."""
    header = columns.headers[0]
    if len(header) < 2:
        msg = (
            f"{plain(str(path))} has only one column, {quoted(header[0])}; wanted names and "
            "values: check input.delimiter"
        )
        raise InputError(msg)
    is_id = plain_spelling(header[1]) in (*GENE_ID, *SAMPLE)
    if header[0] != ROW_NAMES or not is_id or columns.is_text[1] or columns.are_whole(1):
        return
    msg = (
        f"{plain(str(path))}: the header has one name less than the rows have cells, and its first "
        f"name, {quoted(header[1])}, is none for the numbers in the second column; wanted a name "
        "for each column: correct the header"
    )
    raise InputError(msg)


def _genes_in_rows(
    header: _Hits, column: _Hits, columns: Columns, settings: InputSettings, path: Path
) -> bool:
    if settings.orientation != AUTO:
        return settings.orientation == "genes_in_rows"
    if header.n_samples == column.n_samples == 0:
        names = columns.headers[header.place]
        if sum(FRACTION.fullmatch(name) is not None for name in names) > len(names) / 2:
            msg = (
                f"{plain(str(path))} has no header: its first line has numbers "
                f"({listed(names[1:])}); write a line above it with the IDs of samples or genes"
            )
            raise InputError(msg)
        msg = (
            f"{plain(str(path))}: neither the header ({listed(names[1:])}) nor a column (the "
            f"first is {listed(columns.cells[0])}) has a sample of the samples table or a "
            "barcode; wanted "
            "the IDs of the matrix in any column of the table: add them to it, set input.samples "
            'to the right one, or set input.orientation = "genes_in_rows" or "samples_in_rows"'
        )
        raise InputError(msg)
    if max(header.share, column.share) < CLEAR * min(header.share, column.share):
        name = quoted(columns.name(column.place))
        msg = (
            f"{plain(str(path))}: {header.n_samples} of {header.n_names} names in the header and "
            f"{column.n_samples} of the first {column.n_names} in column {name} are samples; "
            'wanted samples on one side only: set input.orientation = "genes_in_rows" or '
            '"samples_in_rows"'
        )
        raise InputError(msg)
    return header.share > column.share


def _header_hits(columns: Columns, is_sample: IsSample) -> _Hits:
    """The header row with most samples."""
    hits = [
        _Hits(i, sum(map(is_sample, set(names))), max(1, len(set(names)) - 1))
        for i, names in enumerate(columns.headers)
    ]
    return max(hits, key=lambda hit: hit.n_samples)


def _column_hits(columns: Columns, is_sample: IsSample, with_row_numbers: bool = False) -> _Hits:
    """The column with most different samples; one of numbers must hold whole, different ones.

    Numbers of rows are such numbers, too, and a samples table may have them as ages or labels.
    """
    width = len(columns.cells)
    hits = [_Hits(0, 0, len(columns.cells[0][:N_ROWS]))]
    for index, cells in enumerate(columns.cells):
        is_inside = N_SIDE <= index < width - N_SIDE
        if columns.is_number[index] and (is_inside or not columns.are_whole(index)):
            continue
        if columns.counts_rows(index) and not with_row_numbers:
            continue
        names = cells[:N_ROWS]
        hits.append(_Hits(index, sum(map(is_sample, set(names))), len(names)))
    return max(hits, key=lambda hit: hit.n_samples)


def _first_text(columns: Columns) -> int:
    """The first column of different texts, or the first column."""
    distinct = (
        i
        for i, cells in enumerate(columns.cells)
        if columns.is_text[i] and len(set(cells)) == len(cells)
    )
    return next(distinct, 0)
