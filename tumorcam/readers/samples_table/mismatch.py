"""What sets the IDs of a matrix and of a samples table apart, where none of them agree."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from tumorcam.errors import quoted
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.samples_table.identifiers import canonical, identify
from tumorcam.readers.wording import listed, plain

N_COMPARED = 50  # samples and cells of a column that are compared
MAX_SHOWN = 400  # characters of the columns' first cells in a message
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*", re.I)
MIN_LENGTH = 3  # characters of an ID that may be a part of another by more than chance


def no_common_sample(
    samples: Sequence[str],
    cells: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    column: str,
    path: Path,
) -> str:
    """The message that no sample of the matrix has a row, with both spellings and their difference.

    Parameters
    ----------
    samples : sequence of str
        Names in the matrix.
    cells : mapping of str to sequence of str
        The columns of the table.
    counts : mapping of str to int
        The columns that do have samples of the matrix, and how many.
    column : str
        As `input.sample_column`.
    path : Path
        File of the table.
    """
    where = plain(str(path))
    if column != AUTO and counts:
        best = max(counts, key=counts.__getitem__)
        return (
            f"{where}: column {quoted(column)} ({listed(_filled(cells[column]), 2)}), which "
            f"input.sample_column names, has no sample of the expression matrix "
            f"({listed(samples)}); column {quoted(best)} ({listed(_filled(cells[best]), 2)}) has "
            f'{counts[best]} of {len(samples)}: set input.sample_column = "{plain(best)}"'
        )
    texts = list[str]()
    for name, column_cells in cells.items():
        text = f"{quoted(name)} has {listed(_filled(column_cells), 2) or 'nothing'}"
        if sum(map(len, texts)) + len(text) <= MAX_SHOWN:
            texts.append(text)
    return (
        f"{where}: no column has a sample of the expression matrix ({listed(samples)}), also not "
        f"in other spelling; {'; '.join(texts)}{_difference(samples, cells)}; add a "
        "column with the IDs as the matrix has them, or check that both files are of one study"
    )


def _difference(samples: Sequence[str], cells: Mapping[str, Sequence[str]]) -> str:
    """How the IDs of the matrix differ from those of the table, as far as it can be told."""
    names = {identity.patient for sample in samples if (identity := identify(sample))}
    names |= {canonical(sample) for sample in samples}
    n_in_header = sum(not names.isdisjoint(_spellings(name)) for name in cells)
    if n_in_header > len(cells) / 2:
        return (
            f"; {n_in_header} of its {len(cells)} columns are named after samples: it has the "
            "samples in columns; transpose it"
        )
    first = [canonical(sample) for sample in samples[:N_COMPARED]]
    for name, column in cells.items():
        ids = {canonical(cell): cell for cell in islice(filter(None, column), N_COMPARED)}
        for key, sample in zip(first, samples, strict=False):
            for part, cell in ids.items():
                if len(part) >= MIN_LENGTH and part in key:
                    return f"; {plain(sample)} has {plain(cell)} of column {quoted(name)} inside"
                if len(key) >= MIN_LENGTH and key in part:
                    return f"; {plain(cell)} of column {quoted(name)} has {plain(sample)} inside"
    if all(map(UUID.fullmatch, samples)):
        return (
            "; those of the matrix are UUIDs, as the GDC names its files: name its sample sheet, "
            "which says whose they are, in input.samples, too"
        )
    if any(map(identify, samples)):
        barcodes = [name for name, column in cells.items() if any(map(identify, column))]
        if barcodes:
            return f"; both have barcodes ({listed(barcodes, 3, quoted)}), but of other patients"
        return "; those of the matrix are barcodes, those of the table are not"
    return ""


def _spellings(name: str) -> set[str]:
    """A name as `canonical` spells it, and its patient if it is a barcode."""
    identity = identify(name)
    return {canonical(name)} | ({identity.patient} if identity else set())


def _filled(cells: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, cells)))
