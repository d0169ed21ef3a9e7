"""What a run still has to do, and what it costs."""

import dataclasses

import pytest
from probes import probe_of
from stub_run import write_stubs

from jobs import explain, pipeline, reduce, train
from tumorcam.operations import time_ahead, work_left
from tumorcam.operations.budget import budgets
from tumorcam.operations.probe import write_probe
from tumorcam.operations.sizes import sizes_of
from tumorcam.operations.work_left import (
    STAGES,
    StageWork,
    disk_text,
    left_lines,
    n_ranks_of,
    total_seconds,
)
from tumorcam.settings import InputSettings
from tumorcam.storage.run_folder import RunFolder

RATE = 4e9  # of this machine, whose processors are two


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(time_ahead, "matrix_rate", lambda: RATE)
    monkeypatch.setattr(work_left.launcher, "n_cpus", lambda: 2)


def left(config, n_ranks=2):
    works = work_left.work_left(config, STAGES, n_ranks=n_ranks)
    return {work.stage: work for work in works}


def test_by_arithmetic_where_nothing_is_measured(tiny_run):
    works = left(tiny_run)
    assert list(works) == ["train", "explain", "reduce", "faithfulness", "report"]
    assert works["train"].left_text == "5 of 5 models", "four networks and the baselines"
    assert works["explain"].left_text == "12 of 12 shards"
    sizes = sizes_of(tiny_run)
    probe = time_ahead.assumed_probe(tiny_run, sizes, RATE)
    for stage, budget in budgets(tiny_run, sizes, probe, 2).items():
        if stage in works:
            assert works[stage].core_seconds == pytest.approx(budget.core_seconds(2))
            assert works[stage].seconds == pytest.approx(budget.seconds(2))
    assert works["train"].basis == "arithmetic" and "2 GFLOP/s a core" in works["train"].note
    assert works["report"].n_cores == 1


def test_a_probe_tells_what_the_run_has_not_measured(tiny_run):
    write_probe(tiny_run, probe_of(tiny_run, side=8))
    works = left(tiny_run)
    budget = budgets(tiny_run, sizes_of(tiny_run), probe_of(tiny_run, side=8), 2)
    for stage, work in works.items():
        assert work.basis == "probe" and work.memory == budget[stage].memory > 0
        assert work.seconds == pytest.approx(budget[stage].seconds(2))
    lines = left_lines(tiny_run, list(works.values()), n_ranks=2)
    assert lines[-1].startswith("probe: of node7") and lines.count(lines[-1]) == 1


def test_a_table_fits_a_terminal(tiny_run):
    write_probe(tiny_run, probe_of(tiny_run, side=8))
    for work in (10.0, 1e9):
        works = [
            StageWork("faithfulness", 9999, 9999, "models", work, 1, 10**12, basis, 10**11)
            for basis in ("probe", "measured: 9999 models", work_left.MEASURED_STAGE)
        ]
        assert max(map(len, work_left.work_table(works))) <= 100


def test_measured_from_the_run_s_own_models_and_shards(trained_copy):
    run, config = RunFolder.of(trained_copy), trained_copy
    plan_models = sorted(run.models.glob("*/model.h5"))
    for seconds, path in zip((3.0, 5.0, 7.0, 99.0), plan_models, strict=True):
        rows = "".join(f"{epoch},{seconds}\n" for epoch in range(2))
        path.with_name("history.csv").write_text(f"epoch,seconds\n{rows}", encoding="utf-8")
    size = sum(path.stat().st_size for path in plan_models[:3]) / 3
    plan_models[3].unlink()
    run.logs.mkdir(exist_ok=True)
    line = "12:00:07 explain-0: explain: 8 shards in 40.0 s\n"
    (run.logs / "explain-0-0.log").write_text(line, encoding="utf-8")
    works = left(config)
    assert works["train"].left_text == "1 of 5 models"
    start = time_ahead.JOB_SECONDS
    assert works["train"].core_seconds == pytest.approx(10.0 + start), "the mean of 6, 10 and 14"
    assert works["train"].seconds == pytest.approx(10.0 + start), "one model, one process"
    assert works["train"].basis == "measured: 3 models"
    assert works["train"].disk == round(size)
    assert works["explain"].core_seconds == pytest.approx(12 * 5.0)
    assert works["explain"].seconds == pytest.approx(12 * 2.5)
    assert works["explain"].basis == "measured: 8 shards"


