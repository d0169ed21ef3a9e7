import dataclasses
import re
from pathlib import Path

import h5py
import made_up_shards
import numpy as np
import pandas as pd
import pytest
from made_up_shards import METHOD
from reduce_runs import reduce_on_ranks, shards_of, tables_digest, toml

import tumorcam
from jobs import reduce as job
from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain.views import RankingKey
from tumorcam.significance import bands
from tumorcam.significance.tables import read_significance
from tumorcam.storage.plan import ModelKey, read_plan
from tumorcam.storage.run_folder import RunFolder


def set_attribute(path: Path, name: str, value: str) -> None:
    with h5py.File(path, "a") as file:
        file.attrs[name] = value


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), r"{shard} does not exist; run `tumorcam explain`"),
        (halve, r"{shard} cannot be read .*; delete it, then run `tumorcam explain`"),
        (lambda path: set_attribute(path, "model_digest", "x"), r"{shard}: .*another model_digest"),
        (lambda path: set_attribute(path, "cohort_digest", "x"), r"another cohort_digest; run"),
        (lambda path: set_attribute(path, "shard", "r09"), r"{shard}: .*another shard"),
        (lambda path: set_attribute(path, "n_samples", 3), r"made with another n_samples"),
        (lambda path: set_attribute(path, "config", "{}"), r"explain\.batch_size: None -> 64"),
        (lambda path: set_attribute(path, "encoding-version", "0"), r"version '0'; wanted"),
        (lambda path: set_attribute(path, "complete", False), r"incomplete"),
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


def test_a_flipped_bit_is_met_by_the_checksum(wide_copy, capsys):
    path = RunFolder.of(wide_copy).shard(shards_of(wide_copy)[4])
    with h5py.File(path) as file:
        offset = file[f"{METHOD}/own"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 9] ^= 1
    path.write_bytes(content)
    assert job.main([toml(wide_copy)]) == 1
    said = capsys.readouterr().err
    assert f"{path} cannot be read" in said and "run `tumorcam explain`" in said


def test_changed_settings_of_explain_are_seen(wide_copy, capsys):
    assert job.main([toml(wide_copy), "--set", "explain.rivals=2"]) == 1
    said = capsys.readouterr().err
    assert "made with explain.rivals: 3 -> 2; run `tumorcam explain`" in said
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
    wanted = tables_digest(wide_copy)
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
    assert len(written) == len({*written}) == 3, "no band twice"
    assert tables_digest(wide_copy) == wanted
    assert not (wide_copy.folder / "bands").exists()


def test_shards_written_in_another_order_give_the_same_tables(wide_copy):
    assert job.main([toml(wide_copy)]) == 0
    wanted = tables_digest(wide_copy)
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    order = np.random.default_rng(0).permutation(12)
    for shard in shards_of(wide_copy):
        RunFolder.of(wide_copy).shard(shard).unlink()
    for i in order:
        made_up_shards.write_shard(wide_copy, cohort, shards_of(wide_copy)[i])
    (wide_copy.folder / "significance.h5").unlink()
    assert job.main([toml(wide_copy)]) == 0
    assert tables_digest(wide_copy) == wanted


def test_passes_over_few_rankings_at_once_change_no_bit(wide_copy, monkeypatch):
    assert job.main([toml(wide_copy)]) == 0
    wanted = tables_digest(wide_copy)
    (wide_copy.folder / "significance.h5").unlink()
    monkeypatch.setattr(bands, "SUM_BYTES", 1)
    assert job.main([toml(wide_copy)]) == 0
    assert tables_digest(wide_copy) == wanted


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
    assert f"tumorcam explain {toml(wide_copy)}" in said and "--allow-partial" in said
    assert job.main([toml(wide_copy), "--allow-partial"]) == 0
    assert "4 shards: all tables are partial" in capsys.readouterr().err
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    values, n = np.zeros((39, 560)), np.zeros(39)
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
        np.testing.assert_allclose(score[tumor], by_patient.mean()[:500], rtol=1e-9, atol=1e-12)
    # once the shards are there again, the tables are made of all
    for shard in (*lost, *both):
        made_up_shards.write_shard(wide_copy, cohort, shard)
    assert job.main([toml(wide_copy)]) == 0
    assert read_significance(run.significance, cohort.digest).missing_shards == ()


def test_nothing_at_all_is_no_partial_result(wide_copy, capsys):
    for shard in shards_of(wide_copy):
        RunFolder.of(wide_copy).shard(shard).unlink()
    assert job.main([toml(wide_copy), "--allow-partial"]) == 1
    assert "12 of 12 shards are not ready" in capsys.readouterr().err


def test_null_replicates_give_p_null_and_what_they_would_learn(wide_copy):
    assert job.main([toml(wide_copy)]) == 0
    plain = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    assert plain["p_null"].isna().all()
    with_nulls = dataclasses.replace(
        wide_copy, layout=dataclasses.replace(wide_copy.layout, nulls=2)
    )
    made_up_shards.write_models_and_shards(with_nulls)
    assert job.main([toml(wide_copy), "--null", "2"]) == 0
    cohort = read_cohort(RunFolder.of(wide_copy).cohort, wide_copy)
    values = np.zeros((2, 39, 560))
    for shard in read_plan(RunFolder.of(wide_copy).plan, 2).null_shards:
        with h5py.File(RunFolder.of(wide_copy).shard(shard)) as file:
            values[shard.replicate, file["sample_index"][...]] = file[f"{METHOD}/own"][...]
    tables = read_significance(RunFolder.of(wide_copy).significance, cohort.digest)
    ranking = tables.ranking(RankingKey(METHOD, "own"))
    nulls, close = ranking.nulls, {"atol": 1e-9}
    for tumor in range(3):
        chosen = cohort.tumor == tumor
        for null in range(2):
            by_patient = pd.DataFrame(values[null][chosen]).groupby(cohort.patient[chosen])
            score = by_patient.mean().mean().to_numpy()
            np.testing.assert_allclose(nulls.score[null, tumor], score[:500], **close)
            np.testing.assert_allclose(nulls.decoy_score[null, tumor], score[500:], **close)
        pool = nulls.score[:, tumor].ravel()
        wanted = [(1 + (pool >= one).sum()) / 1001 for one in ranking.score[tumor]]
        np.testing.assert_allclose(ranking.p_null[tumor], wanted, rtol=1e-12)
    assert nulls.learned.shape == (2,) and ranking.score.shape == (3, 500)
    found = tumorcam.gene_significance(wide_copy.folder, method=METHOD, view="own")
    np.testing.assert_array_equal(found["score"], plain["score"])
    assert (found["p_null"] > 0).all()
