import numpy as np
import pandas as pd
import pytest

from tumorcam.errors import ConfigError
from tumorcam.operations.learning_curve import COLUMNS, curve_text, epoch_table
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder


def history(n_epochs: int) -> pd.DataFrame:
    epoch = np.arange(n_epochs)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "training_loss": 3.0 / (1 + epoch),
            "validation_loss": 1.0 + (epoch - 2.0) ** 2,
            "validation_accuracy": epoch / 10,
            "learning_rate": 0.001,
            "seconds": 2.5,
        }
    )


def test_every_epoch_is_a_row_and_the_best_one_is_marked():
    lines = epoch_table(history(4)).splitlines()
    for title, _ in COLUMNS.values():
        assert title in lines[0]
    assert [line.split() for line in lines[1:]] == [
        ["0", "3.0000", "5.0000", "0.000", "1.00e-03", "2.5"],
        ["1", "1.5000", "2.0000", "0.100", "1.00e-03", "2.5"],
        ["2", "1.0000", "1.0000", "0.200", "1.00e-03", "2.5", "<-", "lowest", "validation", "loss"],
        ["3", "0.7500", "2.0000", "0.300", "1.00e-03", "2.5"],
    ]
    assert lines[3].index("1.0000") == lines[2].index("1.5000"), "columns stand below each other"


@pytest.mark.parametrize(
    ("losses", "best"), [([0.5], [0]), ([2, 1, 1], [1, 2]), ([np.nan, 3, 4], [1]), ([np.nan], [])]
)
def test_the_mark_stands_at_the_lowest_of_the_numbers(losses, best):
    lines = epoch_table(history(len(losses)).assign(validation_loss=losses)).splitlines()
    assert [i for i, line in enumerate(lines[1:]) if "lowest" in line] == best


def test_a_curve_is_read_while_the_model_trains(tiny_run):
    run = RunFolder.of(tiny_run)
    plan = read_plan(run.plan)
    assert curve_text(run, plan, "r01-f00") == "r01-f00: no epoch is finished yet"
    path = run.history(plan.models[2])
    path.parent.mkdir(parents=True)
    history(3).to_csv(path, index=False)
    assert curve_text(run, plan, "r01-f00") == f"r01-f00:\n{epoch_table(history(3))}"


def test_a_model_that_the_plan_lacks_is_refused(tiny_run):
    run = RunFolder.of(tiny_run)
    plan = read_plan(run.plan, 1)
    with pytest.raises(ConfigError, match=r"r09-f00 is not in the plan; .* r00-f00, .* n1-r01-f01"):
        curve_text(run, plan, "r09-f00")
