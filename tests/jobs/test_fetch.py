"""The fetch command against a server on this machine: what it writes, prints and asks for."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gdc_stand_in
import numpy as np
import pandas as pd
import pytest
from written_tables import check_file

from jobs import fetch
from tumorcam.operations import gdc_fetch
from tumorcam.operations.gdc_download import CHUNK
from tumorcam.operations.gdc_server import GdcServer
from tumorcam.readers.inputs import open_inputs
from tumorcam.report.dictionary import DOWNLOAD_TABLES
from tumorcam.settings.inputs import InputSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stand_in(monkeypatch):
    """A server with 12 files, of which the last is of another project; waits are short."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(GdcServer.__init__, "__defaults__", (gdc_stand_in.QUICK, None))
    with gdc_stand_in.running(11) as server:
        server.add(11, "TCGA-LUAD")
        yield server


def words(stand_in, out, *more):
    projects = ("--project", "TCGA-BRCA", "--project", "TCGA-LUAD")
    return ["gdc", *projects, "--out", str(out), "--server", stand_in.url, *more]


def test_a_folder_is_what_tumorcam_reads(stand_in, tmp_path, capsys):
    out = tmp_path / "gdc"
    assert fetch.main(words(stand_in, out)) == 0
    printed = capsys.readouterr()
    sheet = out / "gdc_sample_sheet.tsv"
    assert f"{stand_in.url} lists 12 files" in printed.out
    assert "TCGA-BRCA 11, TCGA-LUAD 1" in printed.out
    assert f"{out} has all 12 files" in printed.out and "12 were fetched now" in printed.out
    assert printed.out.endswith(f"next: tumorcam init my.toml {out} {sheet} --scale counts\n")
    assert printed.err == ""
    settings = InputSettings(expression=(str(out),), samples=(str(sheet),), scale="counts")
    inputs = open_inputs(settings, tmp_path)
    number = [int(name[8:12]) for name in inputs.matrix.samples]  # of TCGA-AA-0003-01A: 3
    assert sorted(number) == list(range(12))
    reads = 10 * np.outer(np.arange(1, 9), np.array(number) + 1)
    assert inputs.matrix.genes[:3] == ["N_unmapped", "N_ambiguous", "ENSG00000000000.1"]
    np.testing.assert_array_equal(inputs.matrix.values.block(slice(2, 10)), reads)
    table = inputs.samples.set_index("sample")
    assert table.loc["TCGA-AA-0011-01A", ["tumor", "sample_type"]].tolist() == ["LUAD", "01"]
    assert table.loc["TCGA-AA-0004-11A", ["tumor", "sample_type"]].tolist() == ["BRCA", "11"]


def test_a_rerun_fetches_nothing(stand_in, tmp_path, capsys):
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    n_requests = len(stand_in.downloads())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.counts.tsv")}
    capsys.readouterr()
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    assert len(stand_in.downloads()) == n_requests == 12
    assert "0 were fetched now" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.counts.tsv")} == before


def test_both_tables_are_there_before_the_first_file(stand_in, tmp_path):
    tables = []

    def rule(handler, n_before):
        if handler.command == "GET":
            tables.append({path.name for path in (tmp_path / "gdc").glob("gdc_*")})
        return False

    stand_in.rules.append(rule)
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    assert tables == [{"gdc_manifest.txt", "gdc_sample_sheet.tsv"}] * 12


def test_a_dry_run_writes_nothing(stand_in, tmp_path, capsys):
    assert fetch.main(words(stand_in, tmp_path / "gdc", "--dry-run")) == 0
    assert list(tmp_path.iterdir()) == [] and stand_in.downloads() == []
    assert "lists 12 files" in capsys.readouterr().out


def test_a_limit_takes_the_first_and_a_later_call_the_rest(stand_in, tmp_path, capsys):
    assert fetch.main(words(stand_in, tmp_path / "gdc", "--limit", "3")) == 0
    assert "lists 3 of 12 files" in capsys.readouterr().out
    for table in DOWNLOAD_TABLES:
        check_file(tmp_path / "gdc" / table.name, table.columns)
    assert len(pd.read_csv(tmp_path / "gdc" / "gdc_sample_sheet.tsv", sep="\t")) == 3
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    assert sorted(stand_in.downloads()) == sorted(stand_in.contents)


