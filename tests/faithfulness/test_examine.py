import dataclasses
import json
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import copy_run, write_toml
from edited_files import edited
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jobs import faithfulness as job
from jobs import reduce
from tumorcam.cluster import processes
from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import FileError, StaleError
from tumorcam.explain.views import RankingKey
from tumorcam.faithfulness import deletion, perturbation, retraining
from tumorcam.faithfulness.ranking_checks import entrapment_of, null_agreement, stability_of
from tumorcam.faithfulness.results import FAITHFULNESS_TYPE, Faithfulness, read_faithfulness
from tumorcam.settings.config import Config
from tumorcam.significance.tables import SIGNIFICANCE_TYPE, Significance, read_significance
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder

FILE = "faithfulness.h5"
VIEWS, N_NULLS = ("own", "contrast"), 3
DRIVES = np.arange(36) // 3 == np.arange(4)[:, np.newaxis]  # of the tiny cohort


def toml(config: Config) -> str:
    return str(config.folder / "config.toml")


def digest_of(config: Config) -> str:
    integrity.check_seal(config.folder / FILE)
    return hdf5.stored_digest(config.folder / FILE, FAITHFULNESS_TYPE, remedy="")


def write_nulls(path: Path) -> None:
    """Null runs of drawn numbers, as reduce writes them; genes pass their decoys in one."""
    rng = np.random.default_rng(8)
    with edited(path) as file:
        for name in (f"{m}/{v}" for m in file["methods"].asstr() for v in VIEWS):
            n_tumors, n_genes = file[name]["score"].shape
            n_decoys = len(file["decoy_gene"])
            for key, values in (
                ("score", rng.normal(size=(N_NULLS, n_tumors, n_genes))),
                ("decoy_score", rng.normal(size=(N_NULLS, n_tumors, n_decoys))),
                ("called", np.array([1, 2, 0])),
                ("learned", np.array([0, 2, 0])),
            ):
                del file[f"{name}/nulls/{key}"]
                file[f"{name}/nulls/{key}"] = values


def read_tables(config: Config) -> Significance:
    run = RunFolder.of(config)
    return read_significance(run.significance, read_cohort(run.cohort, config).digest)


@pytest.fixture(scope="module")
def reduced(explained_run, tmp_path_factory) -> Config:
    """The explained run with tables, planted drivers, nulls and a list of markers."""
    folder = tmp_path_factory.mktemp("reduced") / "run"
    config = copy_run(explained_run, folder)
    assert reduce.main([toml(config)]) == 0
    write_nulls(folder / "significance.h5")
    tables = read_tables(config)
    tumors, genes = tables.tumors.tolist(), tables.genes.tolist()
    rows = [(tumors[t], genes[g]) for t, g in np.argwhere(DRIVES)]
    truth = pd.DataFrame(rows, columns=["tumor", "gene"]).assign(effect=3.0)
    hdf5.write_text(folder / "input" / "truth.csv", truth.to_csv(index=False))
    lists = ["\t".join([tumors[t], "", *genes[2 * t : 2 * t + 5 - t]]) for t in (0, 1)]
    hdf5.write_text(folder / "markers.gmt", "\n".join(lists))
    expected = dataclasses.replace(config.faithfulness, markers=str(folder / "markers.gmt"))
    config = dataclasses.replace(config, faithfulness=expected)
    write_toml(config, folder / "config.toml")
    return config


@pytest.fixture(scope="module")
def examined(reduced) -> Config:
    assert job.main([toml(reduced)]) == 0
    return reduced


@pytest.fixture
def copied(examined, tmp_path) -> Config:
    """A copy of the examined run for one test to change; its markers stay where they were."""
    return copy_run(examined, tmp_path / "run")


@pytest.fixture(scope="module")
def checks(examined) -> Faithfulness:
    path = examined.folder / "significance.h5"
    digest = hdf5.stored_digest(path, SIGNIFICANCE_TYPE, remedy="")
    return read_faithfulness(examined.folder / FILE, digest, examined)


@pytest.fixture(scope="module")
def tables(examined) -> Significance:
    return read_tables(examined)


