"""Layouts: decoys, the four kinds of layout, and what their functions promise."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy

from tumorcam.cohort.layout import (
    GeneLayout,
    beside_own_gene,
    choose_decoys,
    chromosome_layout,
    coexpression_layout,
    coexpression_tree,
    flipped_leaves,
    hilbert_curve,
    image_side,
    random_layout,
    require_reachable,
    spread_out,
    variance_layout,
)
from tumorcam.errors import CohortError, ConfigError, ModelError
from tumorcam.storage.stored_values import StoredValues

NAMES = np.array([f"G{i:02d}" for i in range(40)])


FROZEN = {
    "random": "27d68fb90a1c67d1",
    "variance": "f6474c7a0a1df2f6",
    "coexpression": "2e16eeba134ca410",
    "chromosome": "f6474c7a0a1df2f6",  # the same order as by variance
}


def tree_of(expression):
    """The tree of (samples, genes) values."""
    return coexpression_tree(StoredValues.of(expression.T))


def rng(seed=0):
    return np.random.default_rng(seed)


def layouts_of(decoy_gene, *, variance, order, tree, seed=0):
    """The layout of each kind, from equal generators."""
    return {
        "random": random_layout(len(order), decoy_gene, rng(seed)),
        "variance": variance_layout(variance, decoy_gene, rng(seed)),
        "chromosome": chromosome_layout(order, decoy_gene, rng(seed)),
        "coexpression": coexpression_layout(tree, decoy_gene, rng(seed)),
    }


def decoys_of(genes=NAMES, *, decoys="0.1", decoy_genes=(), seed=0):
    return choose_decoys(genes, decoys=decoys, decoy_genes=decoy_genes, rng=rng(seed))


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
    ("decoys", "n_decoys"),
    [("all", 40), ("none", 0), ("0.3", 12), ("0", 0), ("1", 40), ("0.01", 1)],  # 1 is rounded up
)
def test_how_many_genes_get_a_decoy(decoys, n_decoys):
    chosen = decoys_of(decoys=decoys)
    assert len(chosen) == n_decoys and chosen.dtype == np.int32
    assert np.array_equal(chosen, np.unique(chosen))


@given(st.integers(1, 300), st.integers(0, 99))
def test_all_gives_each_gene_one_decoy_in_order(n_genes, seed):
    chosen = decoys_of(np.arange(n_genes).astype(str), decoys="all", seed=seed)
    assert np.array_equal(chosen, np.arange(n_genes))


@pytest.mark.parametrize("decoys", ["some", "auto", "-0.1", "1.1", "nan", ""])
def test_a_wrong_share_is_refused(decoys):
    with pytest.raises(ConfigError, match="wanted all, none or a share from 0 to 1"):
        decoys_of(decoys=decoys)


def test_named_decoy_genes_replace_the_draw():
    assert decoys_of(decoy_genes=("G07", "G03")).tolist() == [3, 7]
    with pytest.raises(CohortError, match=r"names 2 genes .* \(first: TP53\)"):
        decoys_of(decoy_genes=("TP53", "G03", "XIST"))


def blocks_of_genes(n_genes, *, seed=0, n_blocks=8, n_samples=60):
    """(samples, genes): each gene follows its block's factor, blocks scattered over the genes."""
    generator = rng(seed)
    factor = generator.normal(size=(n_samples, n_blocks))
    block = generator.permutation(np.arange(n_genes) % n_blocks)
    noise = generator.normal(size=(n_samples, n_genes))
    return (factor[:, block] + 0.5 * noise).astype(np.float32)


def neighbours_correlation(layout, expression):
    """Mean Pearson correlation of the features on all pairs of pixels that share an edge."""
    feature = np.full(layout.side**2, -1)
    feature[layout.pixel] = layout.source_gene
    image = feature.reshape(layout.side, layout.side)
    below = np.concatenate([image[1:].ravel(), image[:, 1:].ravel()])
    above = np.concatenate([image[:-1].ravel(), image[:, :-1].ravel()])
    is_pair = (below >= 0) & (above >= 0)
    return np.corrcoef(expression.T)[below[is_pair], above[is_pair]].mean()


