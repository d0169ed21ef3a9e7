import dataclasses
import re
from pathlib import Path

import h5py
import made_up_shards
import numpy as np
import pandas as pd
import pytest
from edited_files import edited
from made_up_shards import METHOD
from reduce_runs import reduce_on_ranks, shards_of, tables_digest, toml
from slow_tables import trimmed_means

import tumorcam
from jobs import reduce as job
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain.views import RankingKey
from tumorcam.significance import band_values, bands, reduce
from tumorcam.significance.tables import read_significance
from tumorcam.storage.plan import ModelKey, ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder

N_COLUMNS, N_BANDS = 1500, 6  # genes, present decoys and chance decoys, 500 of each


def set_attribute(path: Path, name: str, value: str) -> None:
    with edited(path) as file:
        file.attrs[name] = value


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), r"{shard} does not exist; run `tumorcam explain`"),
        (halve, r"{shard} is damaged: .*; run `tumorcam explain`, which makes it anew"),
        (lambda path: set_attribute(path, "model_digest", "x"), r"{shard}: .*another model_digest"),
        (lambda path: set_attribute(path, "cohort_digest", "x"), r"another cohort_digest; run"),
        (lambda path: set_attribute(path, "shard", "r09"), r"{shard}: .*another shard"),
        (lambda path: set_attribute(path, "n_samples", 3), r"made with another n_samples"),
        (lambda path: set_attribute(path, "config", "{}"), r"explain\.rivals: None -> 3"),
        (lambda path: set_attribute(path, "n_columns", 9), r"made with another n_columns"),
    ],
)  # fmt: skip
def test_a_shard_that_cannot_be_used_is_named(wide_copy, capsys, spoil, words):
    path = RunFolder.of(wide_copy).shard(shards_of(wide_copy)[4])
    spoil(path)
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert "1 of 12 shards are not ready" in said
    assert re.search(words.format(shard=re.escape(str(path))), said), said
    assert not (wide_copy.folder / "significance.h5").exists()


def test_a_shard_of_another_version_is_refused(wide_copy, capsys):
    path = RunFolder.of(wide_copy).shard(shards_of(wide_copy)[4])
    set_attribute(path, "encoding-version", "0")
    assert job.main([toml(wide_copy), "--allow-partial"]) == 1
    assert "version '0'; wanted" in capsys.readouterr().err


def test_a_flipped_bit_is_met_by_the_checksum(wide_copy, capsys):
    path = RunFolder.of(wide_copy).shard(shards_of(wide_copy)[4])
    with h5py.File(path) as file:
        offset = file[f"{METHOD}/own"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 9] ^= 1
    path.write_bytes(content)
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert f"{path} is damaged" in said and "run `tumorcam explain`, which makes it anew" in said


def test_changed_settings_of_explain_are_seen(wide_copy, capsys):
    assert job.main([toml(wide_copy), "--set", "explain.rivals=2"]) == 1
    said = capsys.readouterr().err
    assert "explain.rivals: 3 -> 2" in said and "tumorcam clean CONFIG --from explain" in said
    assert said.count("rivals") == 5 and "blocks of r01-f01: 0-2" in said


def test_a_missing_or_retrained_model_is_seen(wide_copy, capsys):
    model = RunFolder.of(wide_copy).model(ModelKey(1, 0))
    set_attribute(model, "digest", "retrained")
    assert job.main([toml(wide_copy)]) == 1
    assert "another model_digest" in capsys.readouterr().err
    model.unlink()
    assert job.main([toml(wide_copy)]) == 1
    assert f"{model} does not exist; run `tumorcam train`" in capsys.readouterr().err


@pytest.mark.mpi
def test_a_missing_shard_ends_all_ranks(wide_copy):
    path = RunFolder.of(wide_copy).shard(shards_of(wide_copy)[4])
    path.unlink()
    ended = reduce_on_ranks(wide_copy, 3)
    assert ended.returncode != 0 and f"{path} does not exist" in ended.stderr


