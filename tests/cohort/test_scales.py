"""Scales of expression values: what is accepted, what is refused, and what becomes log2(x + 1)."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_evidence import evidence

from tumorcam.cohort.scales import COUNT_SCALES, check_scale, likely_scales, to_log2
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Matrix
from tumorcam.settings.inputs import SCALES
from tumorcam.storage.stored_values import StoredValues

MATRIX = Matrix(path=Path("m.tsv"), samples=[], genes=[], values=StoredValues())
REAL = Path(__file__).parents[3] / "shared" / "data" / "tcga_19types_log2rsem.tsv.gz"
LINEAR = ("tpm", "fpkm", "rsem")
ACCEPTED = {  # scales that a matrix of this scale may be taken for, besides as_is
    "counts": ("counts", "expected_counts"),
    "expected": ("counts", "expected_counts"),
    "tpm": LINEAR,
    "rsem": (*LINEAR, "expected_counts"),
    "scaled_estimate": ("scaled_estimate",),
    "log2": ("log2",),
    "log2_counts": ("log2_counts",),
    "log_e": ("log_e",),
    "log2_tpm_001": ("log2_tpm_001",),
    "z_scores": (),
}
# No figure of a subset of genes tells these apart.
UNDECIDED = {"log2": {"log_e", "log2_tpm_001", "log2_counts"}}


def matrix(scale: str, seed: int, n_genes: int, n_samples: int) -> np.ndarray:
    """(genes, samples): negative binomial counts of a made-up transcriptome, on a scale."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(3, 2.2, (n_genes, 1)) * rng.lognormal(0, 0.5, (1, n_samples))
    counts = rng.poisson(mean * rng.gamma(4, 0.25, mean.shape)).astype(float)
    tpm = counts / rng.lognormal(0, 0.5, (n_genes, 1))
    tpm *= 1e6 / tpm.sum(axis=0)
    rsem = counts * rng.lognormal(0, 0.7, n_samples)
    is_unique = rng.random((n_genes, 1)) < 0.7
    log2 = np.log2(rsem + 1).round(4)
    spread = log2.std(axis=1, keepdims=True)
    return {
        "counts": counts,
        "expected": np.where(is_unique, counts, (counts * 0.93).round(2)),
        "tpm": tpm.round(4),
        "rsem": rsem.round(4),
        "scaled_estimate": tpm / 1e6,
        "log2": log2,
        "log2_counts": np.log2(counts + 1).round(4),
        "log_e": np.log1p(counts / counts.sum(axis=0) * 1e4),
        "log2_tpm_001": np.log2(tpm + 0.001).round(4),
        "z_scores": (log2 - log2.mean(axis=1, keepdims=True)) / np.where(spread, spread, 1),
    }[scale]


