"""Passes over blocks: sums that no block size changes, variances, extraction."""

import dataclasses

import numpy as np
import pytest
from arrays import ArrayExpression
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers import blocks
from tumorcam.readers.blocks import SelectedExpression


def select(matrix, scale="log2", samples=None, genes=None, **options):
    expression = ArrayExpression(np.asarray(matrix), **options)
    n_samples, n_genes = expression.matrix.shape
    samples = np.ones(n_samples, dtype=bool) if samples is None else np.array(samples)
    genes = np.ones(n_genes, dtype=bool) if genes is None else np.array(genes)
    return SelectedExpression(expression, samples, genes, scale)


def prepared(matrix, scale, samples, **options):
    """Library sizes, variances and the whole matrix of one way to read it."""
    part = select(matrix, scale, samples, **options)
    library = blocks.library_sizes(part) if scale == "counts" else None
    statistics = blocks.gene_statistics(part, library)
    n_kept, n_genes = part.sample_mask.sum(), len(part.gene_mask)
    extracted = blocks.extract(part, library, rows=np.arange(n_kept), genes=np.arange(n_genes))
    return library, statistics.variance, extracted


def test_counts_per_million_by_hand():
    part = select([[1, 3], [0, 5], [6, 2]], "counts", samples=[True, False, True])
    library = blocks.library_sizes(part)
    np.testing.assert_array_equal(library, [4, 8])
    log2 = blocks.extract(part, library, rows=np.array([1, 0]), genes=np.array([1]))
    np.testing.assert_array_equal(log2[:, 0], np.log2([250_001, 750_001]).astype(np.float32))


def test_repeated_genes_and_bad_values_do_not_count_in_libraries():
    part = select([[1, 3, 100], [np.nan, -5, 100], [2, 2, 0]], "counts", genes=[True, True, False])
    with pytest.raises(InputError, match=r"1 samples have no counts \(first: s1\)"):
        blocks.library_sizes(part)
    np.testing.assert_array_equal(
        blocks.library_sizes(dataclasses.replace(part, sample_mask=np.array([True, False, True]))),
        [4, 4],
    )


@pytest.mark.parametrize("scale", ["tpm", "fpkm", "rsem"])
def test_linear_scales_get_log2(scale):
    assert prepared([[0.0, 1], [3, 7]], scale, None)[2].tolist() == [[0, 1], [2, 3]]


def test_as_is_keeps_negative_values():
    part = select([[-1.0, 2], [1, -2]], "as_is")
    assert (blocks.gene_statistics(part, None).bad_sample == -1).all()


@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(2, 20), st.integers(1, 12)),
    block=st.tuples(st.integers(1, 21), st.integers(1, 13)),
    genes_first=st.booleans(),
    scale=st.sampled_from(["log2", "counts", "rsem", "as_is"]),
)
def test_blocks_change_no_bit(seed, shape, block, genes_first, scale):
    rng = np.random.default_rng(seed)
    matrix = rng.gamma(2, 5, shape) + 0.1
    kept = rng.random(shape[0]) < 0.7
    kept[0] = True
    whole = prepared(matrix, scale, kept)
    parts = prepared(matrix, scale, kept, block=block, genes_first=genes_first)
    for from_whole, from_parts in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(from_whole, from_parts)


@given(seed=st.integers(0, 99), shape=st.tuples(st.integers(1, 40), st.integers(1, 6)))
def test_variances_agree_with_numpy(seed, shape):
    matrix = np.random.default_rng(seed).normal(8, 2, shape).astype(np.float32)
    expected = matrix.var(axis=0, dtype=np.float64)
    _, streamed, extracted = prepared(matrix, "as_is", None, block=(3, 2))
    np.testing.assert_allclose(streamed, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(blocks.variance_of(extracted), streamed)


def test_a_constant_gene_has_no_variance_at_all():
    statistics = blocks.gene_statistics(select(np.full((1000, 2), 7.123)), None)
    assert statistics.variance.tolist() == [0, 0]


@pytest.mark.parametrize("block", [(1, 1), (2, 2), (9, 9)])
def test_the_first_bad_value_of_each_gene(block):
    matrix = [[1, 2, np.nan, 4], [9, -3, np.inf, 5], [1, -4, 1, 6], [0, 0, 0, -np.inf]]
    samples = [True, True, True, False]
    statistics = blocks.gene_statistics(select(matrix, samples=samples, block=block), None)
    assert statistics.bad_sample.tolist() == [-1, 1, 0, -1]
    assert statistics.bad_value[1] == -3
    assert np.isnan(statistics.bad_value[2])
    assert statistics.largest == 9


def test_extraction_puts_samples_and_genes_where_they_belong():
    matrix = np.arange(12.0).reshape(4, 3)
    part = select(matrix, samples=[True, False, True, True], block=(2, 1))
    extracted = blocks.extract(part, None, rows=np.array([2, 0, 1]), genes=np.array([2, 0]))
    np.testing.assert_array_equal(extracted, matrix[[2, 3, 0]][:, [2, 0]])
    assert extracted.dtype == np.float32


def test_variance_of_an_array_in_steps(monkeypatch):
    matrix = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    whole = blocks.variance_of(matrix)
    monkeypatch.setattr(blocks, "BLOCK_VALUES", 20)
    np.testing.assert_array_equal(blocks.variance_of(matrix), whole)


def test_gene_names():
    ids = [" A ", "100130426.0", "", "NA", "?|100130426", "ENSG00000000003.13", "1.05"]
    fallbacks = list("abcdefg")
    assert blocks.gene_names(ids, fallbacks) == [
        "A", "100130426", "c", "d", "?|100130426", "ENSG00000000003.13", "1.05",
    ]  # fmt: skip
