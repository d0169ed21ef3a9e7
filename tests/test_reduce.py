import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import made_up_shards
import numpy as np
import pytest
from made_up_shards import METHOD
from scipy import stats
from sklearn.metrics import roc_auc_score
from slow_tables import Slow, check_evidence, q_decoy, signed_rank_p_value
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

import tumorcam
from jobs import reduce as job
from tumorcam import processes, reduce, shards, store
from tumorcam.cohort import read_cohort
from tumorcam.config import Config, config_toml
from tumorcam.errors import ConfigError, FileError
from tumorcam.ranks import Ranks

SETTINGS = ["all samples", "correct_only"]


def toml(config: Config) -> str:
    return str(config.folder / "config.toml")


def copy_run(config: Config, folder: Path) -> Config:
    shutil.copytree(config.folder, folder)
    copied = dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(folder)))
    store.write_text(folder / "config.toml", config_toml(copied))
    return copied


def tables_digest(config: Config) -> str:
    path = config.folder / "significance.h5"
    store.verify_file(path)
    return store.stored_digest(path, shards.SIGNIFICANCE_TYPE, remedy="")


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory) -> Config:
    """Three bands, six shards a replicate; to be read, never changed."""
    config = made_up_shards.prepare_wide_run(tmp_path_factory.mktemp("wide"))
    made_up_shards.write_models_and_shards(config)
    return config


@pytest.fixture(scope="module", params=SETTINGS)
def reduced(request, wide_run, tmp_path_factory) -> Config:
    """The wide run with its tables, of all samples or of the correctly classified ones."""
    config = copy_run(wide_run, tmp_path_factory.mktemp("reduced") / "run")
    chosen = request.param == "correct_only"
    settings = dataclasses.replace(config.significance, correct_only=chosen)
    config = dataclasses.replace(config, significance=settings)
    store.write_text(config.folder / "config.toml", config_toml(config))
    assert job.main([toml(config)]) == 0
    return config


@pytest.fixture
def wide_copy(wide_run, tmp_path) -> Config:
    return copy_run(wide_run, tmp_path / "copy")


@pytest.fixture(scope="module")
def slow(reduced) -> Slow:
    return Slow(reduced)


@pytest.mark.parametrize("view", reduce.VIEWS)
def test_statistics_of_patients_agree_with_pandas_and_scipy(reduced, slow, view):
    patients = slow.patients(slow.values[view].mean(axis=0), slow.kept)
    with h5py.File(reduced.folder / "significance.h5") as file:
        group = file[f"{METHOD}/{view}"]
        found = {name: group[name][...] for name in reduce.STATISTICS}
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


@pytest.mark.parametrize("view", reduce.VIEWS)
def test_what_is_joint_over_tumors_agrees_with_its_definition(reduced, slow, view):
    with h5py.File(reduced.folder / "significance.h5") as file:
        group = file[f"{METHOD}/{view}"]
        found = {name: item[...] for name, item in group.items() if name[0] not in "d"}
        decoys = group["decoys/score"][...]
        in_top = group["decoys_in_top_20"][...]
        recall = file["classification/recall"][...]
        assert group.attrs["zero_scale_samples"] == len(reduced_shards(reduced)), "one a shard"
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


def reduced_shards(config: Config):
    return shards.read_plan(config.folder / "plan.json").shards


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
            *reduce.STATISTICS, "q_value", "q_decoy", "replication", "rank", "evidence", "decoys",
            "decoys_in_top_20", "decoy_curve",
        }  # fmt: skip
        assert set(group.attrs) == {"smallest_q_decoy", "too_few_decoys", "zero_scale_samples"}
        curve = store.read_table(group["decoy_curve"])
        assert list(curve) == ["score", "genes", "decoys", "estimated_false", "q_decoy"]
        for name in (*reduce.STATISTICS, "q_value", "q_decoy", "replication", "rank"):
            assert group[name].shape == (3, 500) and group[name].dtype == np.float64, name
            assert np.isfinite(group[name][...]).all(), name
        digests = [
            store.stored_digest(
                shards.shard_file(reduced.folder, shard), "tumorcam-shard", remedy=""
            )
            for shard in reduced_shards(reduced)
        ]
        assert file.attrs["shards_digest"] == store.text_digest("".join(digests))


def test_saliency_h5_shows_every_shard_in_the_order_of_the_plan(reduced, slow):
    path = reduced.folder / "saliency.h5"
    with store.open_file(path, shards.SALIENCY_TYPE, remedy="") as file:
        order = file["sample_index"][...]
        for view in reduce.VIEWS:
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
    plan = shards.read_plan(wide_copy.folder / "plan.json")
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
    plan = shards.read_plan(wide_run.folder / "plan.json")
    cohort = read_cohort(wide_run.folder / "cohort.h5", wide_run)
    samples = reduce.read_samples(wide_run.folder, cohort, plan, wide_run)
    whole, part = (
        reduce.reduce_band(wide_run.folder, cohort, plan, wide_run, samples, band)[f"{METHOD}/own"]
        for band in (slice(0, 560), slice(490, 520))
    )
    for name, column in part.columns.items():
        np.testing.assert_array_equal(column, whole.columns[name][:, 490:520], err_msg=name)
    np.testing.assert_array_equal(part.model_scores, whole.model_scores[:, :, 490:520])


