from pathlib import Path

import pytest
from stub_run import expected, flip_bit, write_stubs

from jobs import status
from tumorcam.cluster.logs import FAILED, STARTED, LogRecord
from tumorcam.settings.config import Config, config_toml

INCOMPLETE = 3
N_SHARDS = 10  # of the tiny run: 2 replicates x 2 folds x 24 samples in blocks of 10


@pytest.fixture
def config_file(tiny_config: Config, tmp_path):
    path = tmp_path / "tiny config.toml"
    path.write_text(config_toml(tiny_config), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def no_slurm(tmp_path, monkeypatch):
    """No squeue of this machine is asked."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm whose queue is $QUEUE and whose arrays have three elements at most."""
    for name, text in (("squeue", 'echo "$QUEUE"'), ("scontrol", "echo MaxArraySize = 3")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("QUEUE", "")


def rows(text: str) -> dict[str, list[int]]:
    """Stage -> whole, missing, broken."""
    words = [line.split() for line in text.splitlines() if not line.startswith((" ", "/"))]
    return {w[0]: [int(n) for n in w[1:]] for w in words if len(w) == 4 and w[1].isdigit()}


def test_a_complete_run_exits_with_0(tiny_run, config_file, capsys):
    write_stubs(tiny_run)
    assert status.main([config_file]) == 0
    said = capsys.readouterr().out
    assert all(missing == broken == 0 for _, missing, broken in rows(said).values())
    assert list(rows(said)) == [
        "cohort", "models", "shards", "significance", "faithfulness", "report"
    ]  # fmt: skip
    assert "sbatch" not in said


def test_gaps_exit_with_3_and_say_how_to_fill_them(tiny_run, config_file, capsys):
    files = write_stubs(tiny_run)
    files[4].path.unlink()
    shard = next(file for file in files if file.stage == "shards")
    shard.path.write_bytes(b"no HDF5")
    assert status.main([config_file, "--set", "run.threads_per_rank=2"]) == 3
    said = capsys.readouterr().out
    assert rows(said)["models"] == [4, 1, 0]
    assert rows(said)["shards"][2] == 1, "the lost model may come back as it was"
    assert f"broken: {shard.path} is damaged: " in said
    command = "sbatch --array=1 --cpus-per-task=2 slurm/train.sh"
    command += f" '{config_file}' --set run.threads_per_rank=2"
    assert f"\n  {command}\n" in said


def test_many_faults_are_counted(tiny_run, config_file, capsys):
    for file in write_stubs(tiny_run):
        if file.kind and file.stage != "cohort":
            file.path.write_bytes(b"")
    assert status.main([config_file]) == 3
    said = capsys.readouterr().out
    assert said.count("broken: ") == 10 and "\nand " in said


def test_before_prepare_all_is_to_do(config_file, capsys):
    assert status.main([config_file]) == 3
    said = capsys.readouterr().out
    assert rows(said)["cohort"] == [0, 2, 0], "the cohort and the plan"
    assert "sbatch --array=0-4 --cpus-per-task=1 slurm/train.sh" in said
    assert said.index("slurm/prepare.sh") < said.index("slurm/train.sh")


def test_the_submissions_alone_for_scripts(tiny_run, config_file, capsys, slurm):
    files = write_stubs(tiny_run)
    assert status.main([config_file, "--submissions"]) == 0
    assert capsys.readouterr().out == ""
    for task in (0, 1, 2, 4):
        [file.path for file in files if file.stage == "models"][task].unlink()
    assert status.main([config_file, "--submissions"]) == 0
    logs, *lines = capsys.readouterr().out.splitlines()
    assert Path(logs) == tiny_run.folder / "logs"
    assert [line.split("\t")[0] for line in lines] == [
        "train", "train", "explain", "reduce", "faithfulness", "report"
    ]  # fmt: skip
    assert "--array=0-2" in lines[0].split("\t")
    assert lines[1].split("\t")[2:4] == ["--array=1", "--export=ALL,TUMORCAM_ARRAY_FIRST=3"]


def test_commands_are_exact_for_the_site(tiny_run, config_file, capsys, slurm, monkeypatch):
    monkeypatch.setenv("TUMORCAM_TRAIN_SBATCH", "--gpus-per-node=1")
    monkeypatch.setenv("TUMORCAM_THROTTLE", "2")
    assert status.main([config_file]) == INCOMPLETE
    said = capsys.readouterr().out.splitlines()
    words = "--cpus-per-task=1 --gpus-per-node=1 slurm/train.sh"
    assert f"  sbatch --array=0-2%2 {words} '{config_file}'" in said
    offset = "--export=ALL,TUMORCAM_ARRAY_FIRST=3"
    assert f"  sbatch --array=0-1%2 {offset} {words} '{config_file}'" in said


def test_the_cause_stands_before_the_commands(tiny_run, config_file, capsys):
    (tiny_run.folder / "logs").mkdir(exist_ok=True)
    for name, error in (("train-r00-f00", "no memory"), ("reduce", "old")):
        records = [LogRecord(STARTED, host="a", process=7), LogRecord(FAILED, error=error)]
        text = "".join(f"{record.to_line()}\n" for record in records)
        (tiny_run.folder / "logs" / f"{name}-0.log").write_text(text, encoding="utf-8")
    for file in write_stubs(tiny_run):
        if file.stage == "models":
            file.path.unlink()
        if file.stage == "significance":
            last_written = file.path
    assert last_written.exists(), "complete, though its log ends with an error"
    assert status.main([config_file]) == INCOMPLETE
    said = capsys.readouterr().out
    log = tiny_run.folder / "logs" / "train-r00-f00-0.log"
    assert f"\ncause: {log}: error: no memory\n" in said and "error: old" not in said
    assert said.index("cause: ") < said.index("sbatch ")


def test_jobs_in_the_queue_are_shown_and_stop_a_second_chain(
    tiny_run, config_file, capsys, slurm, monkeypatch
):
    write_stubs(tiny_run)[-1].path.unlink()
    project = Path.cwd()
    lines = [f"7_{i}|RUNNING|{project}|{project}/slurm/train.sh {config_file}" for i in range(3)]
    lines += [f"8|PENDING|{project}|{project}/slurm/explain.sh {config_file}.other"]
    monkeypatch.setenv("QUEUE", "\n".join(lines))
    assert status.main([config_file]) == INCOMPLETE
    assert "\nin the queue: train, job 7: 3 running\n" in capsys.readouterr().out
    assert status.main([config_file, "--submissions"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "`scancel 7`" in said.err


def test_deep_finds_what_a_glance_does_not(tiny_run, config_file, capsys):
    path = next(file.path for file in write_stubs(tiny_run) if file.stage == "shards")
    flip_bit(path)
    assert status.main([config_file]) == 0
    assert status.main([config_file, "--deep"]) == 3
    assert "damaged" in capsys.readouterr().out


def test_a_learning_curve_at_a_glance(tiny_run, config_file, capsys):
    assert status.main([config_file, "--curve", "r01-f00"]) == 0
    assert "no epoch is finished yet" in capsys.readouterr().out
    history = tiny_run.folder / "models" / "r01-f00" / "history.csv"
    history.parent.mkdir(parents=True)
    header = "epoch,training_loss,validation_loss,validation_accuracy,learning_rate,seconds\n"
    history.write_text(f"{header}0,1.5,1.2,0.4,0.001,3.0\n1,1.0,1.1,0.6,0.001,3.0\n")
    assert status.main([config_file, "--curve", "r01-f00"]) == 0
    assert capsys.readouterr().out.endswith("<- lowest validation loss\n")


def test_an_unknown_model_is_one_message(capsys, tiny_run, config_file):
    assert status.main([config_file, "--curve", "r09-f00"]) == 1
    assert "its models are r00-f00, r00-f01, r01-f00, r01-f01" in capsys.readouterr().err


def test_a_dry_run_looks_at_nothing(tiny_run, config_file, capsys):
    assert status.main([config_file, "--dry-run"]) == 0
    assert "would look at" in capsys.readouterr().out
    assert len(expected(tiny_run)) > N_SHARDS