@given(
    seed=st.integers(0, 99), n_genes=st.integers(30, 200), share=st.sampled_from(["none", "0.2"])
)
def test_every_gene_and_decoy_has_a_pixel_of_its_own(seed, n_genes, share):
    genes = np.array([f"G{i:04d}" for i in range(n_genes)])
    decoy_gene = decoys_of(genes, decoys=share, seed=seed)
    layouts = layouts_of(
        decoy_gene,
        variance=rng(seed).random(n_genes),
        order=rng(seed).permutation(n_genes),
        tree=tree_of(blocks_of_genes(n_genes, seed=seed)),
        seed=seed,
    )
    for kind, layout in layouts.items():
        assert layout.n_genes == n_genes, kind
        assert layout.pixel.dtype == np.int32
        assert len(layout.pixel) == n_genes + len(decoy_gene)
        assert len(set(layout.pixel.tolist())) == len(layout.pixel)
        assert layout.pixel.min() >= 0 and layout.pixel.max() < layout.side**2
        assert layout.source_gene[:n_genes].tolist() == list(range(n_genes))
        assert np.array_equal(layout.source_gene[n_genes:], decoy_gene)


def test_spread_out_by_hand():
    """Pixels 0, 4 and 8 are the diagonal of 3 x 3; on 6 x 6 they are 0, 14 and 28."""
    wide = spread_out(GeneLayout(3, np.array([0, 4, 8], np.int32), np.empty(0, np.int32)), 2)
    assert wide.side == 6 and wide.pixel.tolist() == [0, 14, 28] and wide.pixel.dtype == np.int32


@given(st.integers(0, 99), st.integers(1, 4))
def test_spread_out_keeps_the_picture_and_leaves_gaps(seed, spacing):
    dense = random_layout(20, decoys_of(np.arange(20).astype(str)), rng(seed))
    wide = spread_out(dense, spacing)
    row, column = np.divmod(wide.pixel, wide.side)
    assert not (row % spacing).any() and not (column % spacing).any()
    same = row // spacing * dense.side + column // spacing
    np.testing.assert_array_equal(same, dense.pixel)


def test_without_decoys_variance_runs_row_by_row():
    layout = variance_layout(np.array([1.0, 9, 4, 4, 0]), np.empty(0, np.int32), rng())
    assert layout.side == 3
    assert layout.pixel.tolist() == [3, 0, 1, 2, 4], "ties in the order of the genes"


def test_without_decoys_chromosome_runs_row_by_row():
    """Gene 4 comes first, on pixel 0, then gene 2, on pixel 1."""
    layout = chromosome_layout(np.array([4, 2, 0, 1, 3]), np.empty(0, np.int32), rng())
    assert layout.side == 3 and layout.pixel.tolist() == [2, 3, 1, 4, 0]


@given(st.integers(0, 200))
def test_chromosome_keeps_its_order_and_decoys_from_their_gene(seed):
    order, decoy_gene = rng(seed).permutation(40), decoys_of(decoys="0.3", seed=seed)
    layout = chromosome_layout(order, decoy_gene, rng(seed))
    assert not beside_own_gene(layout).any()
    assert np.array_equal(np.argsort(layout.pixel[:40]), order)
    assert np.array_equal(np.sort(layout.pixel), np.arange(52)), "no gaps"


@given(st.integers(0, 200))
def test_variance_keeps_its_order_and_decoys_from_their_gene(seed):
    decoy_gene = decoys_of(decoys="0.3", seed=seed)
    layout = variance_layout(rng(seed).random(40), decoy_gene, rng(seed))
    assert not beside_own_gene(layout).any()
    genes_in_order = np.argsort(layout.pixel[:40])
    variance = rng(seed).random(40)[genes_in_order]
    assert np.all(np.diff(variance) <= 0), "genes still run by variance"


@pytest.mark.parametrize("n_genes", [100, 1000])
def test_even_as_many_decoys_as_genes_stand_apart(n_genes):
    decoy_gene = np.arange(n_genes, dtype=np.int32)
    tree = tree_of(blocks_of_genes(n_genes))
    for seed in range(5):
        order, variance = rng(seed).permutation(n_genes), rng(seed).random(n_genes)
        layouts = layouts_of(decoy_gene, variance=variance, order=order, tree=tree, seed=seed)
        for kind in ("variance", "chromosome", "coexpression"):
            assert not beside_own_gene(layouts[kind]).any(), kind


@given(side=st.integers(2, 20), seed=st.integers(0, 99))
def test_coexpression_fills_a_square_of_any_side(side, seed):
    n_genes = int(rng(seed).integers((side - 1) ** 2 + 1, side**2 + 1))
    tree = tree_of(blocks_of_genes(n_genes, seed=seed))
    layout = coexpression_layout(tree, np.empty(0, np.int32), rng(seed))
    assert layout.side == side
    assert np.array_equal(np.sort(layout.pixel), np.sort(hilbert_curve(side)[:n_genes]))


