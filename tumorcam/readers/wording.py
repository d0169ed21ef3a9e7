"""Texts of the user's files in messages: short, printable, and few at a time."""

from collections.abc import Callable, Iterable, Sequence

from tumorcam.errors import quoted

MAX_CHARACTERS = 200  # of a name or reason in a message
MAX_LISTED = 600  # characters of several names in a message
N_SHOWN = 3  # names in a message
N_COLUMNS = 20  # names of columns, of which one is to be chosen


def plain(text: str) -> str:
    """The text as it stands if it is short and printable, else `quoted`."""
    return text if len(text) <= MAX_CHARACTERS and text.isprintable() else quoted(text)


def listed(
    names: Sequence[str], n_shown: int = N_SHOWN, spell: Callable[[str], str] = plain
) -> str:
    """The first names, separated by commas, and how many more there are.

    `n_shown` names are listed at most, each written by `spell`.
    """
    texts: list[str] = []
    for name in names[:n_shown]:
        texts.append(spell(name))
        if sum(map(len, texts)) > MAX_LISTED:
            break
    n_more = len(names) - len(texts)
    return ", ".join(texts) + (f" and {n_more} more" if n_more else "")


def listed_columns(columns: Iterable[str]) -> str:
    """The names of a table's columns between quotes, as many as a message takes."""
    return listed(list(columns), N_COLUMNS, quoted)
