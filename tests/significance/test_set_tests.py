import importlib.util
import socket

import numpy as np
import pytest
from gseapy.stats import calc_pvalues
from scipy.stats import fisher_exact

from tumorcam.errors import ConfigError
from tumorcam.significance.set_tests import over_representation, prerank


def members_of(rng, n_genes, sizes):
    return [rng.permutation(n_genes)[:size] for size in sizes]


def test_over_representation_by_hand():
    """10 genes, of which 3 are learned; a set of 4 has 2 of them."""
    is_learned = np.arange(10) < 3
    result = over_representation(is_learned, [np.array([0, 1, 8, 9]), np.array([7, 8])])
    assert result.overlap.tolist() == [2, 0]
    assert result.p_value[0] == pytest.approx(
        (6 * 6 + 4 * 1) / 120
    )  # (C(4,2) C(6,1) + C(4,3)) / C(10,3)
    assert result.p_value[1] == 1.0
    assert result.odds_ratio[0] == pytest.approx((2.5 * 5.5) / (2.5 * 1.5))


@pytest.mark.parametrize("seed", range(4))
def test_over_representation_is_fishers_test_and_that_of_gseapy(seed):
    rng = np.random.default_rng(seed)
    is_learned = rng.random(200) < 0.2
    members = members_of(rng, 200, [5, 20, 60])
    result = over_representation(is_learned, members)
    for genes, p_value in zip(members, result.p_value, strict=True):
        is_in = np.isin(np.arange(200), genes)
        table = [[(is_in & is_learned).sum(), (is_in & ~is_learned).sum()],
                 [(~is_in & is_learned).sum(), (~is_in & ~is_learned).sum()]]  # fmt: skip
        assert p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    sets = {str(i): {f"G{g}" for g in genes} for i, genes in enumerate(members)}
    query, background = {f"G{g}" for g in np.flatnonzero(is_learned)}, {f"G{g}" for g in range(200)}
    names, p_values, odds, *_ = calc_pvalues(query, sets, background)
    for name, p_value, odds_ratio in zip(names, p_values, odds, strict=True):
        assert result.p_value[int(name)] == pytest.approx(p_value)
        assert result.odds_ratio[int(name)] == pytest.approx(odds_ratio)


def test_without_a_learned_gene_no_set_is_enriched():
    result = over_representation(np.zeros(9, bool), [np.arange(3)])
    assert result.p_value.tolist() == [1.0] and result.overlap.tolist() == [0]


def test_a_planted_set_comes_first_and_its_leading_genes_are_the_planted_ones():
    rng = np.random.default_rng(0)
    score = rng.normal(size=400)
    score[:15] += 4
    members = [*members_of(rng, 400, [20] * 30), np.arange(15)]
    result = prerank(score, members, permutations=200, seed=1)
    assert np.lexsort((-result.nes, result.p_value))[0] == 30
    assert result.nes[30] > 1.5 and result.p_value[30] == 1 / 201 and result.fdr[30] < 0.05
    assert set(result.leading[30].tolist()) <= set(range(15)) and len(result.leading[30]) > 10
    down = prerank(-score, members, permutations=200, seed=1)
    assert down.nes[30] < -1.5


def test_the_same_seed_gives_the_same_bits_in_any_order_of_the_sets():
    rng = np.random.default_rng(3)
    score, members = np.round(rng.normal(size=300), 1), members_of(rng, 300, [10, 20, 30, 15])
    first = prerank(score, members, permutations=100, seed=7)
    again = prerank(score, members[::-1], permutations=100, seed=7)
    for name in ("nes", "p_value", "fdr"):
        assert getattr(first, name).tobytes() == getattr(again, name)[::-1].copy().tobytes()
    assert [g.tolist() for g in first.leading] == [g.tolist() for g in again.leading[::-1]]
    other = prerank(score, members, permutations=100, seed=8)
    assert (first.p_value != other.p_value).any()


def test_the_enrichment_score_is_that_of_the_paper():
    """Scores 4, 2, 1, 1 and a set of the genes 0 and 2: the running sum has its peak at gene 0."""
    result = prerank(np.array([4.0, 2, 1, 1]), [np.array([0, 2])], permutations=100, seed=1)
    assert result.nes[0] > 0 and result.leading[0].tolist() == [0]  # 0.8, then 0.8 - 0.5 + 0.2


def test_sets_that_cannot_be_tested_are_nan():
    score = np.array([3.0, 2, 1, 0])
    result = prerank(
        score, [np.arange(4), np.zeros(0, int), np.array([0, 1])], permutations=100, seed=1
    )
    assert np.isnan(result.p_value[:2]).all() and not np.isnan(result.p_value[2])
    assert np.isnan(prerank(np.ones(4), [np.arange(2)], permutations=100, seed=1).nes).all()
    assert prerank(score, [], permutations=100, seed=1).nes.shape == (0,)


def test_nothing_is_asked_of_the_network_or_printed(monkeypatch, capfd):
    def refuse(*args, **options):
        raise AssertionError("the network was asked")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    prerank(np.array([2.0, 2, 1, 0]), [np.array([0, 1])], permutations=100, seed=1)
    assert capfd.readouterr() == ("", "")


def test_without_gseapy_the_message_has_the_command(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gseapy" else find(name, *rest),
    )
    with pytest.raises(ConfigError, match=r"python -m pip install 'gseapy>=1.1'"):
        prerank(np.arange(4.0), [np.arange(2)], permutations=100, seed=1)
