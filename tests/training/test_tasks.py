import itertools

import pytest
from edited_files import edited
from hypothesis import given
from hypothesis import strategies as st
from training_runs import with_training

from tumorcam.cluster.launcher import Launch
from tumorcam.errors import ConfigError
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.tasks import chosen_tasks, untrained

NAMES = ["r00-f00", "r00-f01", "r01-f00", "r01-f01", "baselines"]
ALONE = Launch.from_environ({})
THIRD = Launch.from_environ({"SLURM_ARRAY_TASK_ID": "2"})


@pytest.mark.parametrize(
    ("model", "share", "launch", "names"),
    [
        (None, None, ALONE, NAMES),
        (None, None, THIRD, ["r01-f00"]),
        ("baselines", None, THIRD, ["baselines"]),
        (None, "1/2", THIRD, ["r00-f01", "r01-f01"]),
    ],
)
def test_a_model_goes_before_a_share_before_the_array_task(model, share, launch, names):
    assert chosen_tasks(NAMES, model, share, launch) == names


@given(st.integers(1, 9))
def test_shares_cover_every_name_once(count):
    parts = [chosen_tasks(NAMES, None, f"{index}/{count}", ALONE) for index in range(count)]
    assert sorted(itertools.chain.from_iterable(parts)) == sorted(NAMES)


def test_what_is_not_in_the_plan_is_refused():
    with pytest.raises(ConfigError, match="r09-f00 is not in the plan, which has: r00-f00, r00"):
        chosen_tasks(NAMES, "r09-f00", None, ALONE)
    with pytest.raises(ConfigError, match="array task 2 has no model; submit --array=0-1"):
        chosen_tasks(NAMES[:2], None, None, THIRD)


def untrained_names(config):
    run = RunFolder.of(config)
    plan = read_plan(run.plan, config.layout.nulls)
    return untrained(run, plan, plan.train_tasks, config)


def test_a_missing_or_unfinished_file_is_untrained(tiny_run, trained_copy):
    assert untrained_names(tiny_run) == NAMES
    assert untrained_names(trained_copy) == []
    models = trained_copy.folder / "models"
    (models / "baselines.h5").unlink()
    model = models / "r01-f00" / "model.h5"
    model.write_bytes(model.read_bytes()[:-1])
    assert untrained_names(trained_copy) == ["r01-f00", "baselines"]


def test_a_model_of_other_settings_is_untrained(trained_run):
    assert untrained_names(with_training(trained_run, epochs=3)) == NAMES[:-1]


def test_a_file_of_another_cohort_is_untrained(trained_copy):
    for path in trained_copy.folder.glob("models/**/*.h5"):
        with edited(path) as file:
            file.attrs["cohort_digest"] = "other"
    assert untrained_names(trained_copy) == NAMES