@pytest.mark.parametrize("n_bands", [0, 2])
def test_a_killed_reduce_goes_on_with_the_bands_it_has(wide_copy, monkeypatch, n_bands):
    assert job.main([toml(wide_copy)]) == 0
    digest = tables_digest(wide_copy)
    (wide_copy.folder / "significance.h5").unlink()
    write, written = bands.write_band, []

    def killed(path, *rest):
        if len(written) == n_bands:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *rest)

    monkeypatch.setattr(bands, "write_band", killed)
    with pytest.raises(KeyboardInterrupt):
        job.main([toml(wide_copy)])
    monkeypatch.setattr(
        bands, "write_band", lambda path, *rest: written.append(path) or write(path, *rest)
    )
    assert job.main([toml(wide_copy)]) == 0
    assert len(written) == len({*written}) == N_BANDS, "no band twice"
    assert tables_digest(wide_copy) == digest
    assert not (wide_copy.folder / "bands").exists()


def test_shards_written_in_another_order_give_the_same_tables(wide_copy):
    assert job.main([toml(wide_copy)]) == 0
    digest = tables_digest(wide_copy)
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    order = np.random.default_rng(0).permutation(12)
    for shard in shards_of(wide_copy):
        RunFolder.of(wide_copy).shard(shard).unlink()
    for i in order:
        made_up_shards.write_shard(wide_copy, cohort, shards_of(wide_copy)[i])
    (wide_copy.folder / "significance.h5").unlink()
    assert job.main([toml(wide_copy)]) == 0
    assert tables_digest(wide_copy) == digest


def test_values_of_a_band_on_disk_change_no_bit(wide_copy, monkeypatch):
    assert job.main([toml(wide_copy)]) == 0
    digest = tables_digest(wide_copy)
    (wide_copy.folder / "significance.h5").unlink()
    monkeypatch.setattr(band_values, "IN_MEMORY", 1000)
    assert job.main([toml(wide_copy)]) == 0
    assert tables_digest(wide_copy) == digest


def test_allow_partial_goes_on_without_shards_and_says_so(wide_copy, capsys):
    lost = [
        shard for shard in shards_of(wide_copy) if shard.name in ("r00-f00-b0000", "r01-f01-b0001")
    ]
    both = [shard for shard in shards_of(wide_copy) if (shard.fold, shard.block) == (1, 0)]
    for shard in (*lost, *both):
        RunFolder.of(wide_copy).shard(shard).unlink()
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert "blocks of r00-f00: 0\nblocks of r00-f01: 0\nblocks of r01-f01: 0-1\n" in said
    assert f"tumorcam explain {wide_copy.folder}, or" in said and "--allow-partial" in said
    assert job.main([toml(wide_copy), "--allow-partial"]) == 0
    assert "4 shards: all tables are partial" in capsys.readouterr().err
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    values, n = np.zeros((39, N_COLUMNS)), np.zeros(39)
    for shard in {*shards_of(wide_copy)} - {*lost, *both}:
        with h5py.File(RunFolder.of(wide_copy).shard(shard)) as file:
            values[file["sample_index"][...]] += file[f"{METHOD}/own"][...]
            n[file["sample_index"][...]] += 1
    assert {*n.tolist()} == {0, 1, 2}
    run = RunFolder.of(wide_copy)
    tables = read_significance(run.significance, cohort.digest)
    score = tables.ranking(RankingKey(METHOD, "own")).score
    assert sorted(tables.missing_shards) == sorted(shard.name for shard in (*lost, *both))
    for tumor in range(3):
        chosen = (cohort.tumor == tumor) & (n > 0)
        means = values[chosen] / n[chosen, None]
        by_patient = pd.DataFrame(means).groupby(cohort.patient[chosen]).mean()
        assert tables.n[tumor] == len(by_patient)
        expected = trimmed_means(by_patient)[:500]
        np.testing.assert_allclose(score[tumor], expected, rtol=1e-9, atol=1e-12)
    # once the shards are there again, the tables are made of all
    for shard in (*lost, *both):
        made_up_shards.write_shard(wide_copy, cohort, shard)
    assert job.main([toml(wide_copy)]) == 0
    assert read_significance(run.significance, cohort.digest).missing_shards == ()