def test_epochs_that_a_checkpoint_keeps_are_not_left(tiny_run):
    whole = networks_alone(tiny_run)
    folder = RunFolder.of(tiny_run).models / "r00-f00"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,seconds\n0,4.0\n", encoding="utf-8")
    assert networks_alone(tiny_run) == pytest.approx(whole), "no checkpoint is there"
    (folder / "checkpoints").mkdir()
    assert networks_alone(tiny_run) == pytest.approx(whole * 3.5 / 4)


def networks_alone(config):
    """Core seconds of the networks without the baselines and the start of two processes."""
    return left(config)["train"].core_seconds - 3 * time_ahead.JOB_SECONDS


def test_of_a_finished_run_nothing_is_left(tiny_run, tiny_toml, capsys):
    write_stubs(tiny_run)
    assert pipeline.main([tiny_toml, "--dry-run"]) == 0
    assert capsys.readouterr().out == f"nothing is left to do in {tiny_run.folder}\n"
    for job in (train, explain, reduce):
        assert job.main([tiny_toml, "--dry-run"]) == 0
        stage = job.COMMAND.name
        assert capsys.readouterr().out == f"nothing is left of {stage} in {tiny_run.folder}\n"


def test_a_stage_s_dry_run_names_what_is_left_of_it(trained_copy, capsys):
    config_file = str(trained_copy.folder / "config.toml")
    (trained_copy.folder / "models" / "r01-f00" / "model.h5").unlink()
    assert train.main([config_file, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "would train 1 of 5: r01-f00\n" in text and "1 of 5 models" in text
    assert "measured: 3 models" in text and "explain" not in text


def test_the_table_adds_up(tiny_config):
    works = [
        StageWork("train", 4, 9, "models", 7200.0, 2, 3_000_000, "measured: 5 models"),
        StageWork("explain", 8, 48, "shards", 3600.0, 4, 2_000_000_000, "by arithmetic"),
        StageWork("report", 1, 1, "", 60.0, 1, 0, "by rule"),
    ]
    assert total_seconds(works) == 3600 + 900 + 60
    table = [line.split() for line in work_left.work_table(works)]
    assert table[1][:9] == ["train", "4", "of", "9", "models", "2", "1.0", "h", "3.0"]
    assert table[-1] == ["in", "all", "3.02", "1.3", "h", "2.0", "GB"]


def test_before_prepare_no_cost_is_named(tiny_config):
    works = work_left.work_left(tiny_config, STAGES, n_ranks=2)
    lines = left_lines(tiny_config, works, n_ranks=2)
    assert total_seconds(works) is None
    assert "the cost is clear once cohort.h5 is there" in lines[-2]
    rows = [line.split()[0] for line in lines if line.split()[0] in STAGES]
    assert rows == list(STAGES[1:])


def test_a_synthetic_cohort_tells_the_cost_before_prepare(tiny_config):
    made_up = dataclasses.replace(tiny_config, input=InputSettings())
    works = work_left.work_left(made_up, STAGES, n_ranks=2)
    assert [work.stage for work in works] == list(STAGES) and total_seconds(works) > 0
    assert works[2].left_text == "5 of 5 models"


def test_processes_are_those_asked_for_or_as_many_as_fit(tiny_config):
    run = dataclasses.replace(tiny_config.run, threads_per_rank=2)
    config = dataclasses.replace(tiny_config, run=run)
    assert n_ranks_of(config, None) == 1 and n_ranks_of(config, 3) == 3


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0.0 MB"), (3_140_000, "3.1 MB"), (2_500_000_000, "2.5 GB")]
)
def test_disk_as_text(n_bytes, text):
    assert disk_text(n_bytes) == text
