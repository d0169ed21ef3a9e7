"""Several rows of a samples table that belong to one sample of the matrix."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.matching import PATIENT, SPECIMEN
from tumorcam.readers.samples_table.sample_types import is_normal
from tumorcam.readers.wording import listed, plain

DECISIVE = ["patient", "tumor", "sample_type"]  # what rows of one sample must agree in


class Merged(NamedTuple):
    """The table with alike rows made one, and what was merged."""

    table: pd.DataFrame
    facts: list[Fact]


def merge_rows(tidied: pd.DataFrame, rules: pd.Series, path: Path) -> Merged:
    """One row for each sample whose rows do not contradict each other.

    A cell that is empty in one row takes the value of another. Sources that differ make the source
    unknown. Rows with the same ID that contradict each other all stay: the cohort refuses them.

    Parameters
    ----------
    tidied : DataFrame
        sample, patient, tumor, sample_type and source (str).
    rules : (rows,) str
        The rule by which each row was joined.
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If rows that only have a part of the barcode in common with the sample contradict each
        other, or a sample has rows of a tumor and of a normal sample.
    """
    distinct = tidied.drop_duplicates()
    is_repeated = distinct["sample"].duplicated(keep=False)
    if not is_repeated.any():
        return Merged(distinct.reset_index(drop=True), [])
    groups = distinct[is_repeated].replace("", pd.NA).groupby("sample", sort=False)
    n_values = groups.nunique()
    conflicts = n_values[(n_values[DECISIVE] > 1).any(axis=1)].index
    by_part = rules.loc[distinct.index[is_repeated]].isin([SPECIMEN, PATIENT])
    loose = set(distinct.loc[by_part.index[by_part], "sample"])
    mixed = groups["sample_type"].agg(_is_mixed)
    refused = [name for name in conflicts if name in loose or mixed[name]]
    if refused:
        raise InputError(_contradiction(distinct, refused, path))
    first = groups.first().fillna("").astype(str)
    n_sources = int((n_values["source"] > 1).sum())
    first.loc[n_values["source"] > 1, "source"] = ""
    first = first.reset_index()[list(distinct.columns)]
    stays = distinct[~is_repeated | distinct["sample"].isin(conflicts)]
    table = pd.concat([stays, first[~first["sample"].isin(conflicts)]])
    order = {name: i for i, name in enumerate(dict.fromkeys(tidied["sample"]))}
    table = table.sort_values("sample", key=lambda names: names.map(order), kind="stable")
    text = f"{len(n_values) - len(conflicts)} samples have several rows that agree"
    reason = "one row of each counts"
    others = f"{n_sources} of unknown source, since their rows differ" if n_sources else ""
    facts = [Fact("samples table", text, reason, others)] if len(conflicts) < len(n_values) else []
    return Merged(table.reset_index(drop=True), facts)


def _is_mixed(codes: pd.Series) -> bool:
    """Whether there are codes of normal samples beside others."""
    normal = codes.dropna().map(is_normal)
    return bool(normal.any() and not normal.all())


def _contradiction(table: pd.DataFrame, samples: list[str], path: Path) -> str:
    rows = table[table["sample"] == samples[0]]
    texts = [
        f"{name.replace('_', ' ')} {listed(values)}"
        for name in DECISIVE
        if len(values := [v for v in rows[name].unique() if v]) > 1
    ]
    return (
        f"{plain(str(path))}: {len(samples)} samples of the matrix have several rows that differ "
        f"({quoted(samples[0])}: {'; '.join(texts)}), so it cannot be known which of them was "
        "measured: give the matrix the IDs that tell these samples apart, or leave one row for "
        "each in the table"
    )