def test_a_run_that_lacks_a_replicate_is_reduced_to_the_other(wide_copy):
    run = RunFolder.of(wide_copy)
    cohort = read_cohort(run.cohort, wide_copy)
    kept, lost = ([key for key in shards_of(wide_copy) if key.replicate == r] for r in (1, 0))
    lost += [key for key in kept if (key.fold, key.block) == (0, 0)]
    for key in lost:
        run.shard(key).unlink()
    assert job.main([toml(wide_copy), "--allow-partial"]) == 0
    tables = read_significance(run.significance, cohort.digest)
    assert sorted(tables.missing_shards) == sorted(key.name for key in lost)
    probability, values = np.full((39, 3), np.nan, np.float32), np.full((39, N_COLUMNS), np.nan)
    for key in {*kept} - {*lost}:
        with h5py.File(run.shard(key)) as file:
            index = file["sample_index"][...]
            probability[index], values[index] = file["probability"][...], file[f"{METHOD}/own"][...]
    has_shard = ~np.isnan(probability[:, 0])
    assert 0 < has_shard.sum() < 39, "samples that no replicate has"
    np.testing.assert_array_equal(tables.classification.probability[1], probability)
    assert np.isnan(tables.classification.probability[0]).all()
    is_correct = probability[has_shard].argmax(axis=1) == cohort.tumor[has_shard]
    recall = [is_correct[cohort.tumor[has_shard] == tumor].mean() for tumor in range(3)]
    np.testing.assert_allclose(tables.classification.recall, recall)
    ranking = tables.ranking(RankingKey(METHOD, "own"))
    assert ranking.replicate_score.shape[0] == 1
    for tumor in range(3):
        chosen = has_shard & (cohort.tumor == tumor)
        by_patient = pd.DataFrame(values[chosen]).groupby(cohort.patient[chosen]).mean()
        expected = trimmed_means(by_patient)
        np.testing.assert_allclose(ranking.score[tumor], expected[:500], atol=1e-12)
        np.testing.assert_allclose(ranking.replicate_score[0, tumor], expected, atol=1e-12)


def test_a_tumor_without_shards_is_unknown(wide_copy):
    """Of samples that lie in one fold each: the tumor's are all in shards that are missing."""
    run = RunFolder.of(wide_copy)
    cohort = read_cohort(run.cohort, wide_copy)
    for key in shards_of(wide_copy):
        index = np.flatnonzero(cohort.fold == key.fold)[key.start : key.stop]
        if (cohort.tumor[index] == 0).any():
            run.shard(key).unlink()
    assert job.main([toml(wide_copy), "--allow-partial"]) == 0
    tables = read_significance(run.significance, cohort.digest)
    ranking = tables.ranking(RankingKey(METHOD, "contrast"))
    assert tables.n[0] == 0 and tables.n[1:].all()
    assert np.isnan(tables.classification.recall).tolist() == [True, False, False]
    for values in (ranking.score, ranking.q_value, ranking.replication, ranking.rank):
        assert np.isnan(values[0]).all() and not np.isnan(values[1:]).any()
    assert set(ranking.evidence[0]) == {"untestable"}


def test_the_names_of_many_missing_shards_fit_into_the_file(wide_copy, monkeypatch):
    """More than the 64 KiB of an attribute in HDF5."""
    run, cohort = RunFolder.of(wide_copy), read_cohort(wide_copy.folder / "cohort.h5", wide_copy)
    plan = read_plan(run.plan)
    keys = [ShardKey(99, 0, block, 0, 9) for block in range(10_000)]
    complete = reduce.audit_shards(run, plan, wide_copy)
    audit = dataclasses.replace(complete, faults=dict.fromkeys(keys, "it does not exist"))
    monkeypatch.setattr(reduce, "audit_shards", lambda *_: audit)
    reduce.reduce_run(run, cohort, plan, wide_copy, Ranks(), allow_partial=True)
    assert list(read_significance(run.significance, cohort.digest).missing_shards) == [
        key.name for key in keys
    ]


