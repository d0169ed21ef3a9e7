"""A samples table of any kind as a tidy one: sample, patient, tumor, sample type and source."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, require_column
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.samples_table.barcodes import Barcodes, read_barcodes
from tumorcam.readers.samples_table.columns import (
    Column,
    are_flags,
    named_column,
    patient_column,
    source_column,
    type_column,
)
from tumorcam.readers.samples_table.identifiers import canonical
from tumorcam.readers.samples_table.joining import join_samples
from tumorcam.readers.samples_table.labels import NONE, optional_labels, read_labels
from tumorcam.readers.samples_table.repeated_rows import merge_rows
from tumorcam.readers.samples_table.sample_types import is_normal, is_tumor, type_code
from tumorcam.readers.tables.names import require_names
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import InputSettings


class Tidy(NamedTuple):
    """The tidy table, what was left out of it, and how it was read.

    `table` has a row for each sample of the matrix that the samples table has, or several where
    that contradicts itself: sample (as the matrix spells it), patient, tumor, sample_type, source
    (str; the empty text where unknown).
    """

    table: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]


class _Cells(NamedTuple):
    """A column of the tidy table, and how it was read."""

    cells: pd.Series
    facts: list[Fact]


def tidy(
    table: pd.DataFrame,
    matrix_samples: Sequence[str],
    settings: InputSettings,
    path: Path,
    *,
    labelled: bool = True,
) -> Tidy:
    """Who the samples of a matrix are.

    A barcode says patient and sample type before any column that is not named in the settings.

    Parameters
    ----------
    table : DataFrame
        All texts: a samples table, or what the matrix itself says of its samples.
    matrix_samples : sequence of str
        Names of the samples in the matrix.
    settings : InputSettings
        Names of the columns, or "auto".
    path : Path
        File of the table, for messages.
    labelled : bool
        Whether the tumor types must be known. If not, a sample that the table lacks gets a row in
        which all is unknown.

    Raises
    ------
    InputError
        If a column that the settings name is missing, no sample of the matrix has a row, a sample
        has rows that contradict each other, or the tumor type cannot be told.
    """
    if settings.tumor_column != AUTO and (labelled or settings.tumor_column != NONE):
        require_column(table, settings.tumor_column, "input.tumor_column", path)
    join = join_samples(matrix_samples, table, settings.sample_column, path)
    position = join.pairs["row"].to_numpy()
    rows = table.iloc[position].reset_index(drop=True)
    barcodes = read_barcodes(rows, join.pairs["sample"])
    named = named_column(rows, "patient_column", settings.patient_column, path)
    auto = patient_column(table)
    auto = auto and auto._replace(cells=auto.cells.iloc[position].reset_index(drop=True))
    patients = _patients(named, auto, barcodes)
    kind = named_column(rows, "sample_type_column", settings.sample_type_column, path)
    auto_kind = type_column(rows)
    types = _types(kind, auto_kind, barcodes, path)
    taken = {c.name for c in (named, auto, kind, auto_kind) if c} | {join.column}
    is_normal_row = types.cells.map(is_normal)
    read = read_labels if labelled else optional_labels
    labels = read(rows, settings.tumor_column, taken, is_normal_row, path)
    source = named_column(rows, "source_column", settings.source_column, path)
    source = source or source_column(rows, [*taken, labels.facts[0].value])
    parts = {
        "sample": join.pairs["sample"],
        "patient": patients.cells,
        "tumor": labels.cells,
        "sample_type": types.cells,
        "source": source.cells if source else "",
    }
    tidied = pd.DataFrame(parts, dtype=str)
    for name, cells in tidied.items():
        require_names(cells.unique(), str(name).replace("_", " "), path)
    merged = merge_rows(tidied, join.pairs["rule"], path)
    has_row = set(tidied["sample"])
    rest = [name for name in dict.fromkeys(matrix_samples) if name not in has_row]
    if rest and not labelled:
        merged = merged._replace(table=_with_rest(merged.table, rest))
    facts = [*join.facts, *labels.facts, *patients.facts, *types.facts]
    facts += [source.fact] if source else []
    facts += merged.facts
    n_without = len(table) - join.pairs["row"].nunique()
    if n_without:
        reason = f"{len(table)} rows, {n_without} of which belong to no sample of the matrix"
        n = merged.table["sample"].nunique()
        facts.append(Fact("samples table", f"{n} samples of the matrix", reason))
    return Tidy(merged.table, [], facts)


def _with_rest(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The tidy table with a row for each further sample; a barcode says patient and type."""
    rows = pd.DataFrame({"sample": names}, dtype=str)
    barcodes = read_barcodes(rows, rows["sample"])
    rows = rows.assign(patient=barcodes.patient, tumor="", sample_type=barcodes.sample_type)
    return pd.concat([table, rows.assign(source="")], ignore_index=True)


