import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stub_run import flip_bit, write_stubs

from jobs import prepare, synthesize, verify
from tumorcam.cluster import processes
from tumorcam.cluster.logs import FAILED, LogRecord
from tumorcam.settings.config import Config, config_toml, load_config
from tumorcam.significance.bands import BAND_TYPE
from tumorcam.storage import disk, hdf5, integrity, manifest, records
from tumorcam.storage.run_folder import RunFolder


@pytest.fixture
def finished(tiny_run: Config, tmp_path):
    """The config file and the expected files of a finished run."""
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(tiny_run), encoding="utf-8")
    return str(path), write_stubs(tiny_run)


def test_a_sound_run_has_no_faults(finished, capsys):
    config_file, files = finished
    assert verify.main([config_file]) == 0
    assert capsys.readouterr().out == f"{len(files)} files, 0 faults\n"


def test_each_fault_is_printed_with_file_and_remedy(finished, capsys):
    config_file, files = finished
    shards = [file.path for file in files if file.stage == "shards"]
    flip_bit(shards[0])
    shards[1].unlink()
    assert verify.main([config_file]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{shards[0]} is damaged")
    assert said[0].endswith("; run `tumorcam explain`, which makes it anew")
    assert said[1] == f"{shards[1]} does not exist; run `tumorcam explain`"
    assert said[-1] == f"{len(files)} files, 2 faults"


def test_without_a_plan_the_files_of_prepare_are_missing(tiny_config, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(tiny_config), encoding="utf-8")
    assert verify.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert said.count("run `tumorcam prepare`") == 2 and "2 files, 2 faults" in said


def test_a_dry_run_says_how_much_would_be_read(finished, capsys):
    config_file, files = finished
    files[-1].path.unlink()
    assert verify.main([config_file, "--dry-run"]) == 0
    assert f"would read {len(files) - 1} of {len(files)} files" in capsys.readouterr().out


@pytest.mark.mpi
@pytest.mark.parametrize("size", [1, 3])
def test_ranks_share_the_files_and_agree_on_the_exit_code(finished, size):
    config_file, files = finished
    command = [processes.find_mpiexec(), "-n", str(size), sys.executable, "-m", "mpi4py"]
    command += ["-m", "jobs.verify", config_file]
    sound = subprocess.run(command, capture_output=True, text=True)
    assert (sound.returncode, sound.stdout) == (0, f"{len(files)} files, 0 faults\n"), sound.stderr
    for file in files[5:9]:
        flip_bit(file.path)
    faulty = subprocess.run(command, capture_output=True, text=True)
    assert faulty.returncode == 1
    assert faulty.stdout.count("is damaged") == 4
    assert faulty.stdout.endswith(f"{len(files)} files, 4 faults\n")


def test_delete_removes_what_is_damaged_and_nothing_else(finished, tiny_run, capsys, tmp_path):
    config_file, files = finished
    shard = next(file.path for file in files if file.stage == "shards")
    page = tiny_run.folder / "report" / "index.html"
    plan = tiny_run.folder / "plan.json"
    flip_bit(shard)
    page.write_text("nOt empty")
    plan.write_text(plan.read_text().replace('"side": 8', '"side": 9'))
    alive = disk.part_name(shard)
    alive.write_bytes(b"half")
    dead = alive.with_name(alive.name.replace(f"-{os.getpid()}.part", "-4194305.part"))
    dead.write_bytes(b"half")
    (tiny_run.folder / "logs" / "verify-0.log").touch()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert verify.main([config_file]) == 1
    said = capsys.readouterr().out
    assert "3 damaged files; killed processes left 1 files, 4 bytes\n" in said
    assert said.splitlines()[-2].endswith(f": tumorcam verify {config_file} --delete")
    assert before == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert verify.main([config_file, "--delete"]) == 1
    said = capsys.readouterr().out
    assert f"\ndeleted {dead}, which a killed process left\n" in said
    gone = {shard, page, plan}
    folder, moved = tiny_run.folder / "damaged", set()
    for path in gone:
        (target,) = re.findall(rf"\nmoved {re.escape(str(path))} to (\S+)\n", said)
        assert Path(target).relative_to(folder).parts[1:] == path.relative_to(tiny_run.folder).parts
        moved.add(Path(target))
    assert said.endswith(f"{len(files)} files, 3 faults\n")
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert before - left == gone | {dead} and left - before == moved
    assert prepare.main([config_file]) == 0
    assert plan.exists()
    assert verify.main([config_file, "--purge"]) == 1
    assert "deleted 3 files of damaged/" in capsys.readouterr().out and not folder.exists()


def test_delete_keeps_what_other_settings_made(finished, tiny_run, capsys):
    config_file, files = finished
    assert verify.main([config_file, "--delete", "--set", "training.epochs=9"]) == 1
    assert "training.epochs: 2 -> 9" in capsys.readouterr().out
    assert all(file.path.exists() for file in files)
    assert verify.main([config_file, "--delete"]) == 0


def test_a_damaged_cohort_takes_nothing_with_it(finished, tiny_run, capsys):
    config_file, files = finished
    cohort, before = files[0].path, files[0].path.read_bytes()
    flip_bit(cohort)
    assert verify.main([config_file, "--delete"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{cohort} is damaged")
    assert re.fullmatch(f"moved {re.escape(str(cohort))} to .*/damaged/.*/cohort.h5", said[1])
    assert said[2:] == [f"{len(files)} files, 1 faults"]
    assert prepare.main([config_file]) == 0
    assert cohort.read_bytes() == before
    assert verify.main([config_file]) == 0


def test_a_damaged_cohort_and_plan_are_deleted_and_made_again(finished, tiny_run, capsys):
    config_file, _ = finished
    cohort, plan = tiny_run.folder / "cohort.h5", tiny_run.folder / "plan.json"
    whole = integrity.file_digest(cohort), plan.read_bytes()
    flip_bit(cohort)
    plan.write_bytes(whole[1][:-200])
    assert verify.main([config_file]) == 1
    assert cohort.exists() and "2 faults" in capsys.readouterr().out
    assert verify.main([config_file, "--delete"]) == 1
    assert not cohort.exists() and not plan.exists()
    assert prepare.main([config_file]) == 0
    assert (integrity.file_digest(cohort), plan.read_bytes()) == whole
    assert verify.main([config_file]) == 0, capsys.readouterr().out


def test_parts_of_unfinished_jobs_are_verified(finished, tiny_run, capsys):
    config_file, _ = finished
    band = tiny_run.folder / "bands" / "b0.h5"
    with hdf5.create_file(band, BAND_TYPE, {"config": '{"run": {}}'}) as file:
        records.write_dataset(file, "score", [1.0, 2.0])
    assert verify.main([config_file]) == 0
    flip_bit(band)
    assert verify.main([config_file, "--delete"]) == 1
    assert f"{band} is damaged" in capsys.readouterr().out
    assert not band.exists()


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The config file of a run with synthetic input, prepared."""
    toml = tmp_path / "planted.toml"
    toml.write_text(
        f"[run]\nfolder = '{tmp_path / 'run'}'\n[splits]\nfolds = 2\n[synthesize]\n"
        "tumors = ['BRCA', 'COAD']\nsamples_per_tumor = 8\ngenes = 120\ndrivers = 4\n"
    )
    assert synthesize.main([str(toml)]) == 0
    assert prepare.main([str(toml)]) == 0
    return toml


def test_synthetic_input_is_verified_and_made_again(planted, tmp_path, capsys):
    toml = planted
    path = tmp_path / "run" / "input" / "expression.tsv.gz"
    sound = path.read_bytes()
    path.write_bytes(sound[:99] + bytes([sound[99] ^ 4]) + sound[100:])
    capsys.readouterr()
    assert verify.main([str(toml), "--delete"]) == 1
    assert f"\nmoved {path} to " in capsys.readouterr().out
    assert synthesize.main([str(toml)]) == 0
    assert path.read_bytes() == sound


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_list_of_the_input_that_leads_nowhere_is_noticed(planted, tmp_path, capsys, is_dangling):
    listed = RunFolder(tmp_path / "run").input.listed
    listed.unlink()
    if is_dangling:
        listed.symlink_to(tmp_path / "nowhere")
    capsys.readouterr()
    assert verify.main([str(planted), "--delete"]) == 1
    fault = (
        "is a link that leads nowhere; move it away"
        if is_dangling
        else "does not exist; run `tumorcam synth"
    )
    assert f"{listed} {fault}" in capsys.readouterr().out


def test_another_runs_list_of_the_input_takes_no_file_away(planted, tmp_path, capsys):
    other = ["--set", f"run.folder={tmp_path / 'other'}", "--set", "run.seed=9"]
    assert synthesize.main([str(planted), *other]) == 0
    listed = RunFolder(tmp_path / "run").input.listed
    listed.write_bytes(RunFolder(tmp_path / "other").input.listed.read_bytes())
    before = {path: path.read_bytes() for path in listed.parent.iterdir()}
    capsys.readouterr()
    assert verify.main([str(planted), "--delete"]) == 1
    assert f"{listed}: its settings is" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in listed.parent.iterdir()} == before
    assert synthesize.main([str(planted)]) == 0, "which writes the input anew"
    verify.main([str(planted)])
    assert "input" not in capsys.readouterr().out.replace(str(tmp_path), "")


def test_another_runs_list_of_the_report_takes_no_file_away(finished, tiny_run, capsys):
    config_file, _ = finished
    report = RunFolder.of(tiny_run).report
    listed = report / manifest.FILE_NAME
    (report / "index.html").write_text("the other run's page", encoding="utf-8")
    made_from = {**manifest.read_manifest(listed).made_from, "significance.h5": "another"}
    manifest.write_manifest(listed, ["index.html"], made_from)
    (report / "index.html").write_text("this run's page", encoding="utf-8")
    assert verify.main([config_file, "--delete"]) == 1
    assert "it was made from another significance.h5" in capsys.readouterr().out
    assert (report / "index.html").read_text(encoding="utf-8") == "this run's page"


def test_the_log_of_faults_does_not_end_with_done(finished):
    config_file, files = finished
    files[0].path.unlink()
    assert verify.main([config_file]) == 1
    log = RunFolder.of(load_config(Path(config_file))).logs / "verify-0.log"
    record = LogRecord.from_line(log.read_text(encoding="utf-8").splitlines()[-1])
    assert (record.state, record.error) == (FAILED, "exit code 1")
