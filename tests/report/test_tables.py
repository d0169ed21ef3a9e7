import csv
import dataclasses
import errno
import resource
import signal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_run import finish_run

from tumorcam.errors import CohortError, ConfigError, FileError
from tumorcam.explain.views import RankingKey
from tumorcam.report import tables
from tumorcam.report.ranking_h5ad import write_ranking_h5ad
from tumorcam.report.results import read_run
from tumorcam.significance.tables import (
    DECOY_STATISTICS,
    GENE_STATISTICS,
    Classification,
    DecoyStatistics,
    NullRuns,
    Ranking,
    Significance,
)
from tumorcam.storage import disk
from tumorcam.storage.run_folder import slugs

NAN = np.nan


@pytest.fixture
def results(tiny_run):
    return read_run(finish_run(tiny_run)).results


def two_by_three(score, rank):
    """Tables and a ranking of tumors A, B and genes =G, H, K, with a decoy of H."""
    shape = (2, 3)
    numbers = {name: np.zeros(shape) for name in GENE_STATISTICS}
    numbers |= {"score": np.array(score, dtype=float), "rank": np.array(rank, dtype=float)}
    present = {name: np.array([[0.5], [NAN]]) for name in DECOY_STATISTICS}
    chance = {name: np.array([[0.2], [NAN]]) for name in DECOY_STATISTICS}
    ranking = Ranking(
        **numbers,
        evidence=np.full(shape, "none"),
        method="m",
        view="own",
        present=DecoyStatistics(**present),
        chance=DecoyStatistics(**chance),
        nulls=NullRuns(np.zeros((0, *shape)), np.zeros((0, 2, 1)), np.zeros(0), np.zeros(0)),
        decoys_in_top_20=np.zeros(2),
        replicate_score=np.zeros((1, 2, 5)),
        fold_score=np.zeros((1, 2, 5)),
        decoy_curve=pd.DataFrame(),
        n_called=0,
        called_low=NAN,
        called_high=NAN,
        smallest_q_decoy=0.1,
        too_few_decoys=False,
        zero_scale_samples=0,
    )
    results = Significance(
        path=None, digest="", cohort_digest="", config="{}", methods=("m",), missing_shards=(),
        tumors=np.array(["A", "B"]), genes=np.array(["=G", "H", "K"]), decoy_gene=np.array([1]),
        is_entrapped=np.zeros(3, bool),
        n=np.array([7, 8]), expression_auroc=np.zeros(shape), log2_fold_change=-np.ones(shape),
        classification=Classification(np.zeros((1, 1, 2)), np.ones(2)),
    )  # fmt: skip
    return results, ranking


def test_rows_are_sorted_by_tumor_and_rank_with_unranked_genes_last():
    results, ranking = two_by_three([[1, 3, 2], [5, 5, NAN]], [[3, 1, 2], [1.5, 1.5, NAN]])
    table = tables.gene_table(results, ranking)
    assert list(table.columns) == tables.GENE_SCHEMA.names
    assert (table["tumor"] + table["gene"]).tolist() == ["AH", "AK", "A=G", "B=G", "BH", "BK"]
    assert table["score"].tolist()[:5] == [3, 2, 1, 5, 5]
    assert table["n"].tolist() == [7, 7, 7, 8, 8, 8]


def test_a_decoys_rank_counts_the_genes_above_it():
    results, ranking = two_by_three([[1, 0.4, 0.5], [1, 2, 3]], [[1, 3, 2], [3, 2, 1]])
    table = tables.decoy_table(results, ranking)
    assert list(table)[:6] == ["tumor", "decoy", "method", "view", "present_score", "chance_score"]
    assert table["decoy"].tolist() == ["H", "H"]
    assert (table["present_score"][0], table["chance_score"][0]) == (0.5, 0.2)
    assert table["rank_among_genes"].tolist()[0] == 2  # behind 1, beside 0.5, before 0.4
    assert np.isnan(table["rank_among_genes"].tolist()[1])


@given(st.integers(0, 2**32 - 1))
def test_decoy_ranks_agree_with_a_slow_count(seed):
    rng = np.random.default_rng(seed)
    genes, decoys = rng.integers(0, 6, 12).astype(float), rng.integers(0, 6, 5).astype(float)
    genes[rng.random(12) < 0.2] = NAN
    counts = [1 + sum(g > d for g in genes) for d in decoys]
    assert tables.rank_among_genes(genes, decoys).tolist() == counts


