"""The figures of new samples, drawn from records of random numbers."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_geometry import drawing_problems, svg_problems

from tumorcam.report import call_figures, figures
from tumorcam.report.call_results import Application


def probabilities(rng, tumor, n_tumors):
    logits = rng.normal(size=(len(tumor), n_tumors))
    logits[np.arange(len(tumor)), tumor] += 3
    power = np.exp(logits)
    return (power / power.sum(axis=1, keepdims=True)).astype(np.float32)


def application(n_tumors, n_new, *, letters=4, with_labels=True, distance=None):
    """What the figures read of an application; the first new sample lacks 30 % of 50 genes."""
    rng, n_genes = np.random.default_rng(0), 50
    tumors = np.array([f"{i:02d}".rjust(letters, "x") for i in range(n_tumors)])
    own, new = np.arange(6 * n_tumors) % n_tumors, np.arange(n_new) % n_tumors
    before = probabilities(rng, own, n_tumors)
    share = np.array([0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75])
    label = tumors[new] if with_labels else np.full(n_new, "")
    calibrated = probabilities(rng, new, n_tumors)
    genes = pd.DataFrame({"shift": rng.normal(size=n_genes), "shift_within": 0.1})
    parts = {
        "config": SimpleNamespace(apply=SimpleNamespace(false_alarms=0.01)),
        "cohort": SimpleNamespace(
            tumors=tumors, genes=np.arange(n_genes), sample_type=np.full(n_new, "01")
        ),
        "labelled": SimpleNamespace(tumor=np.where(label == "", -1, new)),
        "trained": SimpleNamespace(tumor=own),
        "new": SimpleNamespace(label=label, n_missing=np.array([15] + [0] * (n_new - 1))),
        "calls": SimpleNamespace(
            call=calibrated.argmax(axis=1),
            calibrated=calibrated,
            distance=rng.gamma(9, 1, n_new) if distance is None else np.full(n_new, distance),
            shift=SimpleNamespace(genes=genes),
        ),
        "reference": SimpleNamespace(
            calibration=SimpleNamespace(before=before, after=before),
            distance=rng.gamma(9, 1, len(own)),
            missing=pd.DataFrame({"share": share, "accuracy": 1 - share / 2}),
        ),
    }
    drawn = Application.__new__(Application)
    for name, part in parts.items():
        object.__setattr__(drawn, name, part)
    return drawn


@pytest.mark.parametrize(
    ("n_tumors", "n_new", "options"),
    [
        (4, 24, {}),
        (2, 1, {"letters": 40}),
        (33, 300, {"letters": 40}),
        (4, 24, {"with_labels": False}),
        (4, 3, {"distance": 0.0}),
        (4, 3, {"distance": 1e6}),
    ],
)
def test_figures_of_new_samples_fit_a_journal(n_tumors, n_new, options):
    names = []
    for drawing in call_figures.call_figures(application(n_tumors, n_new, **options)):
        name, caption, figure, data = drawing
        svg = figures.svg_text(figure, name=name, description=caption)
        assert not svg_problems(svg) + drawing_problems(figure), name
        assert len(data)
        names.append(name)
    expected = ["confusion", "calibration", "unlike", "missing", "shift"]
    assert names == expected[not options.get("with_labels", True) :]


def test_bars_hold_every_sample_and_every_gene():
    part = application(4, 24)
    distance = call_figures.distance_data(part)
    assert distance.groupby("group")["share_of_samples"].sum().round(9).tolist() == [1.0, 1.0]
    for _, bins in distance.groupby("group"):
        edges = bins[["distance_low_sd", "distance_high_sd"]].itertuples(index=False)
        assert all(low[1] == high[0] for low, high in itertools.pairwise(edges))
    shift = call_figures.shift_data(part)
    assert shift.groupby("group")["genes"].sum().tolist() == [50, 50]


def test_the_data_of_calibration_are_its_bins():
    data = call_figures.calibration_data(application(4, 24))
    groups = ["held out, before", "held out, calibrated", "new samples"]
    assert data["group"].unique().tolist() == groups
    assert data.groupby("group")["samples"].sum().tolist() == [24, 24, 24]
    assert (data["mean_probability"] >= data["probability_low"]).all()
    assert data["share_right"].between(0, 1).all()


def test_missing_genes_are_written_in_percent():
    data = call_figures.missing_data(application(4, 24))
    assert data.iloc[-1].tolist() == [75.0, 62.5]