def reduce_on_ranks(config: Config, n_ranks: int) -> "subprocess.CompletedProcess[str]":
    words = [processes.find_mpiexec(), "-n", str(n_ranks), sys.executable, "-m", "mpi4py", "-m"]
    command = [*words, "jobs.reduce", toml(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.mpi
def test_the_number_of_ranks_changes_no_bit(wide_copy):
    digests = []
    for n_ranks in (1, 3):
        assert reduce_on_ranks(wide_copy, n_ranks).returncode == 0
        store.verify_file(wide_copy.folder / "saliency.h5")
        digests.append(tables_digest(wide_copy))
        (wide_copy.folder / "significance.h5").unlink()
    assert job.main([toml(wide_copy)]) == 0
    assert {*digests} == {tables_digest(wide_copy)}


@pytest.mark.mpi
def test_a_missing_shard_ends_all_ranks(wide_copy):
    path = shards.shard_file(wide_copy.folder, reduced_shards(wide_copy)[4])
    path.unlink()
    ended = reduce_on_ranks(wide_copy, 3)
    assert ended.returncode != 0 and f"{path} does not exist" in ended.stderr


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
    made_up_shards.write_shard(wide_copy, cohort, reduced_shards(wide_copy)[0], seed=1)
    assert job.main([toml(wide_copy)]) == 0
    assert len({*digests, tables_digest(wide_copy)}) == 3


def set_attribute(path: Path, name: str, value: str) -> None:
    with h5py.File(path, "a") as file:
        file.attrs[name] = value


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), r"{shard} does not exist; run jobs\.explain"),
        (halve, r"{shard} cannot be read .*; delete it, then run jobs\.explain"),
        (lambda path: set_attribute(path, "model_digest", "x"), r"{shard} .*another model_digest"),
        (lambda path: set_attribute(path, "cohort_digest", "x"), r"another cohort_digest; run"),
        (lambda path: set_attribute(path, "shard", "r09"), r"{shard} was made with another shard"),
        (lambda path: set_attribute(path, "n_samples", 3), r"made with another n_samples"),
        (lambda path: set_attribute(path, "config", "{}"), r"explain\.batch_size: None -> 64"),
        (lambda path: set_attribute(path, "encoding-version", "0"), r"version '0'; wanted"),
        (lambda path: set_attribute(path, "complete", False), r"incomplete"),
    ],
)  # fmt: skip
def test_a_shard_that_cannot_be_used_is_named(wide_copy, capsys, spoil, words):
    path = shards.shard_file(wide_copy.folder, reduced_shards(wide_copy)[4])
    spoil(path)
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert "1 of 12 shards are not ready" in said
    assert re.search(words.format(shard=re.escape(str(path))), said), said
    assert not (wide_copy.folder / "significance.h5").exists()


def test_a_flipped_bit_is_met_by_the_checksum(wide_copy, capsys):
    path = shards.shard_file(wide_copy.folder, reduced_shards(wide_copy)[4])
    with h5py.File(path) as file:
        offset = file[f"own/{METHOD}"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 9] ^= 1
    path.write_bytes(content)
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert f"{path} cannot be read" in said and "run jobs.explain" in said


def test_changed_settings_of_explain_are_seen(wide_copy, capsys):
    assert job.main([toml(wide_copy), "--set", "explain.rivals=2"]) == 1
    said = capsys.readouterr().err
    assert "made with explain.rivals: 3 -> 2; run jobs.explain" in said
    assert said.count("rivals") == 5 and "and 7 more" in said


def test_a_missing_or_retrained_model_is_seen(wide_copy, capsys):
    model = shards.model_file(wide_copy.folder, shards.Model(1, 0))
    set_attribute(model, "digest", "retrained")
    assert job.main([toml(wide_copy)]) == 1
    assert "another model_digest" in capsys.readouterr().err
    model.unlink()
    assert job.main([toml(wide_copy)]) == 1
    assert f"{model} does not exist; run jobs.train" in capsys.readouterr().err


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
    plan = shards.read_plan(explained_copy.folder / "plan.json")
    cohort = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    before = tables_digest(explained_copy)
    (explained_copy.folder / "significance.h5").unlink()
    reduce.reduce_run(explained_copy.folder, cohort, plan, explained_copy, Ranks())
    assert tables_digest(explained_copy) == before
