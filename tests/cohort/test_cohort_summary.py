"""The lines about a cohort in the log, and the tumors that its sources confound."""

import dataclasses

import numpy as np

from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.summary import cohort_summary, confounded_tumors
from tumorcam.storage.run_folder import RunFolder


def test_summary_of_a_cohort(tiny_run):
    cohort = read_cohort(RunFolder.of(tiny_run).cohort, tiny_run)
    lines = cohort_summary(cohort)
    assert lines[1].split()[:3] == ["ACC", "12", "11"]
    assert sum(map(int, lines[1].split()[3:])) == 12
    assert "48 samples of 4 tumors, 36 genes and 18 decoys on images of 8 x 8" in lines[5]
    assert len(lines) == 6
    source = np.where(cohort.tumor == 1, "west", cohort.source)
    lines = cohort_summary(dataclasses.replace(cohort, source=source))
    assert "all samples of BRCA come from one source each" in lines[-1]


def test_confounded_tumors_have_one_source_where_the_cohort_has_more():
    tumor = np.array([2, 2, 0, 0, 1, 1])
    source = np.array(["east", "east", "east", "west", "west", "west"])
    assert confounded_tumors(tumor, source).tolist() == [1, 2]
    names = np.array(["BRCA", "COAD", "LUAD"])
    assert confounded_tumors(names[tumor], source).tolist() == ["COAD", "LUAD"]
    assert confounded_tumors(tumor, np.full(6, "")).size == 0


def test_confounded_tumors_agree_with_sets_of_sources():
    rng = np.random.default_rng(0)
    for _ in range(50):
        tumor = rng.integers(0, 4, 12).astype(str)
        source = rng.choice(["east", "west"], 12)
        expected = [t for t in sorted(set(tumor)) if len(set(source[tumor == t])) == 1]
        expected = expected if len(set(source)) > 1 else []
        assert confounded_tumors(tumor, source).tolist() == expected
