import dataclasses
import functools
import json

import h5py
import made_up_shards
import numpy as np
import pytest
from conftest import copy_run
from made_up_shards import METHOD
from reduce_runs import reduce_on_ranks, shards_of, tables_digest, toml
from scipy import stats
from sklearn.metrics import roc_auc_score
from slow_tables import Slow, check_evidence, q_decoy, signed_rank_p_value
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

import tumorcam
from jobs import reduce as job
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import read_cohort
from tumorcam.config import Config, config_toml
from tumorcam.errors import ConfigError, FileError
from tumorcam.significance import bands, reduce
from tumorcam.storage import hdf5, integrity, records
from tumorcam.storage.plan import SALIENCY_TYPE, read_plan, shard_file

SETTINGS = ["all samples", "correct_only"]
COLUMNS = (
    "score",
    "sd",
    "effect",
    "positive",
    "positive_low",
    "positive_high",
    "p_value",
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


@pytest.fixture(scope="module", params=SETTINGS)
def reduced(request, wide_run, tmp_path_factory) -> Config:
    """The wide run with its tables, of all samples or of the correctly classified ones."""
    config = copy_run(wide_run, tmp_path_factory.mktemp("reduced") / "run")
    chosen = request.param == "correct_only"
    settings = dataclasses.replace(config.significance, correct_only=chosen)
    config = dataclasses.replace(config, significance=settings)
    hdf5.write_text(config.folder / "config.toml", config_toml(config))
    assert job.main([toml(config)]) == 0
    return config


@pytest.fixture(scope="module")
def slow(reduced) -> Slow:
    return Slow(reduced)


@pytest.mark.parametrize("view", bands.VIEWS)
def test_statistics_of_patients_agree_with_pandas_and_scipy(reduced, slow, view):
    patients = slow.patients(slow.values[view].mean(axis=0), slow.kept)
    with h5py.File(reduced.folder / "significance.h5") as file:
        group = file[f"{METHOD}/{view}"]
        found = {name: group[name][...] for name in bands.STATISTICS}
        decoys = {name: group[f"decoys/{name}"][...] for name in ("score", "sd", "positive")}
        np.testing.assert_array_equal(file["n"][...], patients.groupby(level=0).size())
    close = {"rtol": 1e-9, "atol": 1e-12}
    for tumor, table in patients.groupby(level=0):
        values, n = table.to_numpy(), len(table)
        above = (values > 0).sum(axis=0)
        score, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
        low, high = proportion_confint(above, n, method="wilson")
        p_value = np.array([signed_rank_p_value(column) for column in values.T])
        genes, rest = slice(slow.n_genes), slice(slow.n_genes, None)
        wanted = {"score": score, "sd": sd, "effect": score / sd, "positive": above / n,
                  "positive_low": low, "positive_high": high, "p_value": p_value}  # fmt: skip
        for name, column in wanted.items():
            np.testing.assert_allclose(found[name][tumor], column[genes], **close, err_msg=name)
        for name in decoys:
            np.testing.assert_allclose(decoys[name][tumor], wanted[name][rest], **close)


@pytest.mark.parametrize("view", bands.VIEWS)
def test_what_is_joint_over_tumors_agrees_with_its_definition(reduced, slow, view):
    with h5py.File(reduced.folder / "significance.h5") as file:
        group = file[f"{METHOD}/{view}"]
        found = {name: group[name][...] for name in COLUMNS}
        decoys = group["decoys/score"][...]
        in_top = group["decoys_in_top_20"][...]
        recall = file["classification/recall"][...]
        assert group.attrs["zero_scale_samples"] == len(shards_of(reduced)), "one a shard"
        np.testing.assert_array_equal(file["classification/probability"][...], slow.probability)
    score = found["score"]
    q_value = multipletests(found["p_value"].ravel(), method="fdr_bh")[1].reshape(score.shape)
    np.testing.assert_allclose(found["q_value"], q_value, rtol=1e-12)
    np.testing.assert_array_equal(found["rank"], stats.rankdata(-score, axis=1))
    n_top, n_models = slow.model_tops(view, k=25)
    np.testing.assert_array_equal(found["replication"], n_top / n_models[:, np.newaxis])
    assert n_models.tolist() == [4, 4, 2 if reduced.significance.correct_only else 4]
    rng = np.random.default_rng(0)
    for tumor, gene in zip(rng.integers(0, 3, 40), rng.integers(0, 500, 40), strict=True):
        wanted = q_decoy(score[tumor, gene], score, decoys)
        assert found["q_decoy"][tumor, gene] == pytest.approx(wanted, rel=1e-12)
    both = np.concatenate([decoys, score], axis=1)
    ranks = stats.rankdata(-both, axis=1, method="ordinal")
    ratio = score.shape[1] / decoys.shape[1]
    np.testing.assert_allclose(in_top, (ranks[:, : decoys.shape[1]] <= 20).sum(axis=1) * ratio)
    tumor = slow.cohort.tumor
    np.testing.assert_allclose(recall, [slow.correct[tumor == t].mean() for t in range(3)])
    check_evidence(found, recall, reduced)


def test_expression_columns_agree_with_scikit_learn(reduced, slow):
    expression, tumor = slow.cohort.expression(), slow.cohort.tumor
    with h5py.File(reduced.folder / "significance.h5") as file:
        auroc, change = file["expression_auroc"][...], file["log2_fold_change"][...]
    for t in range(3):
        wanted = [roc_auc_score(tumor == t, expression[:, gene]) for gene in range(0, 500, 50)]
        np.testing.assert_allclose(auroc[t, ::50], wanted, rtol=1e-12)
        inside, outside = expression[tumor == t], expression[tumor != t]
        np.testing.assert_allclose(
            change[t], inside.mean(axis=0, dtype=float) - outside.mean(axis=0, dtype=float),
            rtol=1e-6, atol=1e-6,
        )  # fmt: skip


def test_the_schema_and_the_attributes(reduced):
    with h5py.File(reduced.folder / "significance.h5") as file:
        assert json.loads(file.attrs["methods"]) == [METHOD]
        assert json.loads(file.attrs["views"]) == ["own", "contrast"]
        assert set(file) == {
            "tumors", "genes", "decoy_gene", "n", "expression_auroc", "log2_fold_change",
            "classification", METHOD,
        }  # fmt: skip
        group = file[f"{METHOD}/contrast"]
        assert set(group) == {
            *COLUMNS, "decoys", "decoys_in_top_20", "decoy_curve", "replicate_score", "fold_score",
            "nulls",
        }  # fmt: skip
        assert set(group.attrs) == {"smallest_q_decoy", "too_few_decoys", "zero_scale_samples"}
        curve = records.read_table(group["decoy_curve"])
        assert list(curve) == ["score", "genes", "decoys", "estimated_false", "q_decoy"]
        for name in COLUMNS[:-2]:
            assert group[name].shape == (3, 500) and group[name].dtype == np.float64, name
            assert np.isfinite(group[name][...]).all(), name
        assert np.isnan(group["p_null"][...]).all(), "no null replicates"
        digests = [
            hdf5.stored_digest(shard_file(reduced.folder, shard), "tumorcam-shard", remedy="")
            for shard in shards_of(reduced)
        ]
        assert file.attrs["shards_digest"] == integrity.text_digest("".join(digests))


def test_saliency_h5_shows_every_shard_in_the_order_of_the_plan(reduced, slow):
    path = reduced.folder / "saliency.h5"
    with hdf5.open_file(path, SALIENCY_TYPE, remedy="") as file:
        order = file["sample_index"][...]
        for view in bands.VIEWS:
            found = file[f"{view}/{METHOD}"]
            assert found.is_virtual and found.dtype == np.float16
            for replicate in range(2):
                wanted = slow.values[view][replicate, order[replicate]]
                np.testing.assert_array_equal(found[replicate], wanted)
    assert (np.sort(order, axis=1) == np.arange(order.shape[1])).all()


def test_correct_only_drops_the_tumor_that_one_fold_loses(reduced, slow):
    with h5py.File(reduced.folder / "significance.h5") as file:
        n, recall = file["n"][...], file["classification/recall"][...]
    lost = made_up_shards.TUMORS.index(made_up_shards.LEFT_OUT)
    assert recall[lost] < 0.7 and (recall[:2] > 0.5).all()
    if reduced.significance.correct_only:
        assert n[lost] < made_up_shards.N_PATIENTS * 0.7
    else:
        assert n.tolist() == [12, 12, 12]


def test_a_constant_gene_is_untestable_and_no_test(wide_copy):
    cohort = read_cohort(wide_copy.folder / "cohort.h5", wide_copy)
    variance = np.where(np.arange(500) == 300, 0, cohort.variance)
    plan = read_plan(wide_copy.folder / "plan.json")
    reduce.reduce_run(
        wide_copy.folder, dataclasses.replace(cohort, variance=variance), plan, wide_copy, Ranks()
    )
    table = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    constant = table["gene"] == "G300"
    assert table["p_value"].isna().equals(constant)
    assert set(table.loc[constant, "evidence"]) == {"untestable"}
    assert table["score"].notna().all()
    tested = table[~constant]
    wanted = multipletests(tested["p_value"], method="fdr_bh")[1]
    np.testing.assert_allclose(tested["q_value"], wanted, rtol=1e-12)


def test_a_band_does_not_change_with_its_width(wide_run):
    plan = read_plan(wide_run.folder / "plan.json")
    cohort = read_cohort(wide_run.folder / "cohort.h5", wide_run)
    source = bands.read_source(wide_run.folder, cohort, wide_run, plan.shards)
    name = f"{METHOD}/own"
    whole, part = (
        dict(bands.band_statistics(source, band, [name]))[name].columns
        for band in (slice(0, 560), slice(490, 520))
    )
    for key, column in part.items():
        same = np.testing.assert_array_equal
        if key == "bootstrap":  # a matrix product: its bits depend on its width, which is fixed
            same = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
        same(column, whole[key][..., 490:520], err_msg=key)


@pytest.mark.mpi
def test_the_number_of_ranks_changes_no_bit(wide_copy):
    digests = []
    for n_ranks in (1, 2, 3, 7):
        assert reduce_on_ranks(wide_copy, n_ranks).returncode == 0
        integrity.verify_file(wide_copy.folder / "saliency.h5")
        digests.append(tables_digest(wide_copy))
        (wide_copy.folder / "significance.h5").unlink()
    assert job.main([toml(wide_copy)]) == 0
    assert {*digests} == {tables_digest(wide_copy)}


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
    assert "39 samples a replicate, 500 genes and 60 decoys" in said
    assert not (wide_copy.folder / "significance.h5").exists()


def test_the_library_gives_the_table_of_a_run(reduced):
    table = tumorcam.gene_significance(reduced.folder, method=METHOD, view="contrast")
    assert len(table) == 3 * 500
    assert list(table)[:6] == ["tumor", "gene", "method", "view", "n", "score"]
    with h5py.File(reduced.folder / "significance.h5") as file:
        for tumor, part in table.groupby("tumor"):
            row = made_up_shards.TUMORS.index(tumor)
            by_gene = part.sort_values("gene")
            for name in ("score", "q_decoy", "rank", "replication"):
                wanted = file[f"{METHOD}/contrast/{name}"][row]
                np.testing.assert_array_equal(by_gene[name], wanted)
            assert part["rank"].is_monotonic_increasing


def test_the_library_names_what_a_run_has(reduced, tiny_run):
    with pytest.raises(ConfigError, match="its methods are gradient_x_input, its views own, con"):
        tumorcam.gene_significance(reduced.folder, method="guided_backprop", view="own")
    with pytest.raises(FileError, match=r"significance.h5 does not exist; run jobs.reduce"):
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
    plan = read_plan(explained_copy.folder / "plan.json")
    cohort = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    before = tables_digest(explained_copy)
    (explained_copy.folder / "significance.h5").unlink()
    reduce.reduce_run(explained_copy.folder, cohort, plan, explained_copy, Ranks())
    assert tables_digest(explained_copy) == before