def _patients(named: Column | None, auto: Column | None, barcodes: Barcodes) -> _Cells:
    """Patients by the column that the user names, else by barcodes, else by the usual column."""
    barcode = barcodes.patient
    has_barcode = barcode != ""
    n = int(has_barcode.sum())
    column = named or auto
    if column is None and not n:
        reason = "no barcodes, and no column that names them"
        return _Cells(barcode, [Fact("patients", "not known", reason)])
    facts = [Fact("patients", "from barcodes", f"{n} of {len(barcode)} samples have them")]
    if column is None:
        return _Cells(barcode, facts)
    first, then = (column.cells, barcode) if named else (barcode, column.cells)
    uses_column = named is not None or not has_barcode.all()
    facts = [
        fact for fact, holds in ((facts[0], n and not named), (column.fact, uses_column)) if holds
    ]
    both = has_barcode & (column.cells != "")
    pairs = pd.DataFrame({"column": column.cells[both], "barcode": barcode[both]})
    n_columns = pairs.groupby("barcode")["column"].nunique()
    n_barcodes = pairs.groupby("column")["barcode"].nunique()
    n_conflicts = int((n_columns > 1).sum() + (n_barcodes > 1).sum())
    if n_conflicts:
        text = f"{'column ' + quoted(column.name) if named else 'the barcode'} counts"
        reason = f"{n_conflicts} patients of barcodes and column {quoted(column.name)} differ"
        facts.append(Fact("patients", text, reason))
    names = first.where(first != "", then)
    alike = names.groupby(names.map(canonical)).transform("first")
    if (alike != names).any():
        spellings = sorted(set(names[alike != names] + " and " + alike[alike != names]))
        text = f"{listed(spellings)} are one patient"
        facts.append(Fact("patients", text, "they differ in spelling alone"))
    return _Cells(alike, facts)


def _types(named: Column | None, auto: Column | None, barcodes: Barcodes, path: Path) -> _Cells:
    """Codes by the column that the user names, else by barcodes, else by a column of types.

    Raises
    ------
    InputError
        If a barcode says tumor and the column normal, or the other way round, and the user names
        neither.
    """
    barcode, implied = barcodes.sample_type, barcodes.implied_type
    if named is not None:
        _refuse_flags(named, path)
        codes = named.cells.map(type_code)
        rest = barcode.where(barcode != "", implied)
        return _Cells(codes.where(codes != "", rest), [named.fact])
    n = int(((barcode != "") | (implied != "")).sum())
    facts = [Fact("sample types", "from barcodes", f"{n} of {len(barcode)} samples have them")]
    facts = (facts if n else []) + barcodes.facts
    codes = auto.cells.map(type_code) if auto else pd.Series("", barcode.index, dtype=str)
    if auto is None and not n:
        reason = "no barcodes, and no column that names them"
        facts.append(Fact("sample types", "not known", reason))
    if auto is not None:
        _require_agreement(barcode, codes, auto.name, path)
        if (barcode == "").any():
            facts.append(auto.fact)
        differ = (codes != barcode) & (codes != "") & (barcode != "")
        if differ.any():
            reason = (
                f"{int(differ.sum())} barcodes say another type than column {quoted(auto.name)}"
            )
            pairs = sorted(set(codes[differ] + " in the table, " + barcode[differ]))
            facts.append(Fact("sample types", "the barcode counts", reason, listed(pairs)))
    types = barcode.where(barcode != "", codes)
    return _Cells(types.where(types != "", implied), facts)


def _refuse_flags(column: Column, path: Path) -> None:
    """Stop where a column of types has nothing but 0 and 1, which may mean either."""
    if are_flags(column.cells):
        msg = (
            f"{plain(str(path))}: column {quoted(column.name)} has 0 and 1, which are no sample "
            "types (01 is a primary tumor, 11 a normal tissue): write Tumor and Normal in their "
            "place"
        )
        raise InputError(msg)


def _require_agreement(barcode: pd.Series, codes: pd.Series, column: str, path: Path) -> None:
    """Stop where barcodes and a column contradict each other in what is a tumor."""
    differ = barcode.map(is_normal) & codes.map(is_tumor)
    differ |= barcode.map(is_tumor) & codes.map(is_normal)
    if differ.any():
        pairs = sorted(set("barcode " + barcode[differ] + ", column " + codes[differ]))
        msg = (
            f"{plain(str(path))}: column {quoted(column)} and the barcodes do not agree in which "
            f"samples are normal: {int(differ.sum())} of {len(codes)} differ ({listed(pairs)}); "
            f'set input.sample_type_column = "{plain(column)}" if the column is right, else '
            "correct it"
        )
        raise InputError(msg)
