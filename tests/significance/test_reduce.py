import dataclasses
from pathlib import Path

import h5py
import made_up_shards
import numpy as np
import pytest
from conftest import copy_run
from made_up_shards import METHOD
from reduce_runs import reduce_on_ranks, shards_of, tables_digest, toml
from scipy import stats
from sklearn.metrics import roc_auc_score
from slow_tables import Slow, check_evidence, signed_rank_p_value, trimmed_means
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

import tumorcam
from jobs import reduce as job
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError, FileError
from tumorcam.explain.shards import SALIENCY_TYPE, shard_digest
from tumorcam.explain.views import VIEWS, RankingKey
from tumorcam.settings.config import Config, config_toml
from tumorcam.significance import band_statistics, held_out, reduce
from tumorcam.significance.statistics import PatientStatistics
from tumorcam.significance.tables import DECOY_STATISTICS, Significance, read_significance
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

SETTINGS = ["all samples", "correct_only", "a share of decoys"]
COLUMNS = (
    "score",
    "mean",
    "sd",
    "effect",
    "positive",
    "positive_low",
    "positive_high",
    "p_value",
    "margin",
    "q_value",
    "p_fwer",
    "q_decoy",
    "replication",
    "rank",
    "rank_low",
    "rank_high",
    "p_null",
    "evidence",
)


def read_tables(config: Config) -> Significance:
    run = RunFolder.of(config)
    return read_significance(run.significance, read_cohort(run.cohort, config).digest)


def write_run(folder: Path, decoys: str) -> Config:
    """The wide run with other decoys, without tables."""
    config = made_up_shards.prepare_wide_run(folder, decoys=decoys)
    made_up_shards.write_models_and_shards(config)
    return config


@pytest.fixture(scope="module", params=SETTINGS)
def reduced(request, wide_run, tmp_path_factory) -> Config:
    """The wide run with its tables, of all samples or of the correctly classified ones.

    In a third run only 60 of the genes have a decoy.
    """
    folder = tmp_path_factory.mktemp("reduced")
    if request.param == "a share of decoys":
        config = write_run(folder, "0.12")
    else:
        config = copy_run(wide_run, folder / "run")
    chosen = request.param == "correct_only"
    settings = dataclasses.replace(config.significance, correct_only=chosen)
    config = dataclasses.replace(config, significance=settings)
    hdf5.write_text(config.folder / "config.toml", config_toml(config))
    assert job.main([toml(config)]) == 0
    return config


@pytest.fixture(scope="module")
def tables(reduced) -> Significance:
    return read_tables(reduced)


@pytest.fixture(scope="module")
def slow(reduced) -> Slow:
    return Slow(reduced)


@pytest.mark.parametrize("view", VIEWS)
def test_statistics_of_patients_agree_with_pandas_and_scipy(tables, slow, view):
    patients = slow.patients(slow.values[view].mean(axis=0), slow.kept)
    ranking = tables.ranking(RankingKey(METHOD, view))
    np.testing.assert_array_equal(tables.n, patients.groupby(level=0).size())
    close = {"rtol": 1e-9, "atol": 1e-12}
    for tumor, table in patients.groupby(level=0):
        values, n = table.to_numpy(), len(table)
        above = (values > 0).sum(axis=0)
        mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
        low, high = proportion_confint(above, n, method="wilson")
        p_value = np.array([signed_rank_p_value(column) for column in values.T])
        expected = {"score": trimmed_means(table), "mean": mean, "sd": sd, "effect": mean / sd,
                    "positive": above / n, "positive_low": low, "positive_high": high,
                    "p_value": p_value}  # fmt: skip
        first = [slow.n_genes, slow.n_genes + slow.n_decoys]
        for name, column in expected.items():
            genes, present, chance = np.split(column, first)
            computed = getattr(ranking, name)[tumor]
            np.testing.assert_allclose(computed, genes, **close, err_msg=name)
            if name in DECOY_STATISTICS:
                computed = getattr(ranking.present, name)[tumor]
                np.testing.assert_allclose(computed, present, **close, err_msg=name)
                computed = getattr(ranking.chance, name)[tumor]
                np.testing.assert_allclose(computed, chance, **close, err_msg=name)


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_joint_over_tumors_agrees_with_its_definition(reduced, tables, slow, view):
    ranking = tables.ranking(RankingKey(METHOD, view))
    columns = {name: getattr(ranking, name) for name in COLUMNS}
    recall = tables.classification.recall
    assert ranking.zero_scale_samples == len(shards_of(reduced)), "one a shard"
    np.testing.assert_array_equal(tables.classification.probability, slow.probability)
    score = columns["score"]
    q_value = multipletests(columns["p_value"].ravel(), method="fdr_bh")[1].reshape(score.shape)
    np.testing.assert_allclose(columns["q_value"], q_value, rtol=1e-12)
    np.testing.assert_array_equal(columns["rank"], stats.rankdata(-score, axis=1))
    all_scores = slow.scores(slow.values[view].mean(axis=0), slow.kept)
    np.testing.assert_allclose(columns["margin"], slow.margins(all_scores), atol=1e-12)
    rng = np.random.default_rng(0)
    drawn = zip(rng.integers(0, 3, 40), rng.integers(0, 500, 40), strict=True)
    for tumor, gene in [*drawn, *np.argwhere(columns["rank"] <= 20)]:
        expected = slow.q_decoy(all_scores, tumor, gene)
        assert columns["q_decoy"][tumor, gene] == pytest.approx(expected, rel=1e-12)
    called = (columns["q_decoy"] <= reduced.significance.q_decoy).sum()
    assert ranking.n_called == called > 0
    assert 0 <= ranking.called_low <= ranking.called_high <= score.size
    both = np.concatenate([ranking.present.score, score], axis=1)
    ranks = stats.rankdata(-both, axis=1, method="ordinal")
    in_top = (ranks[:, : slow.n_decoys] <= 20).sum(axis=1) * slow.n_genes / slow.n_decoys
    np.testing.assert_allclose(ranking.decoys_in_top_20, in_top)
    tumor = slow.cohort.tumor
    np.testing.assert_allclose(recall, [slow.correct[tumor == t].mean() for t in range(3)])
    check_evidence(columns, recall, reduced)