def test_csv_and_parquet_hold_every_pair_once_and_agree(results, tmp_path):
    tables.write_genes_csv(tmp_path, results)
    tables.write_genes_parquet(tmp_path / "genes.parquet", results)
    read = pd.read_csv(tmp_path / "genes.csv")
    exact = pq.read_table(tmp_path / "genes.parquet").to_pandas()
    assert len(read) == len(exact) == 4 * 36 * 6
    assert list(read.columns) == list(exact.columns) == tables.GENE_SCHEMA.names
    assert not exact.duplicated(["method", "view", "tumor", "gene"]).any()
    order = exact.sort_values(["method", "view", "tumor", "rank", "gene"], ignore_index=True)
    pd.testing.assert_frame_equal(exact, order)
    for name in GENE_STATISTICS:
        np.testing.assert_allclose(read[name], exact[name], rtol=1e-5)
    first = exact.iloc[0]
    ranking = results.ranking(RankingKey(first["method"], first["view"]))
    gene = list(results.genes).index(first["gene"])
    assert first["score"] == ranking.score[0, gene]  # every bit


def test_formulas_in_csv_are_text_and_numbers_stay_numbers(tmp_path, monkeypatch):
    results, ranking = two_by_three([[1, -3, 2], [1, 2, NAN]], [[2, 3, 1], [2, 1, NAN]])
    monkeypatch.setattr(Significance, "rankings", lambda _: iter([ranking]))
    tables.write_genes_csv(tmp_path, results)
    with (tmp_path / "genes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["gene"] for row in rows[:3]] == ["K", "'=G", "H"]
    assert rows[2]["score"] == "-3.0"
    assert rows[0]["log2_fold_change"] == "-1.0"
    assert rows[5]["score"] == "NaN"  # unknown


def test_a_rank_list_falls_and_leaves_out_unknown_scores(tmp_path):
    results, ranking = two_by_three([[1, 3, 2], [NAN, -1, -2]], [[3, 1, 2], [NAN, 1, 2]])
    assert tables.write_rank_lists(tmp_path, results, ranking) == ["A.rnk", "B.rnk"]
    assert (tmp_path / "A.rnk").read_text() == "H\t3\nK\t2\n'=G\t1\n"
    assert (tmp_path / "B.rnk").read_text() == "H\t-1\nK\t-2\n"


@pytest.mark.parametrize(
    ("gene", "cell"),
    [("=2+5", "'=2+5"), ("+A", "'+A"), ("-A", "'-A"), ("@A", "'@A"), ("A\tB\r\nC", "A B C")],
)
def test_a_rank_list_has_two_columns_and_no_formula(tmp_path, gene, cell):
    results, ranking = two_by_three([[1, -3, 2], [1, 2, 3]], [[2, 3, 1], [1, 2, 3]])
    results = dataclasses.replace(results, genes=np.array([gene, "H", "K"]))
    tables.write_rank_lists(tmp_path, results, ranking)
    assert (tmp_path / "A.rnk").read_bytes() == f"K\t2\n{cell}\t1\nH\t-3\n".encode()


def test_labels_become_safe_file_names():
    labels = np.array(["BRCA", "GBM/LGG", "../x", "Wilms tumor", ".hidden"])
    assert slugs(labels) == ["BRCA", "GBM_LGG", "x", "Wilms_tumor", "hidden"]


@pytest.mark.parametrize("labels", [["a/b", "a b"], ["BRCA", "brca"], ["../", "BRCA"]])
def test_labels_that_cannot_be_told_apart_are_refused(labels):
    with pytest.raises(CohortError, match="rename a tumor"):
        slugs(np.array(labels))


def test_long_labels_are_cut_and_stay_apart():
    labels = np.array(["x" * 1000, "x" * 999 + "y", "x" * 100])
    first, second, whole = slugs(labels)
    assert whole == "x" * 100 and len(first) == len(second) == 100
    assert first.startswith("x" * 87 + "-") and first != second


@given(st.lists(st.text(min_size=1), max_size=4, unique=True))
def test_slugs_never_leave_the_folder(labels):
    try:
        words = slugs(np.array(labels, dtype=str))
    except CohortError:
        return
    assert len({word.lower() for word in words}) == len(labels)
    assert all(word and word[0] not in ".-" and not set(word) & set("/\\\0:") for word in words)


def test_decoys_csv_has_a_row_a_decoy_tumor_and_ranking(results, tmp_path):
    tables.write_decoys_csv(tmp_path, results)
    table = pd.read_csv(tmp_path / "decoys.csv")
    assert len(table) == 4 * 18 * 6
    assert table["rank_among_genes"].between(1, 37).all()
    ranking = results.ranking(RankingKey("gradient_x_input", "own"))
    decoy = results.genes[results.decoy_gene[7]]
    row = table.set_index(["method", "view", "tumor", "decoy"]).loc[
        ("gradient_x_input", "own", "BRCA", decoy)
    ]
    for name in DECOY_STATISTICS:
        for kind in ("present", "chance"):
            value = getattr(getattr(ranking, kind), name)[1, 7]
            assert row[f"{kind}_{name}"] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "write",
    [
        lambda path, results: tables.write_genes_csv(path.parent, results),
        tables.write_genes_parquet,
        lambda path, results: write_ranking_h5ad(
            path, results, RankingKey("guided_grad_cam", "contrast")
        ),
    ],
)
def test_a_full_disk_is_one_error_for_every_kind_of_table(results, tmp_path, monkeypatch, write):
    """The limit is the process's own, on the size of a file."""
    monkeypatch.setattr(disk, "is_full", lambda error: error.errno == errno.EFBIG)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(FileError, match="no space left to write"):
            write(tmp_path / "report" / "table", results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "report").iterdir()) == []