def test_the_schema(examined, checks, tables):
    integrity.check_seal(examined.folder / FILE)
    with h5py.File(examined.folder / FILE) as file:
        assert set(file) == {
            "tumors", "methods", "rankings", "changes", "controls", "samples", "deletion",
            "retrained", "nulls", "stability", "markers", "planted",
        }  # fmt: skip
        assert file["samples/margin"].shape == (3, 8, 4, 48)
        assert file["samples/margin"].dtype == np.float32
        assert file.attrs["view"] == "contrast"
        sections = set(json.loads(file.attrs["config"]))
        assert sections >= {"run", "cohort", "model", "explain", "significance", "faithfulness"}
    assert checks.rankings.tolist() == [f"{m}/{v}" for m in checks.methods for v in VIEWS]
    assert checks.rankings.tolist() == [key.name for key in tables.keys], "the tests below use both"
    assert checks.deletion.sets.tolist() == [
        *checks.methods, *(f"matched/{m}" for m in checks.methods), "t_test", "random"
    ]  # fmt: skip
    assert checks.marker_file == "markers.gmt"
    for part in (checks.deletion, checks.nulls, checks.stability, checks.markers, checks.planted):
        for field in dataclasses.fields(part):
            assert isinstance(getattr(part, field.name), np.ndarray), field.name


def test_planted_genes_matter_more_than_any_others(checks):
    """The tiny network learned three genes a tumor: deleting five genes takes them away."""
    part, i = checks.deletion, checks.methods.tolist().index("gradient_x_input")
    at_five = part.curve[-1, :, :, 2]
    ranking, matched, random = (
        at_five[:, part.sets.tolist().index(name)]
        for name in ("gradient_x_input", "matched/gradient_x_input", "random")
    )
    assert (ranking > matched).all() and (ranking > random).all()
    assert (part.area_low[-1, :, i, :2] > 0).all(), "random and matched genes"
    assert (part.accuracy[-1, 0, :, -1] <= part.intact_accuracy[-1] + 0.15).all()


def test_nulls_agree_with_scipy(checks, tables):
    decoy_gene = tables.decoy_gene
    pairs = np.argwhere(DRIVES[:, decoy_gene])
    assert len(pairs) and (checks.nulls.pairs == len(pairs)).all()
    for r, key in enumerate(tables.keys):
        ranking, differences = tables.ranking(key), []
        for k in range(N_NULLS):
            score, decoy = ranking.nulls.score[k], ranking.nulls.decoy_score[k]
            for t in range(4):
                expected = stats.spearmanr(ranking.score[t], score[t]).statistic
                np.testing.assert_allclose(checks.nulls.spearman[r, k, t], expected, atol=1e-12)
            both = np.concatenate([score, decoy], axis=1)
            gaps = [
                (both[t] > both[t, decoy_gene[d]]).sum() - (both[t] > both[t, 36 + d]).sum()
                for t, d in pairs
            ]
            differences.append(np.mean(gaps))
        np.testing.assert_allclose(checks.nulls.rank_difference[r], differences)
        interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        np.testing.assert_allclose(checks.nulls.difference[r], np.mean(differences))
        ends = [checks.nulls.difference_low[r], checks.nulls.difference_high[r]]
        np.testing.assert_allclose(ends, interval)
    assert (checks.nulls.learned == [0, 2, 0]).all()
    assert (checks.nulls.called == [1, 2, 0]).all()


def test_without_truth_the_top_genes_are_held_against_their_decoys(tables, checks):
    part = null_agreement(tables, None)
    for r, key in enumerate(tables.keys):
        top = tables.ranking(key).rank <= 1  # k of 36 genes
        assert part.pairs[r] == top[:, tables.decoy_gene].sum()
    np.testing.assert_array_equal(part.spearman, checks.nulls.spearman)


def test_stability_agrees_with_sets(tables):
    """Of as many genes as are called in a tumor, from 5 to 50."""
    part = stability_of(tables, Config())
    assert (part.replicates, part.halvings) == (2, 1)
    for r, ranking in enumerate(map(tables.ranking, tables.keys)):
        for values, jaccard in (
            (ranking.replicate_score, part.jaccard_halves),
            (ranking.fold_score, part.jaccard_folds),
        ):
            scores = values[..., :36]
            for t in range(4):
                k = min(max(5, (ranking.q_decoy[t] <= 0.05).sum()), 36)
                assert part.k[r, t] == k
                tops = [set(np.argsort(-one[t], kind="stable")[:k].tolist()) for one in scores]
                expected = [len(a & b) / len(a | b) for a, b in combinations(tops, 2)]
                assert jaccard[r, t] == pytest.approx(np.mean(expected))


def test_one_replicate_has_no_halves(tables, tmp_path):
    path = shutil.copy(tables.path, tmp_path / "one.h5")
    with edited(path) as file:
        for key in tables.keys:
            first = file[f"{key.name}/replicate_score"][:1]
            del file[f"{key.name}/replicate_score"]
            file[f"{key.name}/replicate_score"] = first
    part = stability_of(read_significance(path, tables.cohort_digest), Config())
    assert np.isnan(part.jaccard_halves).all() and (part.jaccard_folds >= 0).all()
    assert part.halvings == 0