@pytest.mark.parametrize("view", VIEWS)
def test_scores_of_models_agree_with_their_definition(reduced, tables, slow, view):
    ranking = tables.ranking(RankingKey(METHOD, view))
    scores = slow.model_scores(view)
    margins = slow.margins(scores.reshape(-1, scores.shape[-1])).reshape(4, 3, slow.n_genes)
    has_tumor = ~np.isnan(scores[..., 0]).reshape(4, 3)
    lost = made_up_shards.TUMORS.index(made_up_shards.LEFT_OUT)
    n_models = has_tumor.sum(axis=0)
    assert n_models[lost] == (2 if reduced.significance.correct_only else 4)
    least, most = (  # the last bits of equal scores may differ
        (margins > limit).sum(axis=0) / n_models[:, np.newaxis] for limit in (1e-12, -1e-12)
    )
    has_decoy = np.isin(np.arange(slow.n_genes), slow.cohort.decoy_gene)
    replication = ranking.replication
    assert (np.isnan(replication) == ~has_decoy).all()
    assert ((least <= replication) & (replication <= most))[:, has_decoy].all()
    assert (least == most).mean() > 0.99
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(ranking.fold_score, scores.mean(axis=0), **close)
    whole = [slow.scores(values, slow.kept) for values in slow.values[view]]
    np.testing.assert_allclose(ranking.replicate_score, whole, **close)


def test_expression_columns_agree_with_scikit_learn(tables, slow):
    expression, tumor = slow.cohort.expression(), slow.cohort.tumor
    auroc, change = tables.expression_auroc, tables.log2_fold_change
    for t in range(3):
        expected = [roc_auc_score(tumor == t, expression[:, gene]) for gene in range(0, 500, 50)]
        np.testing.assert_allclose(auroc[t, ::50], expected, rtol=1e-12)
        inside, outside = expression[tumor == t], expression[tumor != t]
        np.testing.assert_allclose(
            change[t], inside.mean(axis=0, dtype=float) - outside.mean(axis=0, dtype=float),
            rtol=1e-6, atol=1e-6,
        )  # fmt: skip


