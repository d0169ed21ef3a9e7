"""What the barcodes of a samples table say: the patient and the sample type of each row."""

import re
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import quoted
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.identifiers import PROGRAMS, Identity, identify
from tumorcam.readers.wording import listed

COPY_SUFFIX = re.compile(r"[-.]\d+$")  # of a name that occurs again: of the same patient
IMPLIED = ("GTEx",)  # programs whose barcodes name no sample type: all samples are normal tissue


class Barcodes(NamedTuple):
    """What barcodes say of each row of a table; the empty text is unknown.

    Attributes
    ----------
    patient : (rows,) str
    sample_type : (rows,) str
        TCGA codes that the barcodes name.
    implied_type : (rows,) str
        TCGA codes that follow from the program alone.
    facts : list of Fact
        Where barcodes contradict each other.
    """

    patient: pd.Series
    sample_type: pd.Series
    implied_type: pd.Series
    facts: list[Fact]


def read_barcodes(table: pd.DataFrame, names: pd.Series) -> Barcodes:
    """The patient and sample type of each row, from the names in the matrix, else from any column.

    Where two columns name different types, as those of a tumor and its matched normal do, the type
    is not known.

    Parameters
    ----------
    table : DataFrame
        Texts.
    names : (rows,) str
        The sample of each row as the matrix spells it, which counts before all columns.
    """
    identities = _identities(names)
    patient, kind, implied = (identities[name].copy() for name in identities)
    is_open, contradictory = kind == "", list[str]()
    for position, name in enumerate(table.columns):
        if not is_open.any() and (patient != "").all():
            break
        cells = table.iloc[:, position].reset_index(drop=True)
        distinct = cells.drop_duplicates()
        if not distinct.str.upper().str.contains(PROGRAMS).any():
            continue
        other = _identities(cells)
        fits = (patient == "") | (patient == other["patient"])
        patient = patient.where(patient != "", other["patient"])
        implied = implied.where((implied != "") | ~fits, other["implied_type"])
        says = is_open & fits & (other["sample_type"] != "")
        differs = says & (kind != "") & (kind != other["sample_type"])
        if differs.any():
            contradictory.append(str(name))
        kind = kind.where(~(says & (kind == "")), other["sample_type"])
        kind, is_open = kind.where(~differs, ""), is_open & ~differs
    facts = []
    if contradictory:
        text = "not taken from barcodes where two of a row differ"
        facts.append(Fact("sample types", text, f"columns {listed(contradictory, spell=quoted)}"))
    return Barcodes(patient, kind, implied, facts)


def _identities(cells: pd.Series) -> pd.DataFrame:
    identities: dict[str, Identity | None] = {
        cell: identify(cell) or identify(COPY_SUFFIX.sub("", cell)) for cell in set(cells)
    }
    rows = []
    for cell in cells:
        identity = identities[cell]
        if identity is None:
            rows.append(("", "", ""))
        elif identity.program in IMPLIED:
            rows.append((identity.patient, "", identity.sample_type))
        else:
            rows.append((identity.patient, identity.sample_type, ""))
    return pd.DataFrame(rows, columns=["patient", "sample_type", "implied_type"], dtype=str)
