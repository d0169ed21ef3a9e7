"""`tumorcam apply` as a user types it, and what other commands make of its folder."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from applied_runs import folder_of, new_table, own_table, prepare_new, settings_of, write_matrix
from conftest import TUMORS
from written_tables import check_folder, named_tables

from jobs import (
    apply,
    classify,
    clean,
    explain,
    faithfulness,
    pipeline,
    prepare,
    report,
    show,
    status,
    synthesize,
    train,
    verify,
)
from tumorcam.operations.application import default_name
from tumorcam.report.dictionary import CALL_FIGURE_TABLES, CALL_TABLES, RUN_TABLES
from tumorcam.storage.run_folder import RunFolder


@pytest.fixture(scope="module")
def applied(host_run, tmp_path_factory):
    """New samples of strangers and of the run's own patients, by one command."""
    path = tmp_path_factory.mktemp("user") / "batch 2.tsv.gz"
    write_matrix(new_table().join(own_table()), path)
    assert apply.main([str(host_run.folder), str(path), "--ranks", "2"]) == 0
    return host_run


NAME = "batch_2"


def test_the_folder_is_named_after_the_file():
    names = ["x/batch 2.tsv.gz", "GSE1_counts.csv", "folder/", "../.h5ad"]
    assert [default_name([name]) for name in names] == ["batch_2", "GSE1_counts", "folder", "new"]


def test_one_command_gives_the_page_and_the_tables(applied):
    folder = RunFolder.of(settings_of(applied, NAME)).report
    every = [table for table in RUN_TABLES if "genes.csv" in table.files]
    every += [*named_tables(CALL_TABLES, "TUMOR", TUMORS), *CALL_FIGURE_TABLES]
    check_folder(folder, every, optional=["figures/confusion.csv"])
    calls = pd.read_csv(folder / "calls.csv")
    assert len(calls) == 32 and calls["is_own_patient"].sum() == 8
    assert calls["networks"].tolist() == np.where(calls["is_own_patient"], 2, 4).tolist()
    parquet = pd.read_parquet(folder / "calls.parquet")
    assert parquet["call"].tolist() == calls["call"].tolist()
    sheet = pd.read_csv(folder / "calls.tsv", sep="\t")
    assert sheet.columns[:3].tolist() == ["Case ID", "Sample ID", "Sample Type"]
    probability = pd.read_csv(folder / "probabilities.csv", index_col="sample")
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
    assert probability.idxmax(axis=1).tolist() == calls["call"].tolist()
    top = pd.read_csv(folder / "top_genes.csv")
    assert (top.groupby("sample")["rank"].apply(list).map(len) == 10).all()
    first = top[top["rank"] == 1].set_index("sample")["gene"]
    expected = calls.set_index("sample")["top_genes"].str.split(";").str[0]
    assert first[expected.index].tolist() == expected.tolist()
    assert len(pd.read_csv(folder / "shift.csv")) == 36
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "For research, not for clinical decisions." in page
    assert "S00" in page and not re.findall(r"(?:src|href)=.https?:", page)


def test_status_verify_and_a_second_call_find_all_there(applied, capsys):
    folder = folder_of(applied, NAME)
    assert status.main([folder]) == 0
    said = capsys.readouterr().out
    for stage in ("samples", "predictions", "shards", "significance", "report"):
        assert stage in said
    assert verify.main([folder]) == 0
    assert "0 faults" in capsys.readouterr().out
    assert pipeline.main([folder]) == 0
    assert "run:" not in capsys.readouterr().out


def test_show_takes_new_samples(applied, capsys):
    folder = folder_of(applied, NAME)
    assert show.main([folder, "--sample", "s05"]) == 0
    assert "S05" in capsys.readouterr().out
    assert show.main([folder, "--tumor", "brca"]) == 0
    assert "explained for BRCA" in capsys.readouterr().out
    assert show.main([folder, "--gene", "GENE03"]) == 0
    assert "GENE03" in capsys.readouterr().out


def test_a_damaged_file_of_new_samples_is_told_and_made_again(applied, tmp_path, capsys):
    root = Path(folder_of(applied, NAME))
    copy = root.with_name("damaged")
    shutil.copytree(root, copy)
    path = next((copy / "predictions").glob("*.h5"))
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(bytes(content))
    assert verify.main([str(copy)]) == 1
    assert path.name in capsys.readouterr().out
    assert verify.main([str(copy), "--delete"]) == 1
    assert status.main([str(copy)]) == 3
    assert classify.main([str(copy)]) == 0
    assert verify.main([str(copy)]) == 0


@pytest.mark.parametrize("job", [synthesize, prepare, train, faithfulness])
def test_new_samples_are_nothing_to_train_on(applied, capsys, job):
    assert job.main([folder_of(applied, NAME)]) == 1
    assert "takes the config or folder of that run" in capsys.readouterr().err


def test_new_samples_of_new_samples_are_refused(applied, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert apply.main([folder_of(applied, NAME), path]) == 1
    assert "takes the config or folder of that run" in capsys.readouterr().err


def test_classify_takes_no_run_of_its_own(applied, capsys):
    assert classify.main([str(applied.folder)]) == 1
    assert "a folder applied/NAME that `tumorcam apply` has made" in capsys.readouterr().err


def test_a_run_that_is_not_trained_cannot_be_applied(tiny_run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert apply.main([str(tiny_run.folder), path]) == 1
    said = capsys.readouterr().err
    assert "model.h5 does not exist" in said and "run `tumorcam train`" in said


def test_other_settings_of_the_new_samples_make_their_files_stale(host_run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(host_run, path, name="stale") == 0
    folder = folder_of(host_run, "stale")
    assert classify.main([folder]) == 0
    assert explain.main([folder, "--set", "apply.false_alarms=0.2"]) == 1
    assert "apply.false_alarms" in capsys.readouterr().err
    assert classify.main([folder, "--set", "apply.false_alarms=0.2"]) == 1
    assert "tumorcam clean CONFIG --from train" in capsys.readouterr().err
    assert clean.main([folder, "--from", "train", "--set", "apply.false_alarms=0.2"]) == 0
    assert classify.main([folder, "--set", "apply.false_alarms=0.2"]) == 0


def test_the_report_of_unfinished_new_samples_says_what_is_missing(host_run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(host_run, path, name="unfinished") == 0
    assert report.main([folder_of(host_run, "unfinished")]) == 1
    assert "significance.h5 does not exist; run `tumorcam reduce`" in capsys.readouterr().err


def test_a_config_whose_run_is_not_there_is_told_so(tiny_toml, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert apply.main([tiny_toml, path]) == 1
    assert "is no finished run" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(host_run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "dry.tsv")
    assert apply.main([str(host_run.folder), path, "--dry-run"]) == 0
    assert "would apply 4 networks" in capsys.readouterr().out
    assert not Path(folder_of(host_run, "dry")).exists()