def test_the_file_holds_its_records_and_nothing_else(reduced, tables, slow):
    assert tables.methods == (METHOD,) and tables.views == ("own", "contrast")
    digests = [shard_digest(RunFolder.of(reduced).shard(shard)) for shard in shards_of(reduced)]
    with h5py.File(RunFolder.of(reduced).significance) as file:
        assert set(file) == {
            "tumors", "genes", "decoy_gene", "is_entrapped", "n", "expression_auroc",
            "log2_fold_change", "classification", "methods", "missing_shards", METHOD,
            "decoys", "samples", "replicates", "present_replicates", "folds", "null_runs",
            "gene_or_decoy",
        }  # fmt: skip
        assert set(file[METHOD]) == {"own", "contrast"}
        assert set(file[f"{METHOD}/contrast"]) == {
            *COLUMNS, "present", "chance", "decoys_in_top_20", "decoy_curve", "replicate_score",
            "fold_score", "nulls",
        }  # fmt: skip
        assert set(file[f"{METHOD}/contrast"].attrs) == {
            "method", "view", "smallest_q_decoy", "too_few_decoys", "zero_scale_samples",
            "n_called", "called_low", "called_high",
        }  # fmt: skip
        assert file.attrs["shards_digest"] == integrity.text_digest("".join(digests))
    ranking = tables.ranking(RankingKey(METHOD, "contrast"))
    columns = ["score", "genes", "decoys", "estimated_false", "q_decoy"]
    assert list(ranking.decoy_curve) == columns
    for name in COLUMNS[:-2]:
        values = getattr(ranking, name)
        assert values.shape == (3, 500) and values.dtype == np.float64, name
        has_value = np.full(500, True)
        if name in ("margin", "replication"):
            has_value = np.isin(np.arange(500), tables.decoy_gene)
        assert (np.isfinite(values) == has_value).all(), name
    assert ranking.present.score.shape == ranking.chance.score.shape == (3, slow.n_decoys)
    assert np.isnan(ranking.p_null).all(), "no null runs"


def test_saliency_h5_shows_every_shard_in_the_order_of_the_plan(reduced, slow):
    path = RunFolder.of(reduced).saliency
    with hdf5.open_file(path, SALIENCY_TYPE, remedy="") as file:
        order = file["sample_index"][...]
        for view in VIEWS:
            view_of_all = file[f"{METHOD}/{view}"]
            assert view_of_all.is_virtual and view_of_all.dtype == np.float16
            for replicate in range(2):
                expected = slow.values[view][replicate, order[replicate]]
                np.testing.assert_array_equal(view_of_all[replicate], expected)
    assert (np.sort(order, axis=1) == np.arange(order.shape[1])).all()


def test_correct_only_drops_the_tumor_that_one_fold_loses(reduced, tables):
    n, recall = tables.n, tables.classification.recall
    lost = made_up_shards.TUMORS.index(made_up_shards.LEFT_OUT)
    assert recall[lost] < 0.7 and (recall[:2] > 0.5).all()
    if reduced.significance.correct_only:
        assert n[lost] < made_up_shards.N_PATIENTS * 0.7
    else:
        assert n.tolist() == [12, 12, 12]


def test_a_constant_gene_is_untestable_and_no_test(wide_copy):
    cohort = read_cohort(wide_copy.folder / "cohort.h5", wide_copy)
    variance = np.where(np.arange(500) == 300, 0, cohort.variance)
    run = RunFolder.of(wide_copy)
    changed = dataclasses.replace(cohort, variance=variance)
    reduce.reduce_run(run, changed, read_plan(run.plan), wide_copy, Ranks())
    table = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    constant = table["gene"] == "G300"
    assert table["p_value"].isna().equals(constant)
    assert set(table.loc[constant, "evidence"]) == {"untestable"}
    assert table["score"].notna().all()
    tested = table[~constant]
    expected = multipletests(tested["p_value"], method="fdr_bh")[1]
    np.testing.assert_allclose(tested["q_value"], expected, rtol=1e-12)


def test_without_decoys_the_rate_is_unknown(tmp_path):
    config = write_run(tmp_path, "none")
    assert job.main([toml(config)]) == 0
    tables = read_tables(config)
    for ranking in tables.rankings():
        assert ranking.present.score.shape == ranking.chance.score.shape == (3, 0)
        assert np.isfinite(ranking.score).all() and set(ranking.evidence.ravel()) == {"unknown"}
        for values in (ranking.q_decoy, ranking.margin, ranking.replication):
            assert np.isnan(values).all()
        assert ranking.n_called == 0 and not ranking.too_few_decoys
        assert np.isnan([ranking.called_low, ranking.called_high, ranking.smallest_q_decoy]).all()
        assert ranking.replicate_score.shape == (2, 3, 500)


def test_a_band_does_not_change_with_its_width(wide_run):
    run, key = RunFolder.of(wide_run), RankingKey(METHOD, "own")
    cohort = read_cohort(run.cohort, wide_run)
    source = held_out.read_source(run, cohort, wide_run, read_plan(run.plan).shards)
    whole, part = (
        dict(band_statistics.band_rankings(source, band, [key]))[key]
        for band in (slice(0, 560), slice(490, 520))
    )
    for field in dataclasses.fields(PatientStatistics):
        column = getattr(whole, field.name)[..., 490:520]
        np.testing.assert_array_equal(getattr(part, field.name), column, err_msg=field.name)
    for name in ("model_score", "replicate_score"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[..., 490:520])
    # a matrix product: its bits depend on its width, which is fixed; decoys have no bootstraps
    bootstrap = whole.bootstrap[..., 490:]
    assert bootstrap.shape == (3, 200, 10)
    np.testing.assert_allclose(part.bootstrap, bootstrap, rtol=1e-5, atol=1e-6)


