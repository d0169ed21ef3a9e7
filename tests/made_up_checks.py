"""faithfulness.h5 of random numbers, by its record, for the tests of the report."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain.views import ranking_keys
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS
from tumorcam.faithfulness.ranking_checks import (
    LEVELS,
    Entrapment,
    MarkerLifts,
    Nulls,
    PlantedScores,
    Stability,
)
from tumorcam.faithfulness.results import (
    Deletion,
    FaithfulnessChecks,
    SampleFalls,
    list_digests,
    write_faithfulness,
)
from tumorcam.faithfulness.retraining import Retrained
from tumorcam.settings.config import Config
from tumorcam.significance.tables import read_significance
from tumorcam.storage import chain
from tumorcam.storage.run_folder import RunFolder

SIZES, N_TUMORS, N_NULLS = (1, 2, 5, 10), 4, 5


def write_checks(config: Config, **changed: Any) -> None:
    """Write the file beside a made-up run's tables.

    Parameters
    ----------
    changed : records
        Records in the place of the random parts nulls, deletion, markers, stability and planted,
        and a table in the place of `retrained`. None leaves a part out.
    """
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    keys = ranking_keys(config.explain.methods)
    no_samples = np.zeros(0)
    checks = FaithfulnessChecks(
        tumors=cohort.tumors,
        methods=np.array(config.explain.methods),
        rankings=np.array([key.name for key in keys]),
        changes=CHANGES,
        controls=CONTROLS,
        samples=SampleFalls(*[no_samples] * len(dataclasses.fields(SampleFalls))),
        marker_file="",
        **drawn_parts(list(config.explain.methods), len(keys), len(cohort.tumors)) | changed,
    )
    attributes = {
        "cohort_digest": cohort.digest,
        "significance_digest": read_significance(run.significance, cohort.digest).digest,
        "view": "contrast",
    }
    attributes |= chain.made_with(config, "faithfulness") | list_digests(run, config)
    write_faithfulness(run.faithfulness, attributes, checks)
    assert json.loads(attributes["config"])["faithfulness"]


def drawn_parts(methods: list[str], n_rankings: int, n_tumors: int = N_TUMORS) -> dict[str, Any]:
    """The record of each part, and the table of retraining; every ranking beats every control."""
    rng = np.random.default_rng(2)
    n_levels = len(LEVELS)
    called = rng.integers(50, 99, (n_rankings, n_levels))
    return {
        "nulls": Nulls(
            spearman=rng.uniform(-0.2, 0.4, (n_rankings, N_NULLS, n_tumors)),
            called=np.zeros((n_rankings, N_NULLS), dtype=int),
            learned=np.zeros((n_rankings, N_NULLS), dtype=int),
            rank_difference=rng.normal(size=(n_rankings, N_NULLS)),
            pairs=np.full(n_rankings, 12),
            difference=np.full(n_rankings, 0.25),
            difference_low=np.full(n_rankings, -1.5),
            difference_high=np.full(n_rankings, 2.0),
        ),
        "entrapment": Entrapment(
            level=np.array(LEVELS),
            n_entrapped=np.array(5),
            called=called,
            entrapped=np.ones_like(called),
            false_share=20 / called,
            false_low=10 / called,
            false_high=40 / called,
        ),
        "deletion": drawn_deletion(methods, rng, n_tumors),
        "retrained": drawn_table(methods),
        "stability": Stability(
            np.full((n_rankings, n_tumors), 50),
            *map(np.array, (8, 35)),
            *rng.uniform(0.5, 0.9, (4, n_rankings, n_tumors)),
        ),
        "markers": MarkerLifts(
            np.resize([9, 3, 12, 7], n_tumors),
            np.where(
                np.resize([True, False, True, True], n_tumors),
                rng.uniform(2, 6, (n_rankings, n_tumors)),
                np.nan,
            ),
            np.resize([3.0, np.nan, 4.0, 5.0], n_tumors),
        ),
        "planted": PlantedScores(
            precision=rng.uniform(0.5, 1, n_rankings),
            area=rng.uniform(0.5, 1, n_rankings),
            t_precision=np.array(0.9),
            t_area=np.array(0.8),
            level=np.array(LEVELS),
            called=called,
            own=called - 3,
            other=np.full(called.shape, 2),
            proxy=np.ones(called.shape, dtype=int),
            neither=np.ones(called.shape, dtype=int),
        ),
    }  # fmt: skip


def drawn_deletion(
    methods: list[str], rng: np.random.Generator, n_tumors: int = N_TUMORS
) -> Deletion:
    """Curves that rise with the number of genes, those of the rankings the most."""
    sets = [*methods, *(f"matched/{method}" for method in methods), "t_test", "random"]
    shape = (n_tumors + 1, 3, len(sets), len(SIZES))
    steep = np.where(np.arange(len(sets)) < len(methods), 3, 0.3)[:, np.newaxis]
    curve = steep * np.log(np.array(SIZES) + 1) + rng.normal(0, 0.1, shape)
    distance = rng.uniform(1, 2, (n_tumors + 1, 3, len(methods), len(CONTROLS)))
    values = {
        "sizes": np.array(SIZES), "sets": np.array(sets), "size": np.array(10),
        "curve": curve, "curve_low": curve - 0.2, "curve_high": curve + 0.2,
        "logit_curve": curve, "accuracy": rng.random(shape),
        "intact_margin": rng.uniform(4, 6, n_tumors + 1),
        "intact_accuracy": np.full(n_tumors + 1, 0.9),
    }  # fmt: skip
    for name in ("area", "difference"):
        values |= {name: distance, f"{name}_low": distance - 0.5, f"{name}_high": distance + 0.5}
    return Deletion(**values)


def drawn_table(methods: list[str]) -> pd.DataFrame:
    """An accuracy for each method and kind of genes; the ranking's genes have the highest."""
    kinds = [("ranking", 0, 0.9), ("variable", 0, 0.8), *(("random", i, 0.5) for i in range(5))]
    rows = [(method, *kind) for method in methods for kind in kinds] + [("", "t_test", 0, 0.85)]
    return pd.DataFrame(
        [
            (method, kind, draw, 30, 48, int(48 * a), a + draw / 100, a - 0.05, a + 0.05, a - 0.01)
            for method, kind, draw, a in rows
        ],
        columns=[field.name for field in dataclasses.fields(Retrained)],
    )


def changed_record(record: Any, **values: np.ndarray) -> Any:
    """The record with other arrays."""
    return dataclasses.replace(record, **values)