@given(
    st.sampled_from(sorted(ACCEPTED)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([60, 300, 1200]),
    st.sampled_from([8, 24]),
)
def test_the_right_scale_passes_and_the_others_are_refused(scale, seed, n_genes, n_samples):
    figures = evidence(matrix(scale, seed, n_genes, n_samples), 200)
    assert figures.total_gene == -1
    for name in (*ACCEPTED[scale], "as_is"):
        assert check_scale(figures, name, MATRIX)[0].text == name
    for name in set(SCALES) - {*ACCEPTED[scale], "as_is"} - UNDECIDED.get(scale, set()):
        with pytest.raises(InputError, match=f'input.scale = "{name}"') as caught:
            check_scale(figures, name, MATRIX)
        advice = re.search(r'set input.scale = "(\w+)"', str(caught.value))
        accepted = (*ACCEPTED[scale], "as_is")[:3]
        if scale == "log2" and name in COUNT_SCALES:  # whoever says counts has their logarithms
            accepted = ("log2", "log2_counts")
        assert advice is not None and advice[1] in accepted
        assert len(str(caught.value)) < 1000
    assert [name for name, _ in likely_scales(figures)][-1] == "as_is"


@given(st.sampled_from(sorted(ACCEPTED)), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_few_genes_are_never_refused_on_their_scale(scale, seed, n_genes):
    figures = evidence(matrix(scale, seed, 300, 16)[:n_genes])
    for name in ACCEPTED[scale]:
        if name not in LINEAR or scale == "tpm":
            check_scale(figures, name, MATRIX)


@pytest.mark.parametrize(
    "values, scale, message",
    [
        (np.linspace(0, 39, 400) ** 2 / 39, "log2", "largest value, 39, is no logarithm"),
        (np.linspace(0, 22, 400), "log_e", "range from 0 to 22"),
        (np.linspace(-2, 2, 400), "log2", "50.0% of the values are negative"),
        (np.linspace(-12, 12, 400), "log2_tpm_001", "negative"),
        (np.arange(400) % 9, "log2", "100.0% of the positive values are whole"),
    ],
)
def test_figures_stand_in_the_message(values, scale, message):
    with pytest.raises(InputError, match=message):
        check_scale(evidence(values.reshape(40, 10)), scale, MATRIX)


def test_values_between_0_and_1_may_stay():
    figures = evidence(np.random.default_rng(0).random((40, 16)))
    assert check_scale(figures, "log2", MATRIX)
    for scale in ("counts", "tpm", "scaled_estimate"):
        with pytest.raises(InputError):
            check_scale(figures, scale, MATRIX)


def test_overflown_counts_and_log2_of_0_are_told():
    counts = matrix("counts", 1, 40, 16)
    counts[3, 2] = -(2**31)
    facts = check_scale(evidence(counts), "counts", MATRIX)
    assert facts[1].text == "1 are negative" and "32 bits" in facts[1].reason
    log2 = matrix("log2", 1, 40, 16)
    log2[0, 0] = -np.inf
    assert "log2(0)" in check_scale(evidence(log2), "log2", MATRIX)[1].reason


def test_a_few_negative_values_are_no_contradiction():
    rsem = matrix("rsem", 2, 300, 16)
    rsem[:10, :3] = -12.5
    assert check_scale(evidence(rsem), "rsem", MATRIX)[1].text == "30 are negative"


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL}")
def test_real_values_are_log2():
    table = pd.read_csv(REAL, sep="\t", index_col=0)
    figures = evidence(table.to_numpy(), 500)
    assert [name for name, _ in likely_scales(figures)] == ["log2", "log2_counts", "as_is"]
    linear = evidence(np.exp2(table.to_numpy()) - 1, 500)
    assert next(name for name, _ in likely_scales(linear)) == "rsem"


VALUES = np.array([[0, 1, 7], [3, 0.5, 100]], dtype=np.float32)


@pytest.mark.parametrize("scale", ["log2", "as_is"])
def test_log2_keeps_its_bits(scale):
    np.testing.assert_array_equal(to_log2(VALUES, scale), VALUES)


def test_to_log2_by_hand():
    log2 = np.log2(VALUES.astype(float) + 1).astype(np.float32)
    for scale in LINEAR:
        np.testing.assert_array_equal(to_log2(VALUES, scale), log2)
    np.testing.assert_array_equal(
        to_log2(VALUES, "scaled_estimate"), np.log2(VALUES.astype(float) * 1e6 + 1).astype("f4")
    )
    np.testing.assert_allclose(to_log2(np.log1p(VALUES), "log_e"), log2, atol=1e-6)
    toil = np.log2(VALUES.astype(float) + 0.001).astype(np.float32)
    np.testing.assert_allclose(to_log2(toil, "log2_tpm_001"), log2, atol=1e-6)
    assert to_log2(np.float32([[math.log2(0.001)]]), "log2_tpm_001")[0, 0] >= 0


def test_counts_per_million_bit_by_bit():
    counts = np.random.default_rng(3).poisson(90, (20, 5)).astype(np.float32)
    library = counts.astype(float).sum(axis=0)
    expected = np.log2(counts.T.astype(float) / library[:, np.newaxis] * 1e6 + 1).astype("f4").T
    np.testing.assert_array_equal(to_log2(counts, "counts", library), expected)
    logs = np.log2(counts.astype(float) + 1).round(4).astype(np.float32)
    np.testing.assert_array_equal(to_log2(logs, "log2_counts", library), expected)


def test_values_that_are_no_number_of_the_scale_do_not_warn():
    assert not np.isfinite(to_log2(np.float32([[-1, -5, np.nan]]), "tpm")).any()
