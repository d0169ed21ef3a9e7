import h5py
import numpy as np
import pytest

from jobs import train
from tumorcam.cluster import processes
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training import baseline_training, loop

NAMES = ["r00-f00", "r00-f01", "r01-f00", "r01-f01", "baselines"]


@pytest.fixture
def trained_names(monkeypatch):
    """Names of what would be trained, in order, whether here or in a process of its own."""
    names = []

    def run_together(commands, environment):
        assert environment["TUMORCAM_TASK"].isdigit()
        assert commands[0][1:4] == ["-m", "jobs", "train"]
        names.append(commands[0][-1])
        return processes.Ended(0, processes.Cost(1.0, 1, 1.0, 0))

    monkeypatch.setattr(processes, "run_together", run_together)
    monkeypatch.setattr(loop, "train_model", lambda run, cohort, key, *_: names.append(key.name))
    monkeypatch.setattr(
        baseline_training, "train_baselines", lambda *_, **__: names.append("baselines")
    )
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    return names


def test_all_are_trained_without_a_choice(tiny_run, tiny_toml, trained_names):
    assert train.main([tiny_toml]) == 0
    assert trained_names == NAMES


def test_null_models_come_after_the_others_and_baselines_last(
    tiny_run, tiny_toml, trained_names, monkeypatch
):
    assert train.main([tiny_toml, "--null", "2"]) == 0
    nulls = [f"n{n}-{name}" for n in (1, 2) for name in NAMES[:-1]]
    assert trained_names == [*NAMES[:-1], *nulls, NAMES[-1]]
    trained_names.clear()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "12")
    assert train.main([tiny_toml, "--set", "layout.nulls=2"]) == 0
    assert trained_names == [nulls[-1]]


@pytest.mark.parametrize("name", ["r01-f00", "baselines"])
def test_one_is_trained_by_name(tiny_run, tiny_toml, trained_names, name):
    assert train.main([tiny_toml, "--model", name]) == 0
    assert trained_names == [name]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_train_every_model_once(tiny_run, tiny_toml, trained_names, count):
    for index in range(count):
        assert train.main([tiny_toml, "--share", f"{index}/{count}"]) == 0
    assert sorted(trained_names) == sorted(NAMES)


@pytest.mark.parametrize("task", range(5))
def test_an_array_task_trains_its_element(tiny_run, tiny_toml, trained_names, monkeypatch, task):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
    assert train.main([tiny_toml]) == 0
    assert trained_names == [NAMES[task]]


@pytest.mark.parametrize("choice", [["--model", "r00-f01"], ["--share", "1/5"]])
def test_a_choice_goes_before_the_array_task(
    tiny_run, tiny_toml, trained_names, monkeypatch, choice
):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert train.main([tiny_toml, *choice]) == 0
    assert trained_names == ["r00-f01"]


@pytest.mark.parametrize(
    ("choice", "task", "message"),
    [
        (
            ["--model", "r09-f00"],
            None,
            f"r09-f00 is not in the plan, which has: {', '.join(NAMES)}",
        ),
        (["--share", "2/2"], None, "share '2/2' is not understood; wanted I/N"),
        ([], 5, "array task 5 has no model; submit --array=0-4"),
        (["--set", "training.batch_size=0"], None, "training.batch_size"),
    ],
)
def test_a_wrong_choice_is_one_message(
    tiny_run, tiny_toml, trained_names, monkeypatch, capsys, choice, task, message
):
    if task is not None:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
    assert train.main([tiny_toml, *choice]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert trained_names == []


def test_model_and_share_exclude_each_other(tiny_toml, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main([tiny_toml, "--model", "r00-f00", "--share", "0/2"])
    assert stopped.value.code == 2
    assert "--share: not allowed with argument --model" in capsys.readouterr().err


def test_a_run_that_was_not_prepared_is_refused(tiny_toml, capsys):
    assert train.main([tiny_toml]) == 1
    assert "cohort.h5 does not exist; run `tumorcam prepare`" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan_and_trains_nothing(tiny_run, tiny_toml, trained_names, capsys):
    assert train.main([tiny_toml, "--share", "0/2", "--dry-run"]) == 0
    assert "would train 3 of 5: r00-f00, r01-f00, baselines" in capsys.readouterr().out
    assert trained_names == []
    assert not (tiny_run.folder / "models").exists()


def test_a_share_without_work_is_no_error(tiny_run, tiny_toml, trained_names, capsys):
    assert train.main([tiny_toml, "--share", "6/7"]) == 0
    assert trained_names == []


def test_a_finished_run_is_left_as_it_is(trained_copy, trained_names, capsys):
    config_file = str(trained_copy.folder / "config.toml")
    files = sorted(trained_copy.folder.glob("models/**/*.*"))
    before = [path.stat().st_mtime_ns for path in files]
    assert len(files) == 9  # model.h5 and history.csv of four models, and the baselines
    assert train.main([config_file]) == 0
    assert train.main([config_file, "--model", "r01-f00"]) == 0
    assert [path.stat().st_mtime_ns for path in files] == before
    assert trained_names == []
    assert capsys.readouterr().err.count("there already") == 1


def test_what_is_missing_of_a_share_is_trained(trained_copy, trained_names):
    (trained_copy.folder / "models" / "r01-f00" / "model.h5").unlink()
    assert train.main([str(trained_copy.folder / "config.toml")]) == 0
    assert trained_names == ["r01-f00"]


def test_a_failing_process_ends_the_share_with_its_code(tiny_run, tiny_toml, monkeypatch):
    started = []

    def run_together(commands, environment):
        started.append(commands)
        return processes.Ended(75, processes.Cost(1.0, 1, 1.0, 0))

    monkeypatch.setattr(processes, "run_together", run_together)
    assert train.main([tiny_toml]) == 75 and len(started) == 1


def test_models_are_trained_in_processes_of_their_own(tiny_run, tiny_toml):
    assert train.main([tiny_toml, "--share", "0/4"]) == 0  # r00-f00 and the baselines
    names = [path.parent.name for path in tiny_run.folder.glob("models/*/model.h5")]
    assert names == ["r00-f00"]
    assert (tiny_run.folder / "models" / "baselines.h5").exists()


def test_the_job_writes_the_model_and_its_log(tiny_run, tiny_toml):
    assert train.main([tiny_toml, "--model", "r01-f01"]) == 0
    assert [path.parent.name for path in tiny_run.folder.glob("models/*/model.h5")] == ["r01-f01"]
    with h5py.File(RunFolder.of(tiny_run).model(ModelKey(1, 1))) as file:
        assert file.attrs["model"] == "r01-f01"
        assert np.isfinite(file["history/training_loss"][...]).all()
    log = tiny_run.folder / "logs" / "train-r01-f01-0.log"
    assert "held-out accuracy" in log.read_text(encoding="utf-8")