def test_entrapped_genes_among_the_called_estimate_the_false_share(tables, monkeypatch):
    assert entrapment_of(tables) is None
    drawn = np.random.default_rng(0).random((len(tables.keys), 4, 36))  # the run calls nothing
    rankings = {
        key: dataclasses.replace(tables.ranking(key), q_decoy=q_decoy)
        for key, q_decoy in zip(tables.keys, drawn, strict=True)
    }
    monkeypatch.setattr(Significance, "ranking", lambda _, key: rankings[key])
    is_entrapped = np.arange(36) % 4 == 0
    part = entrapment_of(dataclasses.replace(tables, is_entrapped=is_entrapped))
    assert part.n_entrapped == 9
    for r, ranking in enumerate(map(tables.ranking, tables.keys)):
        for i, level in enumerate(part.level):
            tumor, gene = np.nonzero(ranking.q_decoy <= level)
            assert part.called[r, i] == len(tumor)
            assert part.entrapped[r, i] == np.isin(gene, np.flatnonzero(is_entrapped)).sum()
            expected = 4 * part.entrapped[r, i] / len(tumor) if len(tumor) else np.nan
            np.testing.assert_allclose(part.false_share[r, i], expected)
            if len(tumor):
                interval = stats.binomtest(int(part.entrapped[r, i]), len(tumor)).proportion_ci(
                    method="wilson"
                )
                assert part.false_low[r, i] == pytest.approx(4 * interval.low)
                assert part.false_high[r, i] == pytest.approx(4 * interval.high)
    assert part.called.any() and part.entrapped.any()


def test_markers_and_truth_agree_with_scikit_learn(checks, tables):
    is_marker = np.zeros((4, 36), dtype=bool)
    is_marker[0, :5] = True  # of tumor 1 there are only four
    assert checks.markers.n_markers.tolist() == [5, 4, 0, 0]
    assert np.isnan(checks.markers.lift[:, 1:]).all() and np.isnan(checks.markers.t_test[1:]).all()
    for r, ranking in enumerate(map(tables.ranking, tables.keys)):
        score, q_decoy = ranking.score, ranking.q_decoy
        lift = average_precision_score(is_marker[0], score[0]) / (5 / 36)
        assert checks.markers.lift[r, 0] == pytest.approx(lift)
        area = np.mean([average_precision_score(DRIVES[t], score[t]) for t in range(4)])
        assert checks.planted.area[r] == pytest.approx(area)
        for i, level in enumerate(checks.planted.level):
            called = q_decoy <= level
            assert checks.planted.called[r, i] == called.sum()
            assert checks.planted.own[r, i] == (called & DRIVES).sum()
            assert checks.planted.neither[r, i] == (called & ~DRIVES.any(axis=0)).sum()
    assert checks.planted.t_precision == pytest.approx(3 / 20), "all three are in the top 20"
    assert checks.planted.t_area == pytest.approx(1)


def test_retraining_agrees_with_scikit_learn(examined, checks, tables, monkeypatch):
    monkeypatch.setattr("tumorcam.faithfulness.retraining.RETRAINED", 3)
    cohort = read_cohort(examined.folder / "cohort.h5", examined)
    score = tables.ranking(RankingKey("gradient_x_input", "contrast")).score
    tasks = retraining.retrain_tasks({"m": score}, DRIVES * 1.0, cohort, examined)
    assert [task.kind for task in tasks] == ["ranking", "variable", *["random"] * 5, "t_test"]
    union = np.unique(np.argsort(-score, axis=1)[:, :3])
    assert tasks[0].genes.tolist() == union.tolist()
    assert tasks[-1].genes.tolist() == list(range(12)), "three genes of each of four tumors"
    assert {len(task.genes) for task in tasks[:-1]} == {len(union)}
    by_variance = np.argsort(-cohort.variance)[: len(union)]
    assert set(tasks[1].genes) == set(by_variance)
    row = retraining.retrain(cohort, {4: tasks[0]}, examined)[4]
    called = np.empty(48, dtype=int)
    for fold in range(2):
        out = cohort.fold == fold
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        model.fit(cohort.expression()[:, union][~out], cohort.tumor[~out])
        called[out] = model.predict(cohort.expression()[:, union][out])
    assert row.correct == (called == cohort.tumor).sum()
    assert row.macro_f1 == pytest.approx(f1_score(cohort.tumor, called, average="macro"))
    assert row.accuracy_low < row.accuracy == row.correct / 48 <= row.accuracy_high
    table = checks.retrained
    assert len(table) == 3 * 7 + 1 and (table["n_genes"] <= 36).all()


def with_samples(config, n_samples):
    settings = dataclasses.replace(config.faithfulness, samples=n_samples)
    return dataclasses.replace(config, faithfulness=settings)


