"""Effective library sizes, against edgeR's and DESeq2's method in other packages."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort.normalisation import library_sizes
from tumorcam.errors import InputError

PATH = Path("m.tsv")
# of `made_up_counts`: TMM of rnanorm 2.2.0, and deseq2_norm of pydeseq2 0.5.4
TMM = [
    *(1.160853847040705, 0.8322209407852539, 1.0096069036770488),
    *(1.0046650218265267, 1.0537640798198695, 0.9684268706603161),
]
MEDIAN_OF_RATIOS = [
    *(0.7865020401037944, 0.3878164890606352, 1.7024992220541164),
    *(1.129332216504682, 0.6836569283763413, 2.973860700386827),
]


def made_up_counts() -> np.ndarray:
    """(300 genes, 6 samples): 40 genes are six times as high in the last three samples."""
    rng = np.random.default_rng(7)
    mean = rng.lognormal(3, 2, 300)[:, None] * np.array([1, 0.5, 2, 1.3, 0.8, 3])
    mean[:40, 3:] *= 6
    counts = rng.poisson(mean * rng.gamma(4, 0.25, mean.shape))
    counts[:5] = 0
    assert counts.sum(axis=0).tolist() == [17910, 12420, 42297, 28712, 17870, 71721]
    return counts


def sizes(counts, method, step=7):
    counts = np.asarray(counts, dtype=np.float32)
    rows = [slice(start, start + step) for start in range(0, len(counts), step)]
    names = [f"s{i}" for i in range(counts.shape[1])]
    return library_sizes(((row, counts[row]) for row in rows), method, names, PATH)


def test_cpm_divides_by_the_sum():
    np.testing.assert_array_equal(sizes(made_up_counts(), "cpm"), made_up_counts().sum(axis=0))


def test_tmm_as_edger():
    factors = sizes(made_up_counts(), "tmm") / made_up_counts().sum(axis=0)
    np.testing.assert_allclose(factors, TMM, rtol=1e-12)
    assert np.prod(factors) == pytest.approx(1)


def test_median_of_ratios_as_deseq2():
    sums = made_up_counts().sum(axis=0)
    factors = sizes(made_up_counts(), "median_of_ratios") / np.exp(np.log(sums).mean())
    np.testing.assert_allclose(factors, MEDIAN_OF_RATIOS, rtol=1e-12)


@given(st.sampled_from(["cpm", "tmm", "median_of_ratios"]), st.integers(1, 300))
def test_the_size_of_bands_changes_no_bit(method, step):
    counts = made_up_counts()
    np.testing.assert_array_equal(sizes(counts, method, step), sizes(counts, method, 300))


@pytest.mark.parametrize("method", ["tmm", "median_of_ratios"])
def test_samples_that_differ_only_in_depth_get_their_depth(method):
    counts = made_up_counts()[:, :1] * [1, 2, 4]
    ratio = sizes(counts, method) / sizes(counts, method)[0]
    np.testing.assert_allclose(ratio, [1, 2, 4])


@pytest.mark.parametrize("method", ["tmm", "median_of_ratios"])
def test_genes_of_some_samples_do_not_push_down_all_others(method):
    """A quarter of the genes doubles in sample 2; the rest keeps its share of the counts."""
    counts = np.random.default_rng(0).poisson(1000, (400, 3)).astype(float)
    counts[:100, 2] *= 20
    assert np.ptp(sizes(counts, method)) < 0.03 * sizes(counts, method)[0]
    assert sizes(counts, "cpm")[2] > 4 * sizes(counts, "cpm")[0]


def test_missing_infinite_and_negative_counts_add_nothing():
    counts = np.array([[1, 2], [np.nan, 3], [-5, np.inf], [4, 4]])
    assert sizes(counts, "cpm").tolist() == [5, 9]
    assert np.isfinite(sizes(counts, "tmm")).all()


@pytest.mark.parametrize("method", ["cpm", "tmm", "median_of_ratios"])
def test_a_sample_without_counts_is_refused(method):
    with pytest.raises(InputError, match=r"1 samples have no counts \(first: s1\)"):
        sizes([[1, 0], [2, np.nan]], method)


def test_no_gene_in_all_samples():
    with pytest.raises(InputError, match=r'input.normalisation = "tmm"'):
        sizes([[1, 0], [0, 2]], "median_of_ratios")
    assert sizes([[1, 0], [0, 2]], "tmm").tolist() == [1, 2]