def test_the_librarys_table_is_that_of_the_report(tiny_run):
    config = finish_run(tiny_run)
    results = read_run(config).results
    table = tables.gene_significance(config.folder, method="guided_grad_cam", view="own")
    ranking = results.ranking(RankingKey("guided_grad_cam", "own"))
    pd.testing.assert_frame_equal(table, tables.gene_table(results, ranking))
    with pytest.raises(
        ConfigError,
        match=r"view 'both'; its methods are .*, its views own, contrast; pass",
    ):
        tables.gene_significance(config.folder, method="guided_grad_cam", view="both")


@pytest.mark.parametrize(
    ("folder", "method", "why"),
    [
        (
            None,
            "gradient",
            r"run_folder is a NoneType; wanted the path of a run; pass the",
        ),
        (3, "gradient", r"run_folder is a int; wanted the path of a run"),
        ("nothing", "gradient", r"run_folder 'nothing' is no folder; wanted a finished run; pass"),
        (".", "gradient", r"run_folder '\.' holds no config\.toml; wanted a finished run"),
        ("a\0", "gradient", r"run_folder, 'a\\x00', holds"),
        ("run", "cam", r"no genes by method 'cam' and view 'own'; its methods are guided_grad_cam"),
        ("run", None, r"no genes by method None and view 'own'"),
        ("run", ["gradient"], r"no genes by method \['gradient'\] and view 'own'"),
    ],
)
def test_a_wrong_run_or_method_says_what_to_pass(
    tiny_run, tmp_path, monkeypatch, folder, method, why
):
    if folder == "run":
        folder = finish_run(tiny_run).folder
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=why):
        tables.gene_significance(folder, method=method, view="own")


def test_a_new_csv_has_all_digits_and_no_formula(tmp_path):
    third = np.array([1 / 3, NAN, 1e-300])
    table = pd.DataFrame({"gene": ["=SUM(A1)", "@x", "TP53"], "decoy": third > 0, "score": third})
    path = tmp_path / "new" / "table.csv"
    tables.write_new_csv(path, table)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["gene,decoy,score", "'=SUM(A1),true,0.3333333333333333"]
    assert lines[2:] == ["'@x,false,NaN", "TP53,true,1e-300"]
    assert table["gene"].tolist() == ["=SUM(A1)", "@x", "TP53"]


def test_a_csv_never_replaces_what_is_there(tmp_path):
    (tmp_path / "link.csv").symlink_to("nowhere")
    (tmp_path / "file.csv").write_text("mine", encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    for name in ("link.csv", "file.csv", "folder.csv"):
        with pytest.raises(ConfigError, match=f"{name} is there already; name another file"):
            tables.write_new_csv(tmp_path / name, pd.DataFrame({"a": [1]}))
    assert (tmp_path / "file.csv").read_text(encoding="utf-8") == "mine"
    with pytest.raises(ConfigError, match="wanted UTF-8 text without control characters"):
        tables.require_new(tmp_path / "a\nb.csv")
