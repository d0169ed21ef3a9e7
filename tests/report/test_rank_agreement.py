from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom, spearmanr

from tumorcam.report.rank_agreement import (
    BOTH,
    ONLY_A,
    ONLY_B,
    UNLISTED,
    agreement_table,
    common_genes,
    common_names,
    learned_table,
    top_overlap,
)


def cohort(genes, *, entrapped=(), dropped=()):
    return SimpleNamespace(
        genes=np.array(genes),
        is_entrapped=np.isin(genes, entrapped),
        dropped=pd.DataFrame(list(dropped), columns=["kind", "name", "reason"]),
    )


def ranking(score, learned):
    """One tumor; `learned` names genes by index."""
    score = np.array([score], dtype=float)
    evidence = np.where(np.isin(np.arange(score.shape[1]), learned), "learned", "none")
    rank = (-score).argsort(axis=1).argsort(axis=1) + 1.0
    return SimpleNamespace(
        score=score, evidence=evidence[np.newaxis], rank=rank, q_decoy=rank / 100
    )


def test_names_in_common_are_sorted_and_lead_to_both_lists():
    common = common_names(np.array(["C", "A", "B"]), np.array(["B", "D", "C"]))
    assert common.names.tolist() == ["B", "C"]
    assert (common.first.tolist(), common.second.tolist()) == ([2, 0], [0, 2])


def test_an_entrapped_gene_is_not_in_common():
    genes = ["A", "B (permuted)"]
    common = common_genes(cohort(genes, entrapped=["B (permuted)"]), cohort(genes))
    assert common.names.tolist() == ["A"]


def test_the_overlap_of_two_tops_by_hand():
    first = np.array([9, 8, 7, 6, 5, 4.0])
    second = np.array([9, 1, 8, 2, 7, 3.0])
    overlap = top_overlap(first, second, 3)  # genes 0, 1, 2 and 0, 2, 4
    assert (overlap.n_shared, overlap.expected) == (2, 1.5)
    assert overlap.p_value == pytest.approx((9 + 1) / 20)  # 2 or 3 shared, of C(6, 3) draws


def test_a_top_of_all_genes_has_no_overlap():
    assert np.isnan(top_overlap(np.arange(3.0), np.arange(3.0), 3)).all()


def test_random_rankings_share_what_chance_gives():
    rng = np.random.default_rng(0)
    shared = [top_overlap(*rng.normal(size=(2, 200)), 20).n_shared for _ in range(2000)]
    mean = top_overlap(*rng.normal(size=(2, 200)), 20).expected
    assert mean == 2.0
    sd = hypergeom.std(200, 20, 20) / np.sqrt(len(shared))
    assert abs(np.mean(shared) - mean) < 4 * sd


def test_the_agreement_is_over_the_genes_in_common_that_have_a_score():
    rng = np.random.default_rng(1)
    names_a = np.array([f"G{i:02d}" for i in range(30)])
    names_b = names_a[5:]
    score_a, score_b = rng.normal(size=30), rng.normal(size=25)
    score_a[7] = np.nan
    tumors = common_names(np.array(["X"]), np.array(["X"]))
    genes = common_genes(cohort(names_a), cohort(names_b))
    a, b = ranking(score_a, [0, 10, 11]), ranking(score_b, [5, 20])  # names 10, 11 and 10, 25
    (row,) = agreement_table(a, b, tumors, genes).to_dict("records")
    keep = [i for i in range(5, 30) if i != 7]
    assert row["genes"] == 24
    rho = spearmanr(score_a[keep], score_b[[i - 5 for i in keep]]).statistic
    assert row["spearman"] == pytest.approx(rho)
    assert row["expected_20"] == pytest.approx(400 / 24) and np.isnan(row["expected_50"])
    assert (row["learned_a"], row["learned_b"], row["learned_both"]) == (2, 2, 1)


def test_learned_genes_of_either_run_are_listed_with_what_the_other_has():
    first = cohort(
        ["A", "B", "C", "P", "Z (permuted)"],
        entrapped=["Z (permuted)"],
        dropped=[("gene", "D", "constant"), ("sample", "E", "bad")],
    )
    second = cohort(["B", "C", "D", "E", "Z"])
    rankings = ranking([5, 4, 3, 2, 9], [0, 1, 4]), ranking([1, 2, 5, 4, 3], [0, 2, 3, 4])
    tumors = common_names(np.array(["X"]), np.array(["X"]))
    table = learned_table((first, second), rankings, tumors).set_index("gene")
    assert table["learned_in"].to_dict() == {
        "A": ONLY_A, "B": BOTH, "D": ONLY_B, "E": ONLY_B, "Z": ONLY_B
    }  # fmt: skip
    assert table.loc["A", ["a_has_gene", "b_has_gene"]].tolist() == [True, False]
    assert table.loc["A", "absence"] == f"B: {UNLISTED}"
    assert table.loc["D", "absence"] == "A: prepare left it out (constant)"
    assert table.loc["E", "absence"] == f"A: {UNLISTED}"
    assert table.loc["Z", "absence"] == "A: permuted as a check"
    assert table.loc["B", ["rank_a", "rank_b", "q_decoy_b"]].tolist() == [3, 5, 0.05]
    assert np.isnan(table.loc["A", "rank_b"]) and table.loc["A", "evidence_b"] == ""


def test_no_learned_gene_gives_an_empty_table():
    rankings = ranking([1, 2], []), ranking([1, 2], [])
    tumors = common_names(np.array(["X"]), np.array(["X"]))
    assert learned_table((cohort(["A", "B"]), cohort(["A", "B"])), rankings, tumors).empty
