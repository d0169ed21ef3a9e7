"""Several measures of each sample under two header rows, as Firehose writes them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, plain_spelling
from tumorcam.readers.matrix import Fact
from tumorcam.readers.tables.geometry import Columns
from tumorcam.readers.tables.words import MEASURES
from tumorcam.readers.wording import listed_columns, plain
from tumorcam.settings import InputSettings


class ChosenColumns(NamedTuple):
    """The columns of the chosen measure, and header rows that describe the samples."""

    values: list[int]
    describing: list[list[str]]
    facts: list[Fact]


def choose_columns(
    header: list[str],
    above: Sequence[list[str]],
    values: list[int],
    columns: Columns,
    settings: InputSettings,
    path: Path,
) -> ChosenColumns:
    """Choose one measure for each sample; other header rows describe the samples.

    Parameters
    ----------
    header : list of str
        The header row with the samples.
    above : sequence of list of str
        The other header rows.
    values : list of int
        Columns of samples.

    Raises
    ------
    InputError
        If there are several measures and none of them is chosen or fits `input.scale`.
    """
    describing, facts = [], list[Fact]()
    for row in above:
        cells = [row[i] for i in values]
        if not any(cells):
            continue
        if _are_measures([header[i] for i in values], cells):
            numeric = [row[i] for i in values if not columns.is_text[i]]
            measure = choose_measure(list(dict.fromkeys(numeric)), settings, path)
            values = [i for i in values if row[i] == measure.text]
            facts.append(measure)
        elif len(set(cells)) == 1 and _is_measure(cells[0]):
            facts.append(Fact("measure", cells[0], "it is the only one"))
        else:
            describing.append(row)
    return ChosenColumns(values, describing, facts)


def choose_measure(names: Sequence[str], settings: InputSettings, path: Path) -> Fact:
    """The measure to read of some that a file has: as set, or the one that fits the scale.

    Returns
    -------
    Fact
        Its text is the name of the measure.

    Raises
    ------
    InputError
        If no measure is chosen, or the file lacks it.
    """
    listing = listed_columns(names)
    if settings.measure != AUTO:
        if settings.measure not in names:
            msg = (
                f"{plain(str(path))} has no measure {quoted(settings.measure)} as input.measure "
                f"says; it has {listing}; set input.measure to one of them"
            )
            raise InputError(msg)
        return Fact("measure", settings.measure, "as input.measure says", listing)
    if len(names) == 1:
        return Fact("measure", names[0], "it is the only one with numbers")
    usual = MEASURES.get(settings.scale.removeprefix("log2_"), ())
    fits = [name for name in names if plain_spelling(name) in usual]
    if len(fits) != 1:
        msg = (
            f"{plain(str(path))} has several measures of each sample ({listing}), and "
            f"{'none' if not fits else 'more than one'} is known to fit input.scale = "
            f'"{settings.scale}"; set input.measure to one of them, and input.scale to its scale'
        )
        raise InputError(msg)
    return Fact("measure", fits[0], f'it fits input.scale = "{settings.scale}"', listing)


def _are_measures(samples: list[str], cells: list[str]) -> bool:
    """Whether each sample has several columns, told apart by the other header row."""
    n_columns = set(Counter(samples).values())
    is_repeated = len(n_columns) == 1 and n_columns != {1}
    return is_repeated and len(set(zip(samples, cells, strict=True))) == len(samples)


def _is_measure(name: str) -> bool:
    return any(plain_spelling(name) in names for names in MEASURES.values())
