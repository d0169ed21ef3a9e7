"""Every figure of small and of wide runs fits a journal: widths, type sizes, room for texts."""

import itertools

import numpy as np
import pytest
from conftest import (
    TinyCohort,
    make_tiny_cohort,
    make_tiny_config,
    write_tiny_files,
    write_toml,
)
from figure_geometry import drawing_problems, svg_problems
from made_up_checks import write_checks
from made_up_run import finish_run

from jobs import prepare
from tumorcam.report import faithfulness_figures, figures, network_figures, ranking_figures
from tumorcam.report.classifier import summarise_classifier
from tumorcam.report.faithfulness import read_checks
from tumorcam.report.results import read_run
from tumorcam.report.summary import summarise_ranking

LONG = "Undifferentiated pleomorphic sarcoma"  # with a number behind it, 40 letters
CASES = ("small", "two tumors", "33 tumors", "33 long names")


def cohort_of(n_tumors: int, *, long: bool = False) -> TinyCohort:
    """Like the tiny cohort: 12 samples and 3 raised genes of each tumor, and 6 other genes."""
    rng, n_samples, n_genes = np.random.default_rng(1), 12 * n_tumors, 3 * n_tumors + 6
    tumor = np.arange(n_samples) % n_tumors
    log2 = rng.normal(6, 1, (n_samples, n_genes)).clip(0)
    log2 += 3 * (np.arange(n_genes) // 3 == tumor[:, np.newaxis])
    names = np.array([f"{LONG} {t:03d}" if long else f"T{t:02d}X" for t in range(n_tumors)])
    patient = [f"TCGA-AA-{i:04d}" for i in range(n_samples)]
    samples = make_tiny_cohort().samples.iloc[np.zeros(n_samples, int)].reset_index(drop=True)
    samples = samples.assign(
        sample=[f"{name}-01A" for name in patient], patient=patient, tumor=names[tumor]
    )
    genes = np.array([f"GENE{i:03d}" for i in range(n_genes)])
    return TinyCohort(log2.round(3).astype(np.float32), genes, samples)


@pytest.fixture(scope="module", params=CASES)
def drawings(request, tmp_path_factory):
    """All figures of a run, by name."""
    cohort = {
        "small": make_tiny_cohort,
        "two tumors": lambda: cohort_of(2),
        "33 tumors": lambda: cohort_of(33),
        "33 long names": lambda: cohort_of(33, long=True),
    }[request.param]()
    folder = tmp_path_factory.mktemp("run")
    config = make_tiny_config(write_tiny_files(cohort, folder), folder / "run")
    assert prepare.main([write_toml(config, folder / "run.toml")]) == 0
    write_checks(finish_run(config))
    run = read_run(config)
    rankings = [summarise_ranking(run, ranking) for ranking in run.results.rankings()]
    first = run.results.ranking(run.first_ranking)
    every = itertools.chain(
        ranking_figures.ranking_figures(run, first, rankings),
        network_figures.network_figures(run, summarise_classifier(run)),
        faithfulness_figures.check_figures(read_checks(run), run),
    )
    return {drawing.name: drawing for drawing in every}


def test_every_figure_fits_a_journal(drawings):
    assert {"genes", "decoys", "confusion", "deletion-tumors", "false-share"} <= set(drawings)
    problems = {}
    for name, drawing in drawings.items():
        svg = figures.svg_text(drawing.figure, name=name, description=drawing.caption)
        problems[name] = svg_problems(svg) + drawing_problems(drawing.figure)
    assert not any(problems.values()), problems
