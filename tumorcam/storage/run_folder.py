"""Names of the files of a run."""

import re

import numpy as np

from tumorcam.errors import CohortError


def slugs(labels: np.ndarray) -> list[str]:
    """Each label as a word that is safe as a file name on any system.

    Raises
    ------
    CohortError
        If two labels give the same word but for upper and lower case, or one gives none.
    """
    words = [re.sub(r"[^A-Za-z0-9._-]+", "_", label).strip("._-") for label in labels.tolist()]
    taken: dict[str, str] = {}
    for label, word in zip(labels.tolist(), words, strict=True):
        clash = taken.setdefault(word.lower(), label)
        if not word or clash != label:
            msg = (
                f"tumors {clash!r} and {label!r} give the file name {word!r}; wanted letters or "
                "digits that tell them apart; rename a tumor in the samples table"
            )
            raise CohortError(msg)
    return words
