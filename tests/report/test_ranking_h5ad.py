import dataclasses

import anndata
import matplotlib as mpl
import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.explain.views import RankingKey
from tumorcam.report import ranking_h5ad
from tumorcam.report.ranking_h5ad import write_ranking_h5ad
from tumorcam.report.results import read_run

KEY = RankingKey("gradient_x_input", "contrast")


@pytest.fixture
def tiny_config(tiny_config):
    """At this level the made-up run calls some pairs."""
    significance = dataclasses.replace(tiny_config.significance, q_decoy=0.2)
    return dataclasses.replace(tiny_config, significance=significance)


@pytest.fixture
def results(tiny_run):
    return read_run(finish_run(tiny_run)).results


@pytest.fixture
def scanpy():
    """It takes seconds to import, so only the tests that need it do."""
    mpl.use("agg")
    return pytest.importorskip("scanpy")


@pytest.fixture
def untestable(results, monkeypatch):
    """One tumor without any statistics, and one gene that no tumor can test."""
    ranking = results.ranking(KEY)
    holes = {}
    for name in ("score", "q_decoy", "rank", "q_value", "p_value"):
        holes[name] = getattr(ranking, name).copy()
        holes[name][1], holes[name][:, 2] = np.nan, np.nan
    rankings = [dataclasses.replace(ranking, **holes)]
    monkeypatch.setattr(type(results), "rankings", lambda _: iter(rankings))
    return results


def written(path, results, key=KEY):
    write_ranking_h5ad(path, results, key)
    return anndata.read_h5ad(path)


def test_h5ad_holds_tumors_by_genes(results, tmp_path):
    table = written(tmp_path / "ranking.h5ad", results, RankingKey("guided_grad_cam", "own"))
    assert table.obs_names.tolist() == table.obs["tumor"].tolist() == results.tumors.tolist()
    assert table.obs["tumor"].dtype == "category"
    assert table.var_names.tolist() == results.genes.tolist()
    assert len(table.layers) == 6 * 5
    ranking = results.ranking(RankingKey("guided_grad_cam", "own"))
    for name in ("score", "q_decoy", "rank", "q_value"):
        layer = table.layers[f"guided_grad_cam_own_{name}"]
        np.testing.assert_array_equal(layer, getattr(ranking, name).astype("f4"))
    np.testing.assert_array_equal(table.X, ranking.score.astype("f4"))
    assert table.var["has_decoy"].sum() == 18


def test_the_codes_of_evidence_are_in_the_file(results, tmp_path):
    table = written(tmp_path / "ranking.h5ad", results)
    grade = {code: name for name, code in table.uns["evidence_codes"].items()}
    codes = table.layers["gradient_x_input_contrast_evidence"]
    evidence = results.ranking(KEY).evidence
    assert [[grade[code] for code in row] for row in codes] == evidence.tolist()
    assert "learned" in evidence


def test_scanpy_reads_the_first_ranking_as_its_own_test(results, tmp_path, scanpy):
    table = written(tmp_path / "ranking.h5ad", results)
    ranking = results.ranking(KEY)
    frame = scanpy.get.rank_genes_groups_df(table, group="BRCA").set_index("names")
    row, genes = results.tumors.tolist().index("BRCA"), list(results.genes)
    assert frame["scores"].is_monotonic_decreasing
    frame = frame.loc[genes]
    np.testing.assert_array_equal(frame["scores"], ranking.score[row].astype("f4"))
    np.testing.assert_array_equal(frame["pvals"], ranking.p_value[row])
    np.testing.assert_array_equal(frame["pvals_adj"], ranking.q_decoy[row])
    change = results.log2_fold_change[row].astype("f4")
    np.testing.assert_array_equal(frame["logfoldchanges"], change)
    every = scanpy.get.rank_genes_groups_df(table, group=None, pval_cutoff=0.2)
    assert len(every) == np.count_nonzero(ranking.q_decoy < 0.2) > 0
    assert set(every["group"]) <= set(results.tumors)


def test_the_layout_is_that_of_scanpys_own_test(results, tmp_path, scanpy):
    stored = written(tmp_path / "ranking.h5ad", results).uns["rank_genes_groups"]
    cells = anndata.AnnData(np.random.default_rng(0).random((8, 5), np.float32))
    cells.obs["tumor"] = np.repeat(["A", "B"], 4)
    scanpy.tl.rank_genes_groups(cells, "tumor", method="wilcoxon")
    own = cells.uns["rank_genes_groups"]
    assert stored.keys() == own.keys()
    assert stored["params"].keys() == own["params"].keys() - {"layer"}
    for name in own.keys() - {"params"}:
        assert stored[name].dtype[0] == own[name].dtype[0], name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "_dotplot", "_heatmap", "_matrixplot"])
def test_scanpy_draws_it(untestable, tmp_path, scanpy, name):
    table = written(tmp_path / "ranking.h5ad", untestable)
    draw = getattr(scanpy.pl, f"rank_genes_groups{name}")
    assert draw(table, n_genes=3, show=False) is not None
    mpl.pyplot.close("all")


def test_what_cannot_be_tested_is_no_nan_for_scanpy_and_stays_one_in_the_layers(
    untestable, tmp_path, scanpy
):
    table = written(tmp_path / "ranking.h5ad", untestable)
    layer = table.layers["gradient_x_input_contrast_score"]
    assert np.isnan(layer[1]).all() and np.isnan(layer[:, 2]).all()
    assert np.isfinite(table.X).all() and not table.X[1].any()
    frame = scanpy.get.rank_genes_groups_df(table, group=None)
    assert frame.notna().all().all()
    missing = frame[frame["names"] == untestable.genes[2]]
    assert (missing["pvals"] == 1).all() and (missing["pvals_adj"] == 1).all()
    assert (missing["scores"] == 0).all()


def test_the_dendrogram_is_scanpys(results, tmp_path, scanpy):
    table = written(tmp_path / "ranking.h5ad", results)
    expected = scanpy.tl.dendrogram(table, "tumor", inplace=False)
    stored = table.uns["dendrogram_tumor"]
    assert list(stored["categories_ordered"]) == expected["categories_ordered"]
    np.testing.assert_allclose(stored["linkage"], expected["linkage"], rtol=1e-5)
    np.testing.assert_allclose(
        stored["correlation_matrix"], expected["correlation_matrix"], rtol=1e-5
    )


def test_too_many_tumors_for_hdf5_leave_the_groups_out(results, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(ranking_h5ad, "HEADER_BYTES", 200)
    with caplog.at_level("WARNING", logger="tumorcam"):
        table = written(tmp_path / "ranking.h5ad", results)
    assert "rank_genes_groups" not in table.uns and "4 tumors are too many" in caplog.text
