import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.operations.curves import BARS, MAX_COLUMNS, curve_text, sparkline


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


def test_eight_steps_use_all_bars():
    assert sparkline(np.arange(8.0)) == BARS
    assert sparkline(np.arange(8.0)[::-1]) == BARS[::-1]
    assert sparkline(np.array([0.0, np.nan, 1.0, np.inf])) == "▁ █ "
    assert sparkline(np.array([np.nan])) == " "


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_a_sparkline_is_bounded_and_reaches_both_ends(values):
    line = sparkline(np.array(values))
    assert len(line) == min(len(values), MAX_COLUMNS)
    assert set(line) <= set(BARS)
    if len(values) <= MAX_COLUMNS and max(values) > min(values):
        assert BARS[0] in line and BARS[-1] in line


def test_a_constant_curve_is_flat():
    assert sparkline(np.full(5, 0.1)) == BARS[0] * 5


def test_the_text_names_the_best_epoch():
    text = curve_text("r00-f01", history(6))
    assert text.splitlines()[0] == (
        "r00-f01: 6 epochs, 2.5 s each; lowest validation loss 1 at epoch 2 (accuracy 0.200)"
    )
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "training", "validation", "validation", "learning",
    ]  # fmt: skip
    assert "0.5" in text.splitlines()[1]


@pytest.mark.parametrize("n_epochs", [0, 1])
def test_a_young_model_has_a_text_too(n_epochs):
    text = curve_text("r00-f00", history(n_epochs))
    assert ("no epoch is finished yet" in text) == (n_epochs == 0)
