import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import CohortError, ConfigError, ModelError
from tumorcam.layout import (
    GeneLayout,
    beside_own_gene,
    choose_decoys,
    image_side,
    make_layout,
    require_reachable,
)

NAMES = np.array([f"G{i:02d}" for i in range(40)])


def rng(seed=0):
    return np.random.default_rng(seed)


def decoys_of(genes=NAMES, *, decoys="auto", decoy_genes=(), n_tumors=33, seed=0):
    return choose_decoys(
        genes, decoys=decoys, decoy_genes=decoy_genes, n_tumors=n_tumors, rng=rng(seed)
    )


@pytest.mark.parametrize(
    ("n_features", "side"), [(1, 1), (4, 2), (5, 3), (9, 3), (10, 4), (12_594, 113), (11_449, 107)]
)
def test_the_side_of_the_smallest_square(n_features, side):
    assert image_side(n_features) == side


@given(st.integers(1, 10**7))
def test_no_smaller_square_would_do(n_features):
    side = image_side(n_features)
    assert (side - 1) ** 2 < n_features <= side**2


@pytest.mark.parametrize(
    ("decoys", "n_tumors", "n_decoys"),
    [
        ("auto", 33, 4),  # 0.1 of 40
        ("auto", 4, 20),  # 2 / 4
        ("auto", 2, 40),
        ("none", 4, 0),
        ("0.3", 4, 12),
        ("0", 4, 0),
        ("1", 4, 40),
        ("0.01", 4, 1),  # rounded up
    ],
)
def test_how_many_genes_get_a_decoy(decoys, n_tumors, n_decoys):
    chosen = decoys_of(decoys=decoys, n_tumors=n_tumors)
    assert len(chosen) == n_decoys and chosen.dtype == np.int32
    assert np.array_equal(chosen, np.unique(chosen))


@pytest.mark.parametrize("decoys", ["some", "-0.1", "1.1", "nan", ""])
def test_a_wrong_share_is_refused(decoys):
    with pytest.raises(ConfigError, match="wanted auto, none or a share from 0 to 1"):
        decoys_of(decoys=decoys)


def test_named_decoy_genes_replace_the_draw():
    assert decoys_of(decoy_genes=("G07", "G03")).tolist() == [3, 7]
    with pytest.raises(CohortError, match=r"names 2 genes .* \(first: TP53\)"):
        decoys_of(decoy_genes=("TP53", "G03", "XIST"))


@pytest.mark.parametrize("kind", ["random", "variance"])
@given(
    seed=st.integers(0, 99), n_genes=st.integers(30, 200), share=st.sampled_from(["none", "0.2"])
)
def test_every_gene_and_decoy_has_a_pixel_of_its_own(kind, seed, n_genes, share):
    genes = np.array([f"G{i:04d}" for i in range(n_genes)])
    decoy_gene = decoys_of(genes, decoys=share, seed=seed)
    layout = make_layout(kind, rng(seed).random(n_genes), decoy_gene, rng(seed))
    assert layout.n_genes == n_genes
    assert layout.pixel.dtype == np.int32 and len(layout.pixel) == n_genes + len(decoy_gene)
    assert len(set(layout.pixel.tolist())) == len(layout.pixel)
    assert layout.pixel.min() >= 0 and layout.pixel.max() < layout.side**2
    assert layout.source_gene[:n_genes].tolist() == list(range(n_genes))
    assert np.array_equal(layout.source_gene[n_genes:], decoy_gene)


def test_without_decoys_variance_runs_row_by_row():
    layout = make_layout("variance", np.array([1.0, 9, 4, 4, 0]), np.empty(0, np.int32), rng())
    assert layout.side == 3
    assert layout.pixel.tolist() == [3, 0, 1, 2, 4], "ties in the order of the genes"


@given(st.integers(0, 200))
def test_structured_layouts_keep_decoys_from_their_gene(seed):
    decoy_gene = decoys_of(decoys="0.3", seed=seed)
    layout = make_layout("variance", rng(seed).random(40), decoy_gene, rng(seed))
    assert not beside_own_gene(layout).any()
    genes_in_order = np.argsort(layout.pixel[:40])
    variance = rng(seed).random(40)[genes_in_order]
    assert np.all(np.diff(variance) <= 0), "genes still run by variance"


def test_decoys_that_cannot_stand_apart_are_refused():
    with pytest.raises(CohortError, match="cannot all stand apart"):
        make_layout("variance", np.ones(2), np.array([0, 1], np.int32), rng())


def test_beside_means_one_of_the_eight_pixels_around():
    """A 4 x 4 image: gene 0 at row 1, column 1; its decoys at all other pixels in turn."""
    beside = []
    for pixel in range(16):
        layout = GeneLayout(4, np.array([5, pixel], np.int32), np.array([0], np.int32))
        beside.append(bool(beside_own_gene(layout)[0]))
    assert np.flatnonzero(beside).tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]


def test_a_row_end_is_not_beside_the_next_rows_start():
    layout = GeneLayout(4, np.array([3, 4], np.int32), np.array([0], np.int32))
    assert not beside_own_gene(layout).any()


def test_a_gene_out_of_the_networks_sight_is_an_error():
    layout = GeneLayout(2, np.array([0, 3, 1], np.int32), np.array([1], np.int32))
    names = np.array(["TP53", "XIST"])
    reachable = np.array([[True, True], [False, True]])
    require_reachable(layout, reachable, names)
    reachable[1, 1] = False
    with pytest.raises(ModelError, match=r'cannot see 1 of 3 .* XIST; set model\.padding = "same"'):
        require_reachable(layout, reachable, names)


def test_random_layouts_are_uniform():
    """Each of 5 genes falls on each of 9 pixels equally often (chi-square, 8 degrees, p > 1e-4)."""
    generator = rng()
    pixels = [
        make_layout("random", np.ones(5), np.empty(0, np.int32), generator).pixel
        for _ in range(1800)
    ]
    for gene in range(5):
        counts = np.bincount([pixel[gene] for pixel in pixels], minlength=9)
        assert ((counts - 200) ** 2 / 200).sum() < 31.8


def test_layouts_are_frozen():
    """A release that lays out otherwise changes every user's models."""
    decoy_gene = decoys_of(decoys="0.3", seed=1)
    made = [
        make_layout(kind, rng(2).random(40), decoy_gene, rng(3)) for kind in ("random", "variance")
    ]
    digest = hashlib.sha256(b"".join(layout.pixel.tobytes() for layout in made)).hexdigest()
    assert digest[:16] == "4ddbf1fea3e8b248"