def test_missing_null_shards_make_other_tables(wide_copy, capsys):
    """The good shards are the same as without null runs, the tables are not."""
    run, cohort = RunFolder.of(wide_copy), read_cohort(wide_copy.folder / "cohort.h5", wide_copy)
    assert job.main([toml(wide_copy)]) == 0
    with_nulls = dataclasses.replace(
        wide_copy, layout=dataclasses.replace(wide_copy.layout, nulls=1)
    )
    made_up_shards.write_models_and_shards(with_nulls)
    null_shards = read_plan(run.plan, 1).null_shards
    for key in null_shards:
        run.shard(key).unlink()
    assert job.main([toml(wide_copy), "--null", "1", "--allow-partial"]) == 0
    assert "the tables are there already" not in capsys.readouterr().err
    tables = read_significance(run.significance, cohort.digest)
    assert tables.missing_shards == tuple(key.name for key in null_shards)
    assert job.main([toml(wide_copy)]) == 0
    assert read_significance(run.significance, cohort.digest).missing_shards == ()


@pytest.mark.parametrize("nulls", [0, 1])
def test_shards_of_null_runs_alone_are_no_partial_result(wide_copy, capsys, nulls):
    with_nulls = dataclasses.replace(
        wide_copy, layout=dataclasses.replace(wide_copy.layout, nulls=nulls)
    )
    made_up_shards.write_models_and_shards(with_nulls)
    for key in shards_of(wide_copy):
        RunFolder.of(wide_copy).shard(key).unlink()
    assert job.main([toml(wide_copy), "--null", str(nulls), "--allow-partial"]) == 1
    message = capsys.readouterr().err
    assert f"12 of {12 * (1 + nulls)} shards are not ready" in message
    assert "go on without them" not in message


def test_null_runs_give_p_null_and_what_they_would_learn(wide_copy):
    assert job.main([toml(wide_copy)]) == 0
    plain = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    assert plain["p_null"].isna().all()
    with_nulls = dataclasses.replace(
        wide_copy, layout=dataclasses.replace(wide_copy.layout, nulls=2)
    )
    made_up_shards.write_models_and_shards(with_nulls)
    assert job.main([toml(wide_copy), "--null", "2"]) == 0
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    values = np.zeros((2, 2, 39, N_COLUMNS))
    for shard in read_plan(RunFolder.of(wide_copy).plan, 2).null_shards:
        with h5py.File(RunFolder.of(wide_copy).shard(shard)) as file:
            rows = file["sample_index"][...]
            values[shard.null - 1, shard.replicate, rows] = file[f"{METHOD}/own"][...]
    values = values.mean(axis=1)
    tables = read_significance(RunFolder.of(wide_copy).significance, cohort.digest)
    ranking = tables.ranking(RankingKey(METHOD, "own"))
    nulls, close = ranking.nulls, {"atol": 1e-9}
    for tumor in range(3):
        chosen = cohort.tumor == tumor
        for null in range(2):
            by_patient = pd.DataFrame(values[null][chosen]).groupby(cohort.patient[chosen])
            score, present, _ = np.split(trimmed_means(by_patient.mean()), 3)
            np.testing.assert_allclose(nulls.score[null, tumor], score, **close)
            np.testing.assert_allclose(nulls.decoy_score[null, tumor], present, **close)
        pool = nulls.score[:, tumor].ravel()
        expected = [(1 + (pool >= one).sum()) / 1001 for one in ranking.score[tumor]]
        np.testing.assert_allclose(ranking.p_null[tumor], expected, rtol=1e-12)
    assert nulls.learned.shape == nulls.called.shape == (2,) and ranking.score.shape == (3, 500)
    table = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    np.testing.assert_array_equal(table["score"], plain["score"])
    assert (table["p_null"] > 0).all()