def test_a_rerun_is_skipped_until_a_source_changes(copied, capsys):
    before = digest_of(copied)
    assert job.main([toml(copied)]) == 0
    assert "faithfulness.h5 is there already" in capsys.readouterr().err
    truth = copied.folder / "input" / "truth.csv"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:4]))
    assert job.main([toml(copied), "--set", "faithfulness.samples=3"]) == 0
    assert digest_of(copied) != before
    sampled = with_samples(copied, 3)
    read = read_faithfulness(copied.folder / FILE, read_tables(copied).digest, sampled)
    assert len(read.samples.sample) == 12
    assert np.isnan(read.deletion.curve_low).all(), "too few patients"
    with edited(copied.folder / "significance.h5") as file:
        file.attrs["digest"] = "another"
    with pytest.raises(StaleError, match="another significance"):
        read_faithfulness(copied.folder / FILE, "another", sampled)


def test_a_rerun_goes_on_where_the_last_one_ended(copied, monkeypatch):
    expected = digest_of(copied)
    (copied.folder / FILE).unlink()
    monkeypatch.setattr(deletion, "BLOCK", 10)
    respond, computed = perturbation.respond, []

    def cut_off(*args, **options):
        for number, response in respond(*args, **options):
            computed.append(number)
            yield number, response
            if number == 3:
                raise FileError("the node is gone")

    monkeypatch.setattr(perturbation, "respond", cut_off)
    assert job.main([toml(copied)]) == 1
    assert len(list((copied.folder / "responses").glob("*.h5"))) == 4
    assert job.main([toml(copied)]) == 0
    assert computed == [0, 1, 2, 3, 4, 5]
    assert digest_of(copied) == expected, "nor do the bits depend on the size of a block"
    assert not (copied.folder / "responses").exists()


@pytest.mark.mpi
def test_the_number_of_ranks_changes_no_bit(copied):
    expected = digest_of(copied)
    (copied.folder / FILE).unlink()
    words = [processes.find_mpiexec(), "-n", "3", sys.executable, "-m", "mpi4py", "-m"]
    command = [*words, "tumorcam.jobs", "faithfulness", toml(copied)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert digest_of(copied) == expected


def test_a_dry_run_counts_the_images(examined, tmp_path, capsys):
    config = copy_run(examined, tmp_path / "run")
    (config.folder / FILE).unlink()
    assert job.main([toml(config), "--dry-run"]) == 0
    assert "would show 5,856 images of 8 x 8 pixels to 2 networks" in capsys.readouterr().out
    assert not (config.folder / FILE).exists()
    words = ["--set", "faithfulness.replicates=9", "--set", "faithfulness.samples=2"]
    assert job.main([toml(config), "--dry-run", *words]) == 0
    said = capsys.readouterr().out
    assert "1,952 images" in said and "to 4 networks" in said, "8 of 48 samples, both replicates"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("markers", r"markers\.gmt is no file"),
        ("tables", r"significance\.h5 does not exist; run `tumorcam reduce`"),
        (
            "cohort",
            r"significance\.h5: it was made from another cohort\.h5 than \S+; run `tumorcam red",
        ),
        ("model", r"model\.h5 does not exist; run `tumorcam train`"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_computed(copied, spoil, words, capsys):
    (copied.folder / FILE).unlink()
    options = []
    if spoil == "markers":
        options = ["--set", f"faithfulness.markers={copied.folder}/absent/markers.gmt"]
    elif spoil == "tables":
        (copied.folder / "significance.h5").unlink()
    elif spoil == "cohort":
        with edited(copied.folder / "significance.h5") as file:
            file.attrs["cohort_digest"] = "another"
    else:
        RunFolder.of(copied).model(ModelKey(0, 1)).unlink()
    assert job.main([toml(copied), *options]) == 1
    said = capsys.readouterr().err
    assert re.search(words, said) and "Traceback" not in said and "retraining" not in said
    assert not (copied.folder / FILE).exists()


def test_a_run_without_nulls_truth_and_markers(explained_copy):
    assert reduce.main([toml(explained_copy)]) == 0
    assert job.main([toml(explained_copy), "--set", "faithfulness.samples=2"]) == 0
    path = explained_copy.folder / "significance.h5"
    digest = hdf5.stored_digest(path, SIGNIFICANCE_TYPE, remedy="")
    sampled = with_samples(explained_copy, 2)
    read = read_faithfulness(explained_copy.folder / FILE, digest, sampled)
    assert read is not None and read.marker_file == ""
    assert read.nulls is read.entrapment is read.markers is read.planted is None
    assert read_faithfulness(explained_copy.folder / "absent.h5", digest, explained_copy) is None
