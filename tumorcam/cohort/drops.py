"""A fault of the input stops the job, or its samples or genes are dropped, as the config says."""

from collections.abc import Iterable

import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError, TumorcamError
from tumorcam.readers.matrix import Drop
from tumorcam.readers.wording import N_SHOWN, plain

STOP = "error"  # the value of a setting that lets a fault stop the job


def stop_or_drop(
    policy: str,
    drops: list[Drop],
    fault: str,
    remedy: str,
    *,
    error: type[TumorcamError] = InputError,
) -> list[Drop]:
    """The drops, unless the policy is "error".

    Raises
    ------
    TumorcamError
        If there are drops and the policy is "error". The message has the fault, the number of drops
        and the first of them, and the remedy.
    """
    if drops and policy == STOP:
        examples = [f"{plain(drop.name)} ({plain(drop.reason)})" for drop in drops[:N_SHOWN]]
        more = ", ..." if len(drops) > N_SHOWN else ""
        msg = f"{fault}: {len(drops)}, {', '.join(examples)}{more}; {remedy}"
        raise error(msg)
    return drops


def log_drops(drops: Iterable[Drop]) -> None:
    """Log how many genes, samples and rows were dropped, and the first reason of each kind."""
    for kind, of_kind in pd.DataFrame(drops, columns=list(Drop._fields)).groupby("kind"):
        reasons = of_kind["reason"].value_counts()
        logger.info(
            "dropped %d %ss, listed in cohort.h5; most often: %s (%d)",
            *(len(of_kind), kind, plain(reasons.index[0]), reasons.iloc[0]),
        )
