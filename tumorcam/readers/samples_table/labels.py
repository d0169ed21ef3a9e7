"""Which column of a samples table holds the tumor type, and one spelling for each type."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, cells_of
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.label_scores import (
    MAX_CLASSES,
    is_weak,
    label_key,
    may_be_classes,
    score,
)
from tumorcam.readers.samples_table.tumor_names import NAMES, tumor_code
from tumorcam.readers.wording import N_COLUMNS, listed, listed_columns, plain

CLOSE = 0.9  # a second column with as much of the best score is a second reading
N_RIVALS = 3  # other candidates that a fact or message shows
NONE = "none"  # as input.tumor_column: labels are not looked for
PROJECT = "TCGA-"  # before the code of a study in its project ID


class Labels(NamedTuple):
    """The tumor type of each row (str, empty where it is missing), and how it was read."""

    cells: pd.Series
    facts: list[Fact]


class Candidate(NamedTuple):
    """A column that may hold the tumor types."""

    name: str
    cells: pd.Series
    score: float

    @property
    def text(self) -> str:
        """Its name and values, for messages."""
        values = self.cells[self.cells != ""].value_counts()
        return f"{quoted(self.name)} ({len(values)} values: {listed(list(values.index))})"


def read_labels(
    table: pd.DataFrame, column: str, others: Iterable[str], is_normal: pd.Series, path: Path
) -> Labels:
    """The tumor type of each row, one spelling for each type.

    Parameters
    ----------
    table : DataFrame
        Rows of the samples table that belong to samples of the matrix; all texts.
    column : str
        As `input.tumor_column`: a name, or "auto" for the column whose content fits best.
    others : iterable of str
        Columns that hold something else: IDs of samples and patients, and sample types.
    is_normal : (rows,) bool
        Normal samples. Columns are judged by the others, unless all are normal: beside tumors,
        normal tissue often has other words.
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If no column can hold tumor types, if two different ones fit equally well, or if neither
        the name nor the values of the best one speak of tumors and another may as well be meant.
    """
    is_judged = ~is_normal if not is_normal.all() else ~is_normal | True
    rivals = list[Candidate]()
    if column != AUTO:
        cells = cells_of(table, column)
        reason = "input.tumor_column names it"
    else:
        best, *rivals = candidates(table, others, is_judged, path)
        column, cells = best.name, cells_of(table, best.name)
        reason = f"its content: {best.text}"
    labels, facts = one_spelling(cells, is_judged)
    fact = Fact(
        "tumor column",
        quoted(column),
        reason,
        f"other candidates: {_texts(rivals)}" if rivals else "",
        setting="input.tumor_column",
        value=column,
    )
    return Labels(labels, [fact, *facts])


def optional_labels(
    table: pd.DataFrame, column: str, others: Iterable[str], is_normal: pd.Series, path: Path
) -> Labels:
    """As `read_labels`, for samples whose tumor type need not be known.

    Without a column that can hold tumor types, and where `input.tumor_column` is "none", all labels
    are empty. A single type in all rows is a label here, if it is one of TCGA's codes.
    """
    cells = {name: cells_of(table, name) for name in dict.fromkeys(map(str, table.columns))}
    if column not in (AUTO, NONE):
        return read_labels(table, column, others, is_normal, path)
    taken = set(others)
    scored = [
        Candidate(name, values, score(name, values))
        for name, values in cells.items()
        if name not in taken
    ]
    same = [name for name in cells if name not in taken and _is_code(cells[name])]
    if column == AUTO and same:
        return read_labels(table, same[0], others, is_normal, path)
    if column == AUTO and any(candidate.score > 0 for candidate in scored):
        return read_labels(table, column, others, is_normal, path)
    reason = 'input.tumor_column = "none"' if column == NONE else "no column can hold tumor types"
    return Labels(pd.Series("", table.index, dtype=str), [Fact("tumor types", "not known", reason)])


def _is_code(cells: pd.Series) -> bool:
    """Whether all rows name one and the same study of TCGA."""
    values = cells[cells != ""].unique()
    return len(values) == 1 and bool(tumor_code(str(values[0])))


def candidates(
    table: pd.DataFrame, others: Iterable[str], is_judged: pd.Series, path: Path
) -> list[Candidate]:
    """The columns that may hold tumor types, the best one first, without those that say the same.

    Parameters
    ----------
    is_judged : (rows,) bool
        The rows to compare by; the other parameters, and the errors, are those of `read_labels`.
    """
    taken = set(others)
    scored = []
    for name in dict.fromkeys(map(str, table.columns)):
        if name not in taken:
            cells = cells_of(table, name)[is_judged]
            scored.append(Candidate(name, cells, score(name, cells)))
    fitting = sorted((c for c in scored if c.score > 0), key=lambda c: -c.score)
    if not fitting or (_constant(scored) and not any(map(tumor_code, fitting[0].cells))):
        raise InputError(_no_candidate(scored, table.columns, path))
    best = fitting[0]
    rivals = [other for other in fitting[1:] if not _agree(best.cells, other.cells)]
    close = [other for other in rivals if other.score >= CLOSE * best.score]
    if not close and is_weak(best.name, best.cells):
        close = [
            other
            for other in [*rivals, *(c for c in scored if c.score <= 0)]
            if may_be_classes(other.name, other.cells) and not _agree(best.cells, other.cells)
        ]
    if close:
        msg = (
            f"{plain(str(path))} has several columns that may be the tumor type: {best.text}; "
            f"{_texts(close)}; set input.tumor_column to the one to classify by"
        )
        raise InputError(msg)
    return [best, *rivals]


def one_spelling(cells: pd.Series, is_judged: pd.Series) -> Labels:
    """The labels with one spelling for each type; codes where all tumors are studies of TCGA.

    TCGA-BRCA and BRCA, brca and BRCA, 0 and 0.0 are one label; the most frequent spelling stays.

    Parameters
    ----------
    cells : (rows,) str
    is_judged : (rows,) bool
        The rows that must all be of TCGA for full names to become codes: those of tumors.
    """
    counts = cells[cells != ""].value_counts()
    in_tcga = {str(label): tumor_code(str(label)) for label in counts.index}
    all_tcga = all(in_tcga[label] for label in cells[is_judged & (cells != "")].unique())
    spelled: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for label, code in in_tcga.items():  # the most frequent first
        group = groups.setdefault(label_key(label), [])
        group.append(label)
        spelled[label] = spelled[group[0]] if len(group) > 1 else label
        if code and (all_tcga or label.upper().removeprefix(PROJECT) in NAMES):
            spelled.update(dict.fromkeys(group, code))
    several = [" = ".join(group) for group in groups.values() if len(group) > 1]
    alone = [group[0] for group in groups.values() if len(group) == 1]
    renamed = [f"{label} is {spelled[label]}" for label in alone if spelled[label] != label]
    facts = []
    if several:
        facts.append(Fact("labels", "one in several spellings", listed(several, N_COLUMNS)))
    if renamed:
        text = "studies of TCGA become their codes"
        facts.append(Fact("labels", text, listed(renamed, N_COLUMNS)))
    return Labels(cells.map(lambda label: spelled.get(label, "")), facts)


def _agree(first: pd.Series, second: pd.Series) -> bool:
    """Whether two columns divide the rows alike where both have a value, in any words."""
    both = (first != "") & (second != "")
    pairs = pd.DataFrame({"a": first[both].map(label_key), "b": second[both].map(label_key)})
    distinct = pairs.drop_duplicates()
    if set(distinct["a"]) == set(distinct["b"]) and (distinct["a"] != distinct["b"]).any():
        return False
    return bool(distinct["a"].is_unique and distinct["b"].is_unique and both.any())


def _texts(rivals: list[Candidate]) -> str:
    return "; ".join(rival.text for rival in rivals[:N_RIVALS])


def _constant(scored: list[Candidate]) -> list[str]:
    """The columns that name one study of TCGA in all rows: then no other column is the tumor."""
    return [
        f"{quoted(c.name)} is {plain(str(values[0]))} in all rows"
        for c in scored
        if len(values := c.cells[c.cells != ""].unique()) == 1 and tumor_code(str(values[0]))
    ]


def _no_candidate(scored: list[Candidate], columns: Iterable[str], path: Path) -> str:
    constant = _constant(scored)
    return (
        f"{plain(str(path))} has no column that is surely the tumor type: wanted one with 2 to "
        f"{MAX_CLASSES} different values that are codes of TCGA, names of diseases, or words under "
        f"a usual name such as tumor_type; {constant[0] + '; ' if constant else ''}its columns are "
        f"{listed_columns(map(str, columns))}; set input.tumor_column to the one to classify by"
    )
