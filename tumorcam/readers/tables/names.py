"""The check that names of samples and genes fit in tables."""

import re
from collections.abc import Iterable
from pathlib import Path

from tumorcam.errors import InputError, quoted
from tumorcam.readers.wording import plain

MAX_NAME = 500  # characters of a sample, patient, tumor or gene; each sample's stands in memory
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # no letters: \t, \n, ...


def require_names(names: Iterable[str], kind: str, path: Path) -> None:
    """Check that names fit in tables: no tabs, line breaks or other control characters.

    Parameters
    ----------
    kind : str
        What the names are, such as "sample".

    Raises
    ------
    InputError
        If a name has a control character or more than 500 characters.
    """
    for name in names:
        if len(name) > MAX_NAME or CONTROL.search(name):
            msg = (
                f"{plain(str(path))} has the {kind} {quoted(name)}; wanted a name of at most "
                f"{MAX_NAME} characters without tabs, line breaks and other control characters: "
                "rename it"
            )
            raise InputError(msg)
