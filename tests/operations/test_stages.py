import dataclasses
from pathlib import Path

import pytest
from stub_run import expected, write_stubs

from jobs import synthesize
from tumorcam.operations.stages import (
    has_current_cohort,
    has_synthetic_input,
    input_digest,
    unfinished_stages,
)
from tumorcam.settings.config import load_config
from tumorcam.storage.run_folder import RunFolder

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness", "report")


@pytest.fixture
def finished(tiny_run):
    write_stubs(tiny_run)
    return tiny_run


def test_a_finished_run_has_no_work(finished):
    assert unfinished_stages(finished, STAGES) == []


@pytest.mark.parametrize(
    ("stage", "first"), [("models", "train"), ("shards", "explain"), ("report", "report")]
)
def test_all_stages_follow_the_first_with_work(finished, stage, first):
    next(file.path for file in expected(finished) if file.stage == stage).unlink()
    assert unfinished_stages(finished, STAGES) == list(STAGES[STAGES.index(first) :])
    assert unfinished_stages(finished, STAGES[:2]) == []


def test_other_blocks_of_samples_make_a_new_plan(finished):
    explain = dataclasses.replace(finished.explain, block=finished.explain.block + 1)
    config = dataclasses.replace(finished, explain=explain)
    assert unfinished_stages(config, STAGES) == list(STAGES[1:])


def test_a_changed_input_file_is_prepared_anew(finished):
    samples, digest = Path(finished.input.samples[0]), input_digest(finished)
    assert has_current_cohort(finished)
    samples.write_text(samples.read_text().replace("east", "west"))
    assert input_digest(finished) != digest
    assert not has_current_cohort(finished)
    assert unfinished_stages(finished, STAGES) == list(STAGES[1:])


def test_prepare_tells_what_is_wrong_with_a_missing_file(finished):
    Path(finished.input.samples[0]).unlink()
    assert not has_current_cohort(finished)
    assert unfinished_stages(finished, STAGES)[0] == "prepare"


def test_a_synthetic_cohort_belongs_to_its_settings(tmp_path):
    toml = tmp_path / "planted.toml"
    toml.write_text(
        f"[run]\nfolder = '{tmp_path / 'run'}'\n[synthesize]\ntumors = ['BRCA', 'COAD']\n"
        "samples_per_tumor = 8\ngenes = 120\ndrivers = 4\n"
    )
    config = load_config(toml)
    assert unfinished_stages(config, STAGES) == list(STAGES)
    assert synthesize.main([str(toml)]) == 0
    assert has_synthetic_input(config)
    assert unfinished_stages(config, STAGES) == list(STAGES[1:])
    more = dataclasses.replace(config.synthesize, drivers=5)
    assert not has_synthetic_input(dataclasses.replace(config, synthesize=more))
    RunFolder.of(config).input.truth.unlink()
    assert not has_synthetic_input(config)