def test_coexpression_makes_neighbours_of_coexpressed_genes():
    expression = blocks_of_genes(400)
    decoy_gene = decoys_of(np.arange(400).astype(str))
    tree = tree_of(expression)
    at_random, together = (
        neighbours_correlation(layout, expression)
        for layout in (
            random_layout(400, decoy_gene, rng(1)),
            coexpression_layout(tree, decoy_gene, rng(1)),
        )
    )
    assert at_random < 0.15 and together > 0.4


def test_coexpression_replicates_differ_and_repeat_by_seed():
    tree = tree_of(blocks_of_genes(100))
    first, again, second = (
        coexpression_layout(tree, decoys_of(), rng(seed)).pixel for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert (first != second).mean() > 0.5


def test_the_tree_is_scipys_average_linkage_of_correlations():
    expression = blocks_of_genes(50)
    expected = hierarchy.linkage(expression.T, "average", metric="correlation")
    assert np.allclose(tree_of(expression)[:, 2:], expected[:, 2:], atol=1e-5)


def test_constant_genes_are_uncorrelated_with_all():
    expression = blocks_of_genes(30)
    expression[:, [3, 8]] = 0.1  # its mean in float32 is not quite 0.1
    tree = tree_of(expression)
    assert np.isfinite(tree).all() and tree[:, 2].max() < 2
    layout = coexpression_layout(tree, np.empty(0, np.int32), rng())
    assert len(set(layout.pixel.tolist())) == 30
    assert np.allclose(tree_of(np.ones((5, 4), np.float32))[:, 2], 1)


def test_one_gene_is_a_tree_without_forks():
    tree = tree_of(np.ones((5, 1), np.float32))
    layout = coexpression_layout(tree, np.empty(0, np.int32), rng())
    assert layout.pixel.tolist() == [0]


def test_flips_of_three_leaves():
    """Leaves 0 and 2 join first: 1 never stands between them, the four orders are as likely."""
    tree = np.array([[0, 2, 0.1, 2], [1, 3, 0.5, 3]])
    generator = rng()
    orders = [tuple(flipped_leaves(tree, generator).tolist()) for _ in range(800)]
    counts = {order: orders.count(order) for order in set(orders)}
    assert set(counts) == {(0, 2, 1), (2, 0, 1), (1, 0, 2), (1, 2, 0)}
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 21.1, "chi-square, p > 1e-4"


@given(st.integers(2, 60), st.integers(0, 99))
def test_every_fork_stays_together(n_leaves, seed):
    tree = tree_of(blocks_of_genes(n_leaves, seed=seed))
    position = np.argsort(flipped_leaves(tree, rng(seed)))
    for node in hierarchy.to_tree(tree, rd=True)[1]:
        assert np.ptp(position[node.pre_order()]) == node.get_count() - 1


def test_the_curve_of_a_4_by_4_square():
    """Down the first quarter's U, through the two lower quarters, up the last."""
    assert hilbert_curve(4).tolist() == [0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]


@given(st.integers(1, 128))
def test_the_curve_visits_every_pixel_and_hardly_jumps(side):
    curve = hilbert_curve(side)
    assert np.array_equal(np.sort(curve), np.arange(side**2))
    row, column = np.divmod(curve, side)
    step = np.abs(np.diff(row)) + np.abs(np.diff(column))
    assert np.count_nonzero(step != 1) <= 0.6 * side


def test_decoys_that_cannot_stand_apart_are_refused():
    with pytest.raises(CohortError, match=r"2 decoys of 2 genes cannot .*; lower layout\.decoys"):
        variance_layout(np.zeros(2), np.array([0, 1], np.int32), rng())


def test_beside_means_one_of_the_eight_pixels_around():
    """A 4 x 4 image: gene 0 at row 1, column 1; its decoys at all other pixels in turn."""
    is_beside = []
    for pixel in range(16):
        layout = GeneLayout(4, np.array([5, pixel], np.int32), np.array([0], np.int32))
        is_beside.append(bool(beside_own_gene(layout)[0]))
    assert np.flatnonzero(is_beside).tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]


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
    pixels = [random_layout(5, np.empty(0, np.int32), generator).pixel for _ in range(1800)]
    for gene in range(5):
        counts = np.bincount([pixel[gene] for pixel in pixels], minlength=9)
        assert ((counts - 200) ** 2 / 200).sum() < 31.8


def test_layouts_are_frozen():
    """A release that lays out otherwise changes every user's models."""
    variance = rng(2).random(40)
    layouts = layouts_of(
        decoys_of(decoys="0.3", seed=1),
        variance=variance,
        order=np.argsort(-variance),
        tree=tree_of(blocks_of_genes(40)),
        seed=3,
    )
    for kind, digest in FROZEN.items():
        pixel = layouts[kind].pixel
        assert hashlib.sha256(pixel.tobytes()).hexdigest()[:16] == digest, kind
