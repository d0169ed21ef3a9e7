"""A samples table of any kind as a tidy one: sample, patient, tumor, sample type and source."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, require_column
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.samples_table import columns
from tumorcam.readers.samples_table.columns import named_column
from tumorcam.readers.samples_table.joining import join_samples
from tumorcam.readers.samples_table.labels import read_labels
from tumorcam.readers.samples_table.sample_types import is_normal, type_code
from tumorcam.readers.tables.names import require_names
from tumorcam.readers.wording import listed
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


def tidy(
    table: pd.DataFrame, matrix_samples: Sequence[str], settings: InputSettings, path: Path
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

    Raises
    ------
    InputError
        If a column that the settings name is missing, no sample of the matrix has a row, or the
        tumor type cannot be told.
    """
    join = join_samples(matrix_samples, table, settings.sample_column, path)
    rows = table.iloc[join.pairs["row"].to_numpy()].reset_index(drop=True)
    sample = join.pairs["sample"].reset_index(drop=True)
    barcode = columns.barcodes(rows, sample)
    patient = named_column(rows, "patient_column", settings.patient_column, path)
    kind = named_column(rows, "sample_type_column", settings.sample_type_column, path)
    auto_patient = columns.patient_column(rows, matrix_samples)
    auto_kind = columns.type_column(rows)
    if settings.tumor_column != AUTO:
        require_column(rows, settings.tumor_column, "input.tumor_column", path)
    taken = {c.name for c in (patient, kind, auto_patient, auto_kind) if c} | {join.column}
    label_column = None if settings.tumor_column == AUTO else settings.tumor_column
    labels = read_labels(rows, label_column, taken, path)
    source = named_column(rows, "source_column", settings.source_column, path)
    source = source or columns.source_column(rows, [*taken, labels.facts[0].value])
    patients, patient_facts = _chosen(patient, auto_patient, barcode["patient"], "patients")
    types, type_facts = _chosen(kind, auto_kind, barcode["sample_type"], "sample types")
    tidied = pd.DataFrame(
        {
            "sample": sample,
            "patient": patients,
            "tumor": labels.cells,
            "sample_type": types.map(type_code),
            "source": source.cells if source else "",
        },
        dtype=str,
    ).drop_duplicates()
    for name, cells in tidied.items():
        require_names(cells.unique(), str(name).replace("_", " "), path)
    n_without = len(table) - join.pairs["row"].nunique()
    facts = [*join.facts, *labels.facts, *patient_facts, *type_facts]
    facts += source.facts if source else []
    if n_without:
        reason = f"{len(table)} rows, {n_without} of which belong to no sample of the matrix"
        facts.append(Fact("samples table", f"{len(tidied)} samples of the matrix", reason))
    return Tidy(tidied.reset_index(drop=True), [], facts)


def _chosen(
    named: "columns.Column | None",
    auto: "columns.Column | None",
    barcode: pd.Series,
    topic: str,
) -> tuple[pd.Series, list[Fact]]:
    """Cells of the column that the user names, else of the barcodes, else of the usual column."""
    if named is not None:
        return named.cells.where(named.cells != "", barcode), named.facts
    n = int((barcode != "").sum())
    if not n:
        if auto is None:
            return barcode, [Fact(topic, "not known", "no barcodes, and no column that names them")]
        return auto.cells, auto.facts
    facts = [Fact(topic, "from barcodes", f"{n} of {len(barcode)} samples have them")]
    if auto is None:
        return barcode, facts
    missing = barcode == ""
    if missing.any():
        facts += auto.facts
    other = auto.cells.map(type_code) if topic == "sample types" else auto.cells
    differ = (other != barcode) & (other != "") & ~missing
    if topic == "sample types" and differ.any():
        pairs = sorted(
            {f"{a} in the table, {b}" for a, b in zip(other[differ], barcode[differ], strict=True)}
        )
        _refuse_other_normals(auto, other[differ], barcode[differ])
        reason = f"{int(differ.sum())} barcodes say another type than column {auto.name!r}"
        facts.append(Fact(topic, "the barcode counts", reason, listed(pairs)))
    return barcode.where(~missing, auto.cells), facts


def _refuse_other_normals(column: "columns.Column", other: pd.Series, barcode: pd.Series) -> None:
    """Stop where a column and barcodes contradict each other on which samples are normal."""
    differ = other.map(is_normal) != barcode.map(is_normal)
    if differ.any():
        first = f"{other[differ].iloc[0]} in the table, {barcode[differ].iloc[0]} in the barcode"
        msg = (
            f"column {quoted(column.name)} and the barcodes contradict each other on which samples "
            f"are normal, for {int(differ.sum())} samples ({first}); set input.sample_type_column "
            f"to {quoted(column.name)} if the column is right, else correct it"
        )
        raise InputError(msg)
