"""Names of genes that a spreadsheet turned into dates or numbers, and the way back.

Excel reads MARCH1 as 1 March. It shows 1-Mar or Mar-01, or stores the date with the year in which
the file was opened, as 2021-03-01 or as 44256 days. The number in the name is the day. Only in a
date such as 2003-03-01, which Mar-03 becomes, it may also be the year; then it is not restored.
RIKEN's clones such as 2310009E13 become 2.31E+13 and are lost.

References
----------
Ziemann et al. 2016, doi:10.1186/s13059-016-1044-7; Bruford et al. 2020,
doi:10.1038/s41588-020-0669-3, for the new names.
"""

import datetime
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError
from tumorcam.readers.genes.identifiers import SYMBOL, count_kinds
from tumorcam.readers.matrix import Fact
from tumorcam.readers.wording import listed

MONTHS = {  # in English, German and French
    **{
        name: i
        for i, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
    },
    **{"mär": 3, "mrz": 3, "mars": 3, "sept": 9, "märz": 3, "okt": 10, "dez": 12, "déc": 12},
    **{"march": 3, "october": 10, "december": 12, "september": 9, "mai": 5},
}
MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DAY_MONTH = re.compile(rf"(\d{{1,2}})\.?[-/ ]({MONTH})\.?([-/ ]\d{{2,4}})?", re.IGNORECASE)
MONTH_DAY = re.compile(rf"({MONTH})\.?[-/ ](\d{{1,2}})", re.IGNORECASE)
ISO = re.compile(r"((?:19|20)\d\d)[-/](\d\d?)[-/](\d\d?)( 00:00:00)?", re.ASCII)
WITH_YEAR = re.compile(r"(\d\d?)[-/.](\d\d?)[-/.](?:19|20)\d\d", re.ASCII)
SERIAL = re.compile(r"[34]\d{4}", re.ASCII)
FIRST_DAY = datetime.date(1899, 12, 30)  # of which Excel counts the days
CLONE = re.compile(r"\d(\.\d+)?E\+?\d\d?", re.ASCII)
MIN_SYMBOLS = 0.5  # share of symbols among the other names, for numbers to be dates
RENAMED = {  # by month and number: today's names of HGNC
    **{(3, i): f"MARCHF{i}" for i in range(1, 12)},
    **{(9, i): f"SEPTIN{i}" for i in (*range(1, 13), 14)},
    (9, 15): "SELENOF",
    (12, 1): "DELEC1",
}
AMBIGUOUS = {"MARCHF1": ("MTARC1", "MARC1"), "MARCHF2": ("MTARC2", "MARC2")}  # also 1-Mar, 2-Mar


class Restored(NamedTuple):
    """Names of genes after the setting `input.excel_dates` was followed, and what was done."""

    names: list[str]
    facts: list[Fact]


def restore_dates(names: Sequence[str], action: str, path: Path) -> Restored:
    """The names of the genes, of which those that a spreadsheet changed are settled.

    Parameters
    ----------
    names : sequence of str
    action : str
        As in `input.excel_dates`: error, restore or keep.
    path : Path
        The matrix, for messages.

    Raises
    ------
    InputError
        If there are such names and the action is error, or if it is restore and one of them may
        stand for several genes or for none.
    """
    origins = find_dates(names)
    if not origins:
        return Restored(list(names), [])
    changed = listed([names[i] for i in origins], 6)
    lost = [names[i] for i, origin in origins.items() if not origin]
    if action == "keep":
        fact = Fact("gene names", f"{len(origins)} are left as dates", changed)
        return Restored(list(names), [fact])
    if lost:
        msg = (
            f"{path}: a spreadsheet changed {len(origins)} gene names ({changed}); of "
            f"{len(lost)} it cannot be known which gene they were ({listed(lost, 6)}; 1-Mar is "
            "MARCH1 or MARC1); correct these names in the file, or set input.excel_dates = "
            '"keep" to leave all of them as they are'
        )
        raise InputError(msg)
    if action == "error":
        msg = (
            f"{path}: a spreadsheet changed {len(origins)} gene names to dates or numbers "
            f'({changed}); set input.excel_dates = "restore" to name the genes as HGNC does today'
        )
        raise InputError(msg)
    pairs = listed([f"{names[i]} is {origin}" for i, origin in origins.items()], 6)
    fact = Fact("gene names", f"{len(origins)} dates are genes again", pairs)
    return Restored([origins.get(i, name) for i, name in enumerate(names)], [fact])


def find_dates(names: Sequence[str]) -> dict[int, str]:
    """Positions of names that a spreadsheet changed, each with the gene's name today.

    The name is empty where it cannot be known. Numbers count only among symbols.
    """
    dates = {i: _gene_of(name.strip()) for i, name in enumerate(names) if _is_date(name.strip())}
    if not dates:
        return {}
    others = [name for i, name in enumerate(names) if i not in dates]
    if count_kinds(others).get(SYMBOL, 0) < MIN_SYMBOLS * len(names):
        dates = {i: gene for i, gene in dates.items() if not _is_number(names[i].strip())}
    genes = Counter(dates.values())
    present = set(names)
    return {
        i: gene if genes[gene] == 1 and _is_only_choice(gene, present) else ""
        for i, gene in dates.items()
    }


def _is_only_choice(gene: str, present: set[str]) -> bool:
    """Whether a date stands for this gene alone: the other gene of that date has its own name."""
    return gene not in present and (
        gene not in AMBIGUOUS or any(name in present for name in AMBIGUOUS[gene])
    )


def _is_number(name: str) -> bool:
    return bool(SERIAL.fullmatch(name) or CLONE.fullmatch(name))


def _is_date(name: str) -> bool:
    if SERIAL.fullmatch(name):
        date = _date_of(name)
        return (date.month, date.day) in RENAMED
    patterns = (DAY_MONTH, MONTH_DAY, ISO, WITH_YEAR, CLONE)
    return any(pattern.fullmatch(name) for pattern in patterns)


def _date_of(serial: str) -> datetime.date:
    return FIRST_DAY + datetime.timedelta(days=int(serial))


def _gene_of(name: str) -> str:
    """Today's name of the gene whose name became this date; empty if it cannot be known."""
    if match := DAY_MONTH.fullmatch(name):
        return RENAMED.get((MONTHS[match[2].lower()], int(match[1])), "")
    if match := MONTH_DAY.fullmatch(name):
        return RENAMED.get((MONTHS[match[1].lower()], int(match[2])), "")
    if match := ISO.fullmatch(name):
        return _gene_of_date(int(match[1]), int(match[2]), int(match[3]))
    if SERIAL.fullmatch(name):
        date = _date_of(name)
        return _gene_of_date(date.year, date.month, date.day)
    if match := WITH_YEAR.fullmatch(name):
        first, second = int(match[1]), int(match[2])
        genes = {RENAMED.get((first, second), ""), RENAMED.get((second, first), "")} - {""}
        return genes.pop() if len(genes) == 1 else ""
    return ""


def _gene_of_date(year: int, month: int, day: int) -> str:
    is_year_a_number = day == 1 and 2002 <= year <= 2015
    return "" if is_year_a_number else RENAMED.get((month, day), "")