@pytest.mark.mpi
def test_the_number_of_ranks_changes_no_bit(wide_copy):
    digests = []
    for n_ranks in (1, 2, 3, 7):
        assert reduce_on_ranks(wide_copy, n_ranks).returncode == 0
        integrity.check_seal(wide_copy.folder / "saliency.h5")
        digests.append(tables_digest(wide_copy))
        (wide_copy.folder / "significance.h5").unlink()
    assert job.main([toml(wide_copy)]) == 0
    assert {*digests} == {tables_digest(wide_copy)}


def test_no_band_stays_open_when_its_ranking_is_done(wide_copy, monkeypatch):
    """HDF5 keeps what it has read of an open file, so that memory grew with every ranking."""
    opened = []

    def rank_genes(columns, *args):
        assert not any(earlier.files[0] for earlier in opened)
        opened.append(columns)
        return reduce_genes(columns, *args)

    reduce_genes = reduce.rank_genes
    monkeypatch.setattr(reduce, "rank_genes", rank_genes)
    assert job.main([toml(wide_copy)]) == 0
    assert len(opened) == len(VIEWS) * len(wide_copy.explain.methods)


def test_a_rerun_is_skipped_while_all_is_there(reduced, tmp_path, capsys):
    config = copy_run(reduced, tmp_path / "run")
    path, virtual = config.folder / "significance.h5", config.folder / "saliency.h5"
    before = path.stat().st_mtime_ns
    assert job.main([toml(config)]) == 0
    assert "the tables are there already" in capsys.readouterr().err
    assert path.stat().st_mtime_ns == before
    virtual.unlink()
    assert job.main([toml(config)]) == 0
    assert virtual.exists() and tables_digest(config) == tables_digest(reduced)


def test_other_thresholds_and_other_shards_make_new_tables(wide_copy):
    digests = []
    cohort = read_cohort(wide_copy.folder / "cohort.h5", wide_copy)
    for words in ([], ["--set", "significance.q_decoy=0.2"]):
        assert job.main([toml(wide_copy), *words]) == 0
        digests.append(tables_digest(wide_copy))
    made_up_shards.write_shard(wide_copy, cohort, shards_of(wide_copy)[0], seed=1)
    assert job.main([toml(wide_copy)]) == 0
    assert len({*digests, tables_digest(wide_copy)}) == 3


def test_a_dry_run_says_what_it_would_do(wide_copy, capsys):
    assert job.main([toml(wide_copy), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "39 samples a replicate, 500 genes and 500 decoys" in said
    assert not (wide_copy.folder / "significance.h5").exists()


def test_the_library_gives_the_table_of_a_run(reduced, tables):
    table = tumorcam.gene_significance(reduced.folder, method=METHOD, view="contrast")
    assert len(table) == 3 * 500
    assert list(table)[:6] == ["tumor", "gene", "method", "view", "n", "score"]
    ranking = tables.ranking(RankingKey(METHOD, "contrast"))
    for tumor, part in table.groupby("tumor"):
        row = made_up_shards.TUMORS.index(tumor)
        by_gene = part.sort_values("gene")
        for name in ("score", "q_decoy", "rank", "replication"):
            np.testing.assert_array_equal(by_gene[name], getattr(ranking, name)[row])
        assert part["rank"].is_monotonic_increasing


def test_the_library_names_what_a_run_has(reduced, tiny_run):
    with pytest.raises(ConfigError, match="methods are gradient_x_input, its views own, contrast"):
        tumorcam.gene_significance(reduced.folder, method="guided_backprop", view="own")
    with pytest.raises(FileError, match=r"significance.h5 does not exist; run `tumorcam reduce`"):
        tumorcam.gene_significance(str(tiny_run.folder), method=METHOD, view="own")
    with pytest.raises(AttributeError, match="no attribute 'saliency_maps'"):
        _ = tumorcam.saliency_maps


def test_the_tiny_run_goes_all_the_way(explained_copy):
    """Shards that explain itself wrote, three methods."""
    assert job.main([toml(explained_copy)]) == 0
    table = tumorcam.gene_significance(
        explained_copy.folder, method="guided_grad_cam", view="contrast"
    )
    assert len(table) == 4 * 36 and table["n"].unique().tolist() == [11]
    plan = read_plan(RunFolder.of(explained_copy).plan)
    cohort = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    before = tables_digest(explained_copy)
    (explained_copy.folder / "significance.h5").unlink()
    reduce.reduce_run(RunFolder.of(explained_copy), cohort, plan, explained_copy, Ranks())
    assert tables_digest(explained_copy) == before
