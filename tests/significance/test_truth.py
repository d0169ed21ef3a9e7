import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.significance import truth
from tumorcam.significance.truth import PlantedTruth, read_truth, score_against_truth

NAN = np.nan


def without_proxies(drives: np.ndarray) -> PlantedTruth:
    return PlantedTruth(drives, np.zeros_like(drives), n_lost=0)


def test_a_hand_worked_ranking(monkeypatch):
    monkeypatch.setattr(truth, "TOP", 2)
    drives = np.array([[1, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    rank = np.array([[1, 2, 3, 4], [1, 4, 2, 3]], dtype=float)
    q_decoy = np.array([[0.01, 0.2, 0.04, 0.05], [0.01, NAN, 0.05, 0.5]])
    scores = score_against_truth(without_proxies(drives), rank, q_decoy, threshold=0.05)
    # top 2: tumor 0 finds genes 0 and 1 (2 of 2), tumor 1 finds gene 2 (1 of 2)
    assert scores.precision == (2 / 2 + 1 / 2) / 2
    # called: tumor 0 genes 0 (own), 2 (of tumor 1), 3 (none); tumor 1 genes 0 (of tumor 0), 2 (own)
    assert (scores.called, scores.own, scores.other, scores.neither) == (5, 2, 2, 1)
    assert scores.false_share == 1 / 5
    assert scores.recall == 2 / 3


def test_a_proxy_is_neither_right_nor_wrong(monkeypatch):
    monkeypatch.setattr(truth, "TOP", 2)
    drives = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    is_proxy = np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=bool)
    rank = np.array([[1.0, 3, 2, 4, 5], [1, 2, 3, 4, 5]])
    called = np.array([[0, 0, 0, 0, 1], [0, 1, 0, 1, 1.0]])
    scores = score_against_truth(PlantedTruth(drives, is_proxy, 0), rank, called, threshold=0.05)
    assert scores.precision == 1, "the top 2 besides the proxy are both drivers"
    # tumor 0: genes 0, 1 (own), 2 (proxy), 3 (neither); tumor 1: gene 0 (drives 0), 2 (proxy of 0)
    counts = (scores.called, scores.own, scores.other, scores.proxy, scores.neither)
    assert counts == (6, 2, 1, 2, 1)
    assert scores.false_share == 1 / 6


def test_nothing_called_has_no_false_share():
    drives = np.eye(3, 30, dtype=bool)
    rank = np.tile(np.arange(1.0, 31), (3, 1))
    scores = score_against_truth(
        without_proxies(drives), rank, np.full((3, 30), NAN), threshold=0.05
    )
    assert math.isnan(scores.false_share)
    assert scores.recall == 0
    assert scores.precision == pytest.approx(1 / 20)


def test_a_tumor_without_drivers_does_not_lower_precision():
    drives = np.zeros((2, 40), dtype=bool)
    drives[0, :20] = True
    rank = np.tile(np.arange(1.0, 41), (2, 1))
    scores = score_against_truth(without_proxies(drives), rank, np.ones((2, 40)), threshold=0.05)
    assert scores.precision == 1


@given(st.integers(0, 2**32 - 1))
def test_scores_agree_with_a_slow_count(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 5)), int(rng.integers(20, 40)))
    drives, q_decoy = rng.random(shape) < 0.2, rng.random(shape)
    drives[0, 0] = True
    is_proxy = (rng.random(shape) < 0.1) & ~drives
    rank = rng.permuted(np.tile(np.arange(1.0, shape[1] + 1), (shape[0], 1)), axis=1)
    planted = PlantedTruth(drives, is_proxy, n_lost=0)
    scores = score_against_truth(planted, rank, q_decoy, threshold=0.3)
    own = other = proxy = neither = 0
    for tumor, gene in np.argwhere(q_decoy <= 0.3):
        if drives[tumor, gene]:
            own += 1
        elif drives[:, gene].any():
            other += 1
        elif is_proxy[:, gene].any():
            proxy += 1
        else:
            neither += 1
    counts = (scores.own, scores.other, scores.proxy, scores.neither)
    assert counts == (own, other, proxy, neither)
    assert scores.called == own + other + proxy + neither
    precision = []
    for tumor in np.flatnonzero(drives.any(axis=1)):
        in_order = [gene for gene in np.argsort(rank[tumor]) if not is_proxy[tumor, gene]]
        precision.append(np.mean(drives[tumor, in_order[:20]]))
    assert scores.precision == pytest.approx(np.mean(precision))
    assert scores.recall == own / drives.sum()


def test_truth_is_read_and_lost_drivers_are_counted(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("tumor,gene,effect\nA,NA,2\nB,G2,2\nB,GONE,2\n")
    planted = read_truth(path, np.array(["A", "B"]), np.array(["G2", "NA"]))
    assert planted is not None
    assert planted.drives.tolist() == [[False, True], [True, False]]
    assert planted.n_lost == 1 and not planted.is_proxy.any()
    rows = ["A,NA,2,driver", "B,NA,-1,proxy", "B,GONE,1,proxy", "A,GONE,2,driver"]
    path.write_text("\n".join(["tumor,gene,effect,role", *rows]) + "\n")
    planted = read_truth(path, np.array(["A", "B"]), np.array(["G2", "NA"]))
    assert planted.drives.tolist() == [[False, True], [False, False]]
    assert planted.is_proxy.tolist() == [[False, False], [False, True]]
    assert planted.n_lost == 1, "lost proxies do not count"
    assert read_truth(tmp_path / "absent.csv", np.array(["A"]), np.array(["G"])) is None


def test_a_truth_table_without_genes_is_refused(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("tumor,driver\nA,G1\n")
    with pytest.raises(InputError, match=r"truth.csv has no column gene"):
        read_truth(path, np.array(["A"]), np.array(["G1"]))
