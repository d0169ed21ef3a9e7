"""What the checks of the rankings share: their form, and words for numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tumorcam.report.summary import Verdict

MOST, HALF = 0.8, 0.5  # shares of the tumors: from MOST on a verdict is good, from HALF on mixed

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Check:
    """A verdict and the rows of its table.

    `columns` names the columns that vary by run. `doubts` says of a ranking, by its title, what
    speaks against that it follows what the networks learned.
    """

    verdict: Verdict
    rows: Rows
    columns: tuple[str, ...] = ()
    doubts: Mapping[str, str] = field(default_factory=dict)


def level_of(share: float) -> str:
    """The level of a verdict by the share of the tumors that bear it out."""
    return "network" if share >= MOST else "mixed" if share >= HALF else "input"


def runs(n: int) -> str:
    """A number of runs in words."""
    return "1 run" if n == 1 else f"{n} runs"


def top(k: int) -> str:
    """The first k genes in words."""
    return "top gene" if k == 1 else f"top {k} genes"


def signed(value: float) -> str:
    """A difference with two decimals and a true minus sign."""
    return f"{value:+.2f}".replace("-", "−").removeprefix("+")


def percent(value: float) -> str:
    """A share as per cent."""
    return f"{100 * value:.1f} %"


def median(values: np.ndarray) -> float:
    """The median of all values but NaN; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if defined.size else math.nan
