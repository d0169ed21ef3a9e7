import argparse
import os
import sys
from pathlib import Path

import pytest

from jobs import pipeline
from jobs.command import Job
from tumorcam.cluster import launcher, processes
from tumorcam.cluster.launcher import Launch
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder

PYTHON = sys.executable


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "demo.toml"
    path.write_text(f'[run]\nfolder = "{tmp_path}/run"\nthreads_per_rank = 3\n', encoding="utf-8")
    return str(path)


@pytest.fixture
def started(monkeypatch):
    """What would be started, stage by stage; the train stage fails if `fail` is set."""

    class Started(list):
        fail = None

    calls = Started()

    def run_together(commands, environment, **options):
        calls.append((commands, environment))
        exit_code = 7 if stage_of(commands[0]) == calls.fail else 0
        return processes.Ended(exit_code, processes.Cost(1.5, 100 * 2**20, 1.0, 0))

    monkeypatch.setattr(processes, "run_together", run_together)
    monkeypatch.setattr(processes, "find_mpiexec", lambda: "mpiexec")
    return calls


def stage_of(words):
    return words[words.index("jobs") + 1]


def stages(calls):
    return [stage_of(commands[0]) for commands, _ in calls]


def job_of(*words):
    """A job of the pipeline for its command line."""
    parser = argparse.ArgumentParser()
    pipeline.COMMAND.fill_parser(parser)
    return Job(Config(), parser.parse_args(words), RunFolder(Path("run")), Launch({}))


def test_all_stages_run_in_order_with_the_same_config(config_file, started, capsys):
    assert pipeline.main([config_file, "--set", "run.seed=2", "--ranks", "1"]) == 0
    assert stages(started) == list(pipeline.STAGES)
    for commands, environment in started:
        assert [config_file, "--set", "run.seed=2"] == commands[0][4:7]
        assert environment["OMP_NUM_THREADS"] == "3"
        assert environment["PATH"] == os.environ["PATH"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:7]] == list(pipeline.STAGES)
    assert lines[7].split() == ["synthesize", "1.5", "s", "100", "MB", "in", "one", "process"]


def test_own_input_needs_no_synthesis(config_file, started):
    assert pipeline.main([config_file, "--set", "input.expression=matrix.tsv"]) == 0
    assert stages(started)[0] == "prepare"


def test_until_stops_early(config_file, started):
    assert pipeline.main([config_file, "--until", "prepare"]) == 0
    assert stages(started) == ["synthesize", "prepare"]


def test_the_first_failure_stops_all_and_says_how_to_go_on(config_file, started, capsys):
    started.fail = "train"
    words = [config_file, "--set", "run.name=a b"]
    assert pipeline.main(words) == 7
    assert stages(started)[-1] == "train"
    error = capsys.readouterr().err
    assert "train ended with exit code 7" in error
    assert f"tumorcam run {config_file} --set 'run.name=a b'" in error


def test_ranks_share_training_by_processes_and_the_rest_by_mpi(started):
    job = job_of("c.toml")
    assert pipeline.stage_commands("train", job, 2) == [
        [PYTHON, "-m", "jobs", "train", "c.toml", "--share", "0/2"],
        [PYTHON, "-m", "jobs", "train", "c.toml", "--share", "1/2"],
    ]
    assert pipeline.stage_commands("reduce", job, 2) == [
        ["mpiexec", "-n", "2", PYTHON, "-m", "mpi4py", "-m", "jobs", "reduce", "c.toml"]
    ]
    for stage in ("explain", "report"):
        assert pipeline.stage_commands(stage, job, 1) == [[PYTHON, "-m", "jobs", stage, "c.toml"]]


@pytest.mark.parametrize(("n_cpus", "n_ranks"), [(8, 2), (3, 1), (2, 1)])
def test_ranks_default_to_cpus_over_threads(config_file, started, monkeypatch, n_cpus, n_ranks):
    monkeypatch.setattr(launcher, "n_cpus", lambda: n_cpus)
    assert pipeline.main([config_file]) == 0
    assert len(started[2][0]) == n_ranks


def test_a_dry_run_prints_commands_for_a_shell(tmp_path, config_file, started, capsys):
    assert pipeline.main([config_file, "--dry-run", "--ranks", "2", "--set", "run.name=a b"]) == 0
    assert not started and not (tmp_path / "run").exists()
    _, _, text = capsys.readouterr().out.partition("would run:\n")
    lines = text.splitlines()
    assert len(lines) == 8, "train has two"
    assert all(line.endswith("--set 'run.name=a b'") or "--share" in line for line in lines)


def test_a_wrong_config_is_one_message(tmp_path, started, capsys):
    assert pipeline.main([str(tmp_path / "absent.toml")]) == 1
    assert "cannot read the config" in capsys.readouterr().err and not started


def test_a_real_child_process_is_started(config_file, tmp_path):
    (tmp_path / "bad.toml").write_text("[input]\nexpression = 'absent.tsv'\n", encoding="utf-8")
    words = [str(tmp_path / "bad.toml"), "--set", f"run.folder={tmp_path}/run", "--ranks", "1"]
    assert pipeline.main(words) == 1, "prepare finds no such file"
