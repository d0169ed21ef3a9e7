"""A user's gene sets from a GMT file, bad lines left out and reported."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tumorcam.errors import InputError
from tumorcam.readers.files import file_digest
from tumorcam.readers.tables.frames import read_text
from tumorcam.readers.wording import listed, plain

SETTING = "the file of gene sets"
WEIGHT = re.compile(r",-?\d+(\.\d+)?$", re.ASCII)  # after a gene in libraries of Enrichr
N_LINES = 5  # numbers of lines in a note


@dataclass(frozen=True)
class GeneSetFile:
    """The sets of a GMT file.

    Attributes
    ----------
    path : Path
        The file.
    digest : str
        SHA-256 of its bytes.
    sets : dict
        The genes of each set by its name, in the order of the file; each gene once.
    notes : list of str
        What was left out or changed, as sentences.
    """

    path: Path
    digest: str
    sets: dict[str, tuple[str, ...]]
    notes: list[str]


def read_gene_sets(path: Path) -> GeneSetFile:
    """Read a GMT file: on each line a name, a description and genes, separated by tabs.

    Empty lines are skipped. A line without a name or without a gene is left out. A gene counts once
    in its set. Of two sets with one name, the second is called "NAME (2)" if its genes differ, and
    is left out if they do not. Lines may end as on Windows or on an old Mac. A weight after a gene,
    as in "TP53,1.0", is cut off.

    Raises
    ------
    InputError
        If the file cannot be read, is no UTF-8 text, or has no set.
    """
    text = read_text(path, SETTING).removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    sets: dict[str, tuple[str, ...]] = {}
    nameless, empty, renamed, repeated, n_double = [], [], [], [], 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        genes = [gene for cell in cells[2:] if (gene := WEIGHT.sub("", cell).strip())]
        if not cells[0]:
            nameless.append(number)
        elif not genes:
            empty.append(number)
        else:
            members = tuple(dict.fromkeys(genes))
            n_double += len(genes) - len(members)
            name = _free_name(cells[0], members, sets)
            renamed += [number] if name not in ("", cells[0]) else []
            repeated += [number] if not name else []
            if name:
                sets[name] = members
    if not sets:
        msg = (
            f"{plain(str(path))} has no gene set; wanted lines of set name, description and genes, "
            "separated by tabs, as in a .gmt file; download or export it again"
        )
        raise InputError(msg)
    notes = [
        *_line_note("Lines without the name of a set are left out", nameless),
        *_line_note("Lines without a gene in the third cell or later are left out", empty),
        *_line_note("Lines that repeat a set with the same genes are left out", repeated),
        *_line_note("Sets that repeat a name with other genes get a number; their lines", renamed),
        *([f"Genes that stand twice in their set count once: {n_double:,}."] if n_double else ()),
    ]
    return GeneSetFile(path, file_digest(path, SETTING), sets, notes)


def _free_name(name: str, members: tuple[str, ...], sets: dict[str, tuple[str, ...]]) -> str:
    """The name, with a number where another set has it; empty if a set with the name is equal."""
    number, free = 1, name
    while free in sets:
        if set(sets[free]) == set(members):
            return ""
        number += 1
        free = f"{name} ({number})"
    return free


def _line_note(text: str, numbers: list[int]) -> Iterable[str]:
    """A sentence on some lines; none without any."""
    if numbers:
        yield f"{text}: {listed([str(number) for number in numbers], N_LINES)}."
