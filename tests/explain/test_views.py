import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort.layout import GeneLayout
from tumorcam.explain.views import (
    METHOD_NAMES,
    UNITS,
    RankingKey,
    gene_views,
    medians,
    method_name,
    own_and_contrast,
    ranking_keys,
)
from tumorcam.settings import METHODS


def test_a_ranking_has_one_name_in_files_and_one_for_readers():
    key = RankingKey("gradient_x_input", "contrast")
    assert key.name == "gradient_x_input/contrast"
    assert key.title == "Gradient × input, contrast"
    assert method_name("my_method") == "my_method"


def test_the_rankings_of_methods_keep_their_order():
    assert [key.name for key in ranking_keys(["gradient", "grad_cam"])] == [
        *("gradient/own", "gradient/contrast", "grad_cam/own", "grad_cam/contrast")
    ]
    assert ranking_keys([]) == []


def test_every_method_has_a_name_and_a_unit():
    assert set(METHOD_NAMES) == set(UNITS) == set(METHODS)


def test_views_by_hand():
    """Mean |S| of genes is (4 + 2 + 0 + 6 + 2 + 2 + 0 + 0) / 8 = 2; the median gene of own is 1."""
    own, rival = [4, -2, 0, 6, 8], [2, 2, 0, 0, 100]  # four genes and a decoy
    views = own_and_contrast(np.array([[own, rival]], np.float32), n_genes=4)
    np.testing.assert_array_equal(views.scale, [2])
    np.testing.assert_array_equal(views.own, [[1, -2, -1, 2, 3]])
    np.testing.assert_array_equal(views.contrast, [[1, -2, 0, 3, 4 - 50]])
    assert {v.dtype for v in views} == {np.dtype(np.float32)}


def test_a_sample_without_any_saliency_stays_zero():
    maps = np.zeros((2, 3, 5), np.float32)
    maps[1, 0, 0] = 1
    views = own_and_contrast(maps, n_genes=4)
    assert views.scale[0] == 0 and views.scale[1] > 0
    assert not views.own[0].any() and not views.contrast[0].any()


maps_of_genes = st.builds(
    lambda seed: np.random.default_rng(seed).normal(0, 9, (3, 4, 7)).astype(np.float32),
    st.integers(0, 2**32),
)


@given(maps_of_genes, st.integers(-9, 9))
def test_views_do_not_depend_on_the_unit_of_the_maps(maps, exponent):
    views = own_and_contrast(maps, n_genes=5)
    larger = own_and_contrast(maps * np.float32(2.0**exponent), n_genes=5)
    np.testing.assert_array_equal(larger.own, views.own)
    np.testing.assert_array_equal(larger.contrast, views.contrast)
    np.testing.assert_array_equal(larger.scale, views.scale * np.float32(2.0**exponent))


@given(maps_of_genes)
def test_views_of_a_sample_are_its_own_and_decoys_change_no_gene(maps):
    views = own_and_contrast(maps, n_genes=5)
    alone = own_and_contrast(maps[1:2], n_genes=5)
    np.testing.assert_array_equal(alone.own, views.own[1:2])
    louder = maps * np.where(np.arange(7) < 5, 1, 10).astype(np.float32)
    with_louder = own_and_contrast(louder, n_genes=5)
    np.testing.assert_array_equal(with_louder.contrast[:, :5], views.contrast[:, :5])
    np.testing.assert_array_equal(with_louder.own[:, :5], views.own[:, :5])
    np.testing.assert_allclose(np.median(views.own[:, :5], axis=1), 0, atol=1e-6)


@given(maps_of_genes)
def test_contrast_turns_its_sign_when_own_and_rival_change_places(maps):
    pair = maps[:, :2]
    forth = own_and_contrast(pair, n_genes=5).contrast
    back = own_and_contrast(pair[:, ::-1], n_genes=5).contrast
    np.testing.assert_allclose(forth, -back, rtol=1e-5, atol=1e-5)


def test_views_of_maps_are_those_of_the_pixels_of_genes_and_decoys():
    """Twenty samples, more than are computed at once; the last pixels are empty."""
    rng = np.random.default_rng(0)
    layout = GeneLayout(3, rng.permutation(9)[:7].astype(np.int32), np.array([1, 3], np.int32))
    maps = rng.normal(size=(20, 4, 3, 3)).astype(np.float32)
    views = gene_views(maps, layout)
    expected = own_and_contrast(maps.reshape(20, 4, 9)[:, :, layout.pixel], n_genes=5)
    for values, other in zip(views, expected, strict=True):
        np.testing.assert_array_equal(values, other)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_medians_are_those_of_numpy(n):
    values = np.random.default_rng(n).normal(size=(30, n)).astype(np.float32)
    np.testing.assert_array_equal(medians(values)[:, 0], np.median(values, axis=1))
