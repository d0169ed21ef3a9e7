"""Expression matrices as text, genes x samples or samples x genes: UCSC Xena, cBioPortal, R."""

from collections.abc import Iterator, Set
from pathlib import Path

import numpy as np

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError, quoted
from tumorcam.readers import blocks, column_names
from tumorcam.readers.blocks import Block
from tumorcam.readers.column_names import AUTO, plain_spelling
from tumorcam.readers.matrix import Drop
from tumorcam.readers.samples import TCGA_BARCODE
from tumorcam.readers.text import MISSING, read_lines, require_names, separator, split_cells
from tumorcam.readers.wording import listed, listed_columns, plain

SEPARATOR_IN_CELL = "\0"  # stands for a separator inside quotes; no text file has it


class TableExpression:
    """An expression matrix in a text file, with the samples in its columns or in its rows.

    The samples are on the axis that has the sample IDs. If they are in the columns, the columns
    before the first sample are annotation of the genes. If line 2 has no number at all, as in
    exports of cBioPortal, it is dropped and listed. The header may lack its first cell, as R's
    `write.table` writes it.

    Parameters
    ----------
    path : Path
        TSV or CSV, plain or gzip.
    sample_ids : set of str
        IDs of the samples table.
    gene_column : str
        Name of the annotation column with the gene IDs. On "auto" it is the first one.

    Raises
    ------
    InputError
        If the file cannot be read, if no sample ID is in the header or in the first column, or if
        the gene column does not exist.
    """

    def __init__(self, path: Path, sample_ids: Set[str], gene_column: str = AUTO) -> None:
        self.path = path
        self.dropped: list[Drop] = []
        header = self._read_header(sample_ids)
        n_header_hits = sum(name in sample_ids for name in header)
        self._n_lead = _first_sample(header, sample_ids) if n_header_hits else 1
        lead = self._read_lead()
        n_row_hits = sum(cells[0].strip() in sample_ids for _, cells in lead)
        if n_header_hits == n_row_hits == 0:
            raise InputError(self._no_samples(header, lead, sample_ids))
        self._genes_in_rows = n_header_hits >= n_row_hits
        if self._genes_in_rows:
            self.samples = header[self._n_lead :]
            self.genes = self._gene_names(header, lead, gene_column)
            self._require_names()
            return
        if gene_column != AUTO:
            msg = (
                f"{path} has its genes in columns, but input.gene_column is "
                f'{quoted(gene_column)}; set input.gene_column = "auto"'
            )
            raise InputError(msg)
        self._n_lead = 1
        self.samples = [cells[0].strip() for _, cells in lead]
        columns = (f"column {i + 2}" for i in range(len(header) - 1))
        self.genes = blocks.gene_names(header[1:], columns)
        self._require_names()

    def blocks(self) -> Iterator[Block]:
        """The values of the file in blocks of whole rows.

        Raises
        ------
        InputError
            If a row has too few or too many cells, or a cell is no number.
        """
        columns = self.samples if self._genes_in_rows else self.genes
        step = max(1, blocks.BLOCK_VALUES // len(columns))
        rows: list[tuple[int, str]] = []
        n_read = 0
        for number, _, values in self._rows():
            rows.append((number, values))
            if len(rows) == step:
                yield self._block(n_read, rows, columns)
                n_read += len(rows)
                rows = []
        if rows:
            yield self._block(n_read, rows, columns)

    def _read_header(self, sample_ids: Set[str]) -> list[str]:
        """The cells of line 1; sets the separator and how many lines come before the values."""
        lines = read_lines(self.path)
        number, first = next(lines)
        self._separator = separator(first, self.path)
        second = next(lines, None)
        if second is None:
            msg = f"{self.path} has a header but no rows; download or write it again"
            raise InputError(msg)
        cells = self._cells(*second)
        header = [name.strip() for name in self._cells(number, first)]
        if _lacks_corner(header, cells, sample_ids):
            logger.info("%s: line 1 lacks the cell above the first column", self.path.name)
            header = ["", *header]
        self._n_skipped = 1
        values = [cell.strip() for cell in cells[1:]]
        if values and not any(_is_number(cell) for cell in values):
            self._n_skipped = 2
            reason = f"a second header row without numbers ({listed(values)})"
            self.dropped.append(Drop("row", f"line {second[0]}", reason))
        return header

    def _rows(self) -> Iterator[tuple[int, list[str], str]]:
        """The line number, the leading cells and the text of the values of each row."""
        lines = read_lines(self.path)
        for _ in range(self._n_skipped):
            next(lines)
        for number, line in lines:
            if '"' in line:
                cells = self._cells(number, line)
                last = [
                    c.replace(self._separator, SEPARATOR_IN_CELL) for c in cells[self._n_lead :]
                ]
                cells = cells[: self._n_lead] + [self._separator.join(last)] * bool(last)
            else:
                cells = line.split(self._separator, self._n_lead)
            yield number, cells[:-1], cells[-1]

    def _cells(self, number: int, line: str) -> list[str]:
        return split_cells(line, self._separator, f"{self.path} line {number}")

    def _require_names(self) -> None:
        require_names(self.samples, "sample", self.path)
        require_names(self.genes, "gene", self.path)

    def _read_lead(self) -> list[tuple[int, list[str]]]:
        """The line number and the leading cells of each row."""
        lead = []
        for number, cells, values in self._rows():
            if len(cells) < self._n_lead:
                msg = (
                    f"{self.path} line {number} ends after {quoted(values)}; wanted values after "
                    "it; the file may be cut off: download or write it again"
                )
                raise InputError(msg)
            lead.append((number, cells))
        return lead

    def _gene_names(
        self, header: list[str], lead: list[tuple[int, list[str]]], gene_column: str
    ) -> list[str]:
        """The gene IDs of the rows, from the chosen annotation column."""
        annotation = header[: self._n_lead]
        if gene_column != AUTO and gene_column not in annotation:
            msg = (
                f"{self.path} has no gene column {quoted(gene_column)}; before the first sample "
                f"{plain(self.samples[0])} there are: {listed_columns(annotation)}; set "
                "input.gene_column to one of them"
            )
            raise InputError(msg)
        column = 0 if gene_column == AUTO else annotation.index(gene_column)
        if len(annotation) > 1:
            columns = listed_columns(annotation)
            logger.info("%s: annotation columns: %s", self.path.name, columns)
        fallbacks = [
            next((cell.strip() for cell in cells if cell.strip() not in MISSING), f"line {number}")
            for number, cells in lead
        ]
        return blocks.gene_names((cells[column] for _, cells in lead), fallbacks)

    def _no_samples(
        self, header: list[str], lead: list[tuple[int, list[str]]], sample_ids: Set[str]
    ) -> str:
        """The message for a file in which no ID of the samples table is found."""
        first_column = [cells[0] for _, cells in lead]
        return (
            f"{self.path}: neither the header ({listed(header[1:])}) nor the first column "
            f"({listed(first_column)}) has a sample of the samples table "
            f"({listed(sorted(sample_ids))}); IDs must be spelled alike; input.sample_column can "
            "name the column with them"
        )

    def _block(self, start: int, rows: list[tuple[int, str]], columns: list[str]) -> Block:
        """The block of some rows; `start` is the index of the first."""
        texts = [text for _, text in rows]
        try:
            if not all(texts):  # numpy skips an empty row
                raise ValueError
            values = np.loadtxt(texts, delimiter=self._separator, comments=None, ndmin=2)
        except ValueError:
            values = np.empty((0, 0))
        if values.shape != (len(rows), len(columns)):
            values = np.array([self._read_row(number, text, columns) for number, text in rows])
        row_slice, column_slice = slice(start, start + len(rows)), slice(0, len(columns))
        if self._genes_in_rows:
            return Block(column_slice, row_slice, values.T)
        return Block(row_slice, column_slice, values)

    def _read_row(self, number: int, text: str, columns: list[str]) -> list[float]:
        """The values of one row, cell by cell; a missing value becomes NaN.

        Raises
        ------
        InputError
            If the row has too few or too many cells, or a cell is no number.
        """
        cells = text.split(self._separator)
        if len(cells) != len(columns):
            is_short = len(cells) < len(columns)
            msg = (
                f"{self.path} line {number} has {len(cells)} values; wanted {len(columns)} as in "
                f"the header; the file {'may be cut off' if is_short else 'is damaged'}: download "
                "or write it again"
            )
            raise InputError(msg)
        values = []
        for name, cell in zip(columns, map(str.strip, cells), strict=True):
            if cell not in MISSING and not _is_number(cell):
                msg = (
                    f"{self.path} line {number}, column {quoted(name)}: "
                    f"{quoted(cell.replace(SEPARATOR_IN_CELL, self._separator))} is no number; "
                    "correct it or leave that row or column out"
                )
                raise InputError(msg)
            values.append(float("nan") if cell in MISSING else float(cell))
        return values


def _is_sample(name: str, sample_ids: Set[str]) -> bool:
    """Whether a name is a sample's: an ID of the samples table, or a TCGA barcode without label."""
    return name in sample_ids or TCGA_BARCODE.match(name) is not None


def _lacks_corner(header: list[str], cells: list[str], sample_ids: Set[str]) -> bool:
    """Whether the header lacks its first cell, as R's `write.table` writes it.

    Such a header has one cell less than the rows, and its first cell is the name of a sample or of
    a gene: it is not a usual name of the column with the sample IDs.

    Parameters
    ----------
    header, cells : list of str
        Cells of line 1 and of line 2.
    """
    if len(cells) != len(header) + 1:
        return False
    if not sample_ids.isdisjoint(header):  # genes x samples
        return _is_sample(header[0], sample_ids)
    is_ragged = not cells[-1].strip()  # a separator ends the row; R writes a missing value as NA
    return not is_ragged and plain_spelling(header[0]) not in ("", *column_names.SAMPLE)


def _first_sample(header: list[str], sample_ids: Set[str]) -> int:
    """Index of the first column that is a sample's; column 0 never is."""
    return max(1, next(i for i, name in enumerate(header) if _is_sample(name, sample_ids)))


def _is_number(cell: str) -> bool:
    """Whether a cell is a number or a missing value."""
    try:
        float(cell)
    except ValueError:
        return cell in MISSING
    return cell.isascii() and "_" not in cell  # Python reads 1_000 and １ as numbers
