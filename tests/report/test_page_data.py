import base64
import gzip
import json

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.report import page_data as data
from tumorcam.report.results import read_run
from tumorcam.report.summary import EVIDENCE


def unpacked(array):
    """What the script of the page makes of an array."""
    planes = np.frombuffer(gzip.decompress(base64.b64decode(array["data"])), np.uint8)
    if array["type"] == "byte":
        return np.where(planes == 255, np.nan, array.get("offset", 0) + planes * array["step"])
    low, high = planes.reshape(2, -1).astype(int)
    whole = (low | (high << 8)).astype(np.uint16).view(np.int16)
    return np.where(whole == -32768, np.nan, whole * array["step"])


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


@pytest.fixture
def content(run):
    return data.page_data(run.cohort, run.results, run.first_ranking, top=5).content


def test_shorts_keep_values_to_half_a_step_and_nan():
    values = np.array([[0.0, 1.004, -3.21], [np.nan, 327.67, -0.006]])
    packed = data.pack_shorts(values, 0.01)
    assert packed["step"] == 0.01
    np.testing.assert_allclose(unpacked(packed), values.ravel(), atol=0.0051)


def test_the_step_of_large_numbers_grows_so_that_none_is_clipped():
    values = np.array([-1e6, 0.0, 1e6])
    packed = data.pack_shorts(values, 0.01)
    np.testing.assert_allclose(unpacked(packed), values, atol=packed["step"] / 2)


def test_bytes_keep_values_to_half_a_step_and_nan():
    values = np.array([0.0, 0.333, 1.0, np.nan])
    np.testing.assert_allclose(unpacked(data.pack_bytes(values, 1 / 250)), values, atol=0.002)


def test_both_views_of_the_first_method_have_every_column(run, content):
    keys = [ranking["key"] for ranking in content["rankings"]]
    assert keys[:2] == ["gradient_x_input/contrast", "gradient_x_input/own"]
    assert set(keys) == {key.name for key in run.results.keys}
    for ranking in (run.results.ranking(key) for key in run.results.keys):
        columns = ["score"]
        if ranking.method == "gradient_x_input":
            columns += ["margin", "replication", "q_decoy"]
        for column in columns:
            values = unpacked(content["arrays"][f"{ranking.key.name}/{column}"])
            np.testing.assert_allclose(values, getattr(ranking, column).ravel(), atol=0.0051)
        codes = unpacked(content["arrays"][f"{ranking.key.name}/evidence"]).astype(int)
        assert np.array(EVIDENCE)[codes].tolist() == ranking.evidence.ravel().tolist()


def test_the_quantiles_of_expression_are_those_of_numpy(run, content):
    packed = content["arrays"]["expression"]
    steps = np.frombuffer(gzip.decompress(base64.b64decode(packed["data"])), np.uint8)
    n_tumors, n_genes = run.results.expression_auroc.shape
    whole = np.cumsum(steps.reshape(5, n_tumors, n_genes).astype(int), axis=0) % 256
    expression = run.cohort.expression()
    for tumor in range(n_tumors):
        expected = np.quantile(expression[run.cohort.tumor == tumor], data.QUANTILES, axis=0)
        values = packed["offset"] + whole[:, tumor] * packed["step"]
        np.testing.assert_allclose(values, expected, atol=packed["step"] * 0.51)


def test_first_and_learned_genes_come_with_exact_ranks(run, content):
    ranking = run.results.ranking(run.first_ranking)
    for tumor, rows in enumerate(content["rankings"][0]["listed"]):
        assert {row[0] for row in rows} == set(np.flatnonzero(ranking.rank[tumor] <= 5))
        for gene, rank, low, high, _ in rows:
            assert rank == ranking.rank[tumor, gene]
            assert low == pytest.approx(ranking.rank_low[tumor, gene], abs=0.5)
            assert high == pytest.approx(ranking.rank_high[tumor, gene], abs=0.5)


def test_rankings_that_do_not_fit_are_named(run, monkeypatch):
    monkeypatch.setattr(data, "MAX_CHARACTERS", 1)
    small = data.page_data(run.cohort, run.results, run.first_ranking, top=5)
    assert [ranking["key"] for ranking in small.content["rankings"]] == [run.first_ranking.name]
    assert "Gradient × input, own" in small.left_out
    assert len(small.left_out) == len(run.results.keys) - 1


@pytest.mark.parametrize(
    ("gene", "aliases", "expected"),
    [
        ("TP53", [], "TP53"),
        ("TP53|7157", [], "TP53"),
        ("7157|TP53", [], "TP53"),
        ("TP53 (7157)", [], "TP53"),
        ("ENSG00000141510.3", [], "ENSG00000141510.3"),
        ("ENSG00000141510", ["7157", "TP53"], "TP53"),
        ("TP53 (permuted)", [], "TP53"),
    ],
)
def test_links_use_the_symbol_where_there_is_one(gene, aliases, expected):
    assert data.link_names(np.array([gene]), [aliases]) == [expected]


def test_no_name_ends_the_script_element():
    text = data.json_text({"genes": ["</script><script>alert(1)</script>", "A&B", "<!--"]})
    assert "<" not in text and ">" not in text and "&" not in text
    assert json.loads(text)["genes"][0] == "</script><script>alert(1)</script>"


def test_the_t_test_gives_as_many_genes_as_are_learned_but_at_least_twenty(content):
    assert [len(genes) for genes in content["tested"]] == [20] * 4
