"""Which column of a samples table holds the tumor type: candidates are scored by their content."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import TUMOR, plain_spelling
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.samples_table.identifiers import identify
from tumorcam.readers.samples_table.sample_types import is_type_word
from tumorcam.readers.samples_table.tumor_names import tumor_code
from tumorcam.readers.wording import listed, listed_columns, plain

MAX_CLASSES = 200  # distinct values of a column of tumor types
CODES, DISEASES, WORDS = 10.0, 6.0, 1.0  # points for cells that are codes, diseases, other words
NAME_POINTS = 4.0  # for the best usual name; less for the later ones
HINT_POINTS = 1.5  # for a name that speaks of tumors
CLOSE = 0.9  # a second column with as much of the best score is a second reading
DISEASE = re.compile(
    r"carcinoma|adenoma|sarcoma|lymphoma|leuk(?:a?e)mia|myeloma|melanoma|glioma|blastoma|"
    r"mesothelioma|thymoma|cancer|neoplasm|tumou?r|seminoma|paraganglioma|cholangio",
    re.IGNORECASE,
)
GENERIC = re.compile(  # groups of diseases that the GDC's disease_type has
    r"^(?:\w+, )*(?:\w+ and )*(?:adenomas and adenocarcinomas|ductal and lobular neoplasms|"
    r"cystic.*|epithelial neoplasms.*|squamous cell neoplasms|gliomas|nevi and melanomas|"
    r"complex mixed and stromal neoplasms|myeloid leukemias|other)$",
    re.IGNORECASE,
)
NO_TUMORS = re.compile(  # names of columns that hold something else
    r"gender|sex\b|race|ethnic|vital|status|stage|grade|^(?:ajcc|pathologic)|_[tnm]$|age|split|"
    r"fold|train|batch|plate|center|centre|source|library|platform|date|year|days|time|country|"
    r"treatment|response|drug|therapy|outcome|event|smok|margin|lateral|site_code|uuid|file|md5|"
    r"vial|portion|aliquot|program|method|morphology|icd|os\b|dfi|dss|pfi|barcode|patient",
    re.IGNORECASE,
)
HINTS = re.compile(
    r"tumou?r|cancer|disease|histolog|diagnos|oncotree|lineage|project|type|class|smts|label|"
    r"subtype|tissue|site",
    re.IGNORECASE,
)
FLAGS = frozenset(
    "yes no true false y n t f 0 1 male female m alive dead living deceased train test "
    "validation val training tumor normal primary metastatic present absent positive negative "
    "with without tumor free".split()
)
STAGE = re.compile(
    r"(?:stage|grade|t|n|m|g)?\s*[-_]?(?:0|i{1,3}v?|iv|[0-4x])[a-c]?[0-9]?", re.IGNORECASE
)


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
    table: pd.DataFrame, column: str | None, others: Iterable[str], path: Path
) -> Labels:
    """The tumor type of each row, one spelling for each type.

    Parameters
    ----------
    table : DataFrame
        Rows of the samples table that belong to samples of the matrix; all texts.
    column : str or None
        The column that the user names, else None.
    others : iterable of str
        Columns that hold something else: IDs of samples and patients, and sample types.
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If no column can hold tumor types, or two different ones fit equally well.
    """
    if column is not None:
        cells = blank_missing(table.loc[:, table.columns == column].iloc[:, 0])
        reason, rivals = "input.tumor_column names it", list[Candidate]()
    else:
        best, *rivals = candidates(table, others, path)
        column, cells = best.name, best.cells
        reason = f"its content: {best.text}"
    labels, facts = one_spelling(cells)
    fact = Fact(
        "tumor column",
        quoted(column),
        reason,
        f"other candidates: {'; '.join(rival.text for rival in rivals[:3])}" if rivals else "",
        setting="input.tumor_column",
        value=column,
    )
    return Labels(labels, [fact, *facts])


def candidates(table: pd.DataFrame, others: Iterable[str], path: Path) -> list[Candidate]:
    """The columns that may hold tumor types, the best one first; errors as in `read_labels`."""
    taken = set(others)
    scored = []
    for position, name in enumerate(table.columns):
        if name in taken or name in table.columns[:position]:
            continue
        cells = blank_missing(table.iloc[:, position])
        score = _score(str(name), cells)
        if score > 0:
            scored.append(Candidate(str(name), cells, score))
    scored.sort(key=lambda candidate: -candidate.score)
    if not scored:
        msg = (
            f"{plain(str(path))} has no column that can be the tumor type: wanted one with 2 to "
            f"{MAX_CLASSES} different values that is no flag, stage, date or ID; its columns are "
            f"{listed_columns(map(str, table.columns))}; set input.tumor_column to one of them, or "
            "add one"
        )
        raise InputError(msg)
    best = scored[0]
    partition = _partition(best.cells)
    rivals = [other for other in scored[1:] if not _partition(other.cells).equals(partition)]
    if rivals and rivals[0].score >= CLOSE * best.score:
        msg = (
            f"{plain(str(path))} has several columns that may be the tumor type: {best.text}, "
            f"{'; '.join(rival.text for rival in rivals[:3])}; set input.tumor_column to the one "
            "to classify by"
        )
        raise InputError(msg)
    return [best, *rivals]


def one_spelling(cells: pd.Series) -> Labels:
    """The labels with one spelling for each type; codes where all are codes or names of TCGA.

    TCGA-BRCA and BRCA, brca and BRCA, 0 and 0.0 are one label; the most frequent spelling stays.
    """
    counts = cells[cells != ""].value_counts()
    codes = {label: tumor_code(label) for label in counts.index}
    spelled: dict[str, str] = {}
    merged: dict[str, list[str]] = {}
    all_tcga = all(codes.values())
    for label in counts.index:  # the most frequent first
        key = codes[label] or _label_key(label)
        group = merged.setdefault(key, [])
        group.append(label)
        spelled[label] = codes[label] if codes[label] and (all_tcga or _is_code(label)) else ""
        spelled[label] = spelled[label] or (spelled[group[0]] if len(group) > 1 else label)
    facts = []
    several = [f"{' = '.join(group)}" for group in merged.values() if len(group) > 1]
    if several:
        facts.append(Fact("labels", "one in several spellings", listed(several)))
    renamed = [f"{old} is {new}" for old, new in spelled.items() if old != new]
    if renamed and not several:
        facts.append(Fact("labels", "studies of TCGA become their codes", listed(renamed)))
    return Labels(cells.map(lambda label: spelled.get(label, "")), facts)


def _is_code(label: str) -> bool:
    return len(label) <= len("TCGA-LAML")


def _label_key(label: str) -> str:
    whole = re.fullmatch(r"(-?\d+)\.0+", label)
    return whole[1] if whole else " ".join(re.sub(r"[\s_]+", " ", label).split()).lower()


def _partition(cells: pd.Series) -> pd.Series:
    """Which cells are equal, whatever they are called; the missing ones are a class."""
    return pd.Series(pd.factorize(one_spelling(cells).cells)[0])


def _score(name: str, cells: pd.Series) -> float:
    """How well a column fits as the tumor type; 0 or less if it cannot be."""
    filled = cells[cells != ""]
    if filled.empty:
        return 0
    counts = filled.value_counts()
    labels = list(counts.index)
    spelling = plain_spelling(name)
    is_usual = spelling in TUMOR
    named = {tumor_code(label) for label in labels} - {""}
    content = _content_points(labels, is_usual)
    if content <= 0 or (NO_TUMORS.search(name) and not named and not is_usual):
        return 0
    n_classes = len({tumor_code(label) or _label_key(label) for label in labels})
    is_sparse = n_classes > max(2, len(filled) / 2)
    if not 2 <= n_classes <= MAX_CLASSES or (is_sparse and not named):
        return 0
    points = content + (HINT_POINTS if HINTS.search(name) else 0)
    if is_usual:
        points += NAME_POINTS * (1 - TUMOR.index(spelling) / len(TUMOR))
    return points * len(filled) / len(cells)


def _content_points(labels: list[str], is_usual: bool) -> float:
    """Points for what the distinct values of a column are; 0 or less if they are no tumors."""
    n = len(labels)
    if sum(tumor_code(label) != "" for label in labels) * 2 >= n:
        return CODES
    lowered = [label.lower() for label in labels]
    if all(word in FLAGS for word in lowered):
        return 0.5 if is_usual and set(lowered) <= {"0", "1"} else 0
    if all(is_type_word(label) for label in labels) or any(map(identify, labels)):
        return 0
    if all(map(_is_number, labels)):
        is_class = is_usual and n <= MAX_CLASSES and all(float(x).is_integer() for x in labels)
        return 0.5 if is_class else 0
    if not is_usual and all(STAGE.fullmatch(label) for label in labels):
        return 0
    if sum(bool(GENERIC.match(label)) for label in labels) * 2 >= n:
        return WORDS
    share = sum(bool(DISEASE.search(label)) for label in labels) / n
    return WORDS + (DISEASES - WORDS) * share


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