def test_failed_files_are_one_message_and_the_exit_code(stand_in, tmp_path, capsys):
    first, *_, last = stand_in.contents
    stand_in.contents[first] = b"?"
    del stand_in.contents[last]
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 1
    printed = capsys.readouterr()
    assert "error: 2 of 12 files could not be fetched" in printed.err
    assert f"\n  {first}: " in printed.err and f"\n  {last}: " in printed.err
    assert "next:" not in printed.out and "Traceback" not in printed.err


def test_a_file_that_changed_is_refused_before_anything_is_written(stand_in, tmp_path, capsys):
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    stand_in.hits[3]["file_size"] += 1
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 1
    assert "1 files of " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_a_full_disk_is_said_before(stand_in, tmp_path, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(gdc_fetch.shutil, "disk_usage", lambda folder: usage)
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 1
    assert "has room for 0.0 MB, but the missing files have" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_message(stand_in, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert fetch.main(words(stand_in, tmp_path / "file" / "gdc")) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'gdc'}" in error and "Traceback" not in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_message(stand_in, tmp_path, capsys):
    (tmp_path / "gdc").mkdir(mode=0o500)
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 1
    assert "see to its permissions" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [["--parallel", "9"], ["--parallel", "0"], ["--limit", "0"], ["--limit", "x"]]
)
def test_numbers_out_of_bounds_are_refused(stand_in, tmp_path, capsys, more):
    with pytest.raises(SystemExit) as ended:
        fetch.main(words(stand_in, tmp_path, *more))
    assert ended.value.code == 2 and more[0] in capsys.readouterr().err


def test_the_defaults_are_those_of_the_core():
    from jobs.fetch import SERVER, WORKFLOW
    from tumorcam.operations.gdc_query import STAR_COUNTS
    from tumorcam.operations.gdc_server import PUBLIC_SERVER

    assert (SERVER, WORKFLOW) == (PUBLIC_SERVER, STAR_COUNTS)


def test_attempts_are_logged_and_the_log_is_as_before(stand_in, tmp_path, capsys):
    logger = logging.getLogger("tumorcam")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def rule(handler, n_before):
        if handler.path == "/files" and not n_before:
            handler.answer(503, b"later")
        return handler.path == "/files" and not n_before

    stand_in.rules.append(rule)
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    assert "answered 503 Service Unavailable: 'later'; trying again in" in capsys.readouterr().err
    assert (list(logger.handlers), logger.level, logger.propagate) == before


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGINT", 130), ("SIGKILL", -9)])
def test_a_killed_process_goes_on_where_it_stopped(stand_in, tmp_path, name, code):
    content = gdc_stand_in.star_text(12) * 400
    slow = stand_in.add(12, content=content)

    def hang(handler, n_before):
        if handler.file_id != slow or n_before:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:100_000])
        time.sleep(60)
        return True

    stand_in.rules.append(hang)
    program = [sys.executable, "-m", "jobs", "fetch", *words(stand_in, tmp_path / "gdc")]
    child = subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 120

    def is_half_way():
        parts = [p for p in tmp_path.glob("gdc/*/.*.part") if p.stat().st_size >= CHUNK]
        return len(list(tmp_path.glob("gdc/*/[0-9]*"))) == 12 and parts

    while not is_half_way() and time.monotonic() < limit:
        time.sleep(0.02)
    start = time.monotonic()
    child.send_signal(signal.Signals[name])
    _, error = child.communicate(timeout=60)
    assert child.returncode == code, error
    if name != "SIGKILL":
        assert time.monotonic() - start < 10
        assert f"stopped by {name} after " in error and "the same command goes on" in error
    assert fetch.main(words(stand_in, tmp_path / "gdc")) == 0
    assert stand_in.headers[-1]["Range"] in [f"bytes={n * CHUNK}-" for n in (1, 2, 3)]
    assert sorted(stand_in.downloads()) == sorted([*stand_in.contents, slow])
    for file_id, content in stand_in.contents.items():
        (path,) = (tmp_path / "gdc" / file_id).iterdir()
        assert path.read_bytes() == content
