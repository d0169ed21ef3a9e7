"""The words that stand for a missing number, label or name in other people's files."""

from collections.abc import Iterable

import pandas as pd

_WORDS = """
NA|N/A|#N/A|#NA|NaN|-NaN|null|none|<NA>|nil|missing|-|--|---|'-|'--|.|?|
unknown|[unknown]|not reported|not available|not applicable|not evaluated|not determined|
n.a.|n.d.|tbd|not known|no data|unspecified|not specified|undetermined|not stated|unavailable|
[not available]|[not applicable]|[not evaluated]|[not reported]|[discrepancy]|[completed]|
#VALUE!|#REF!|#NAME?|#DIV/0!|#NULL!|#NUM!
"""
MISSING = frozenset(["", *(word.strip().lower() for word in _WORDS.split("|"))])


def is_missing(text: str) -> bool:
    """Whether a text stands for a missing value, in any case and with blanks around it."""
    return text.strip().lower() in MISSING


def blank_missing(cells: pd.Series) -> pd.Series:
    """A column of texts without blanks around them; a missing value is the empty text."""
    stripped = cells.str.strip()
    return stripped.where(~stripped.str.lower().isin(MISSING), "")


def spellings_of_missing() -> list[str]:
    """The usual spellings of the words, for parsers that compare exactly."""
    return sorted({form for word in MISSING for form in _forms(word)})


def _forms(word: str) -> Iterable[str]:
    return (word, word.upper(), word.title(), word.capitalize(), word.replace("nan", "NaN"))
