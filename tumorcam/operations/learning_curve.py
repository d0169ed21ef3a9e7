"""The learning curve of one model as a table of its epochs, also while the model trains."""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import ConfigError, FileError
from tumorcam.storage import integrity
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder

COLUMNS = {  # of history.csv: the title and the format of each
    "epoch": ("epoch", "{:.0f}"),
    "training_loss": ("training loss (nats)", "{:.4f}"),
    "validation_loss": ("validation loss (nats)", "{:.4f}"),
    "validation_accuracy": ("validation accuracy", "{:.3f}"),
    "learning_rate": ("learning rate", "{:.2e}"),
    "seconds": ("time (s)", "{:.1f}"),
}
MARK = "<- lowest validation loss"


def curve_text(run: RunFolder, plan: Plan, name: str) -> str:
    """The finished epochs of a model, the one with the lowest validation loss marked.

    Parameters
    ----------
    name : str
        The model, such as "r00-f00", or "n1-r00-f00" in a null run.

    Raises
    ------
    ConfigError
        If the plan has no such model.
    FileError
        If its history.csv cannot be read or is damaged.
    """
    keys = plan.model_keys
    if name not in keys:
        msg = f"--curve {name} is not in the plan; its models are {', '.join(keys)}"
        raise ConfigError(msg)
    path = run.history(keys[name])
    if not os.path.lexists(path):
        return f"{name}: no epoch is finished yet"
    return f"{name}:\n{epoch_table(_read_history(path))}"


def _read_history(path: Path) -> pd.DataFrame:
    """The epochs of a history.csv.

    Raises
    ------
    FileError
        If it cannot be read or is damaged.
    """
    try:
        history = pd.read_csv(io.BytesIO(integrity.read_bytes(path)))
        columns = history[list(COLUMNS)].astype(float)
    except (ValueError, KeyError, TypeError, OverflowError, pd.errors.ParserError) as error:
        words = " ".join(str(error).split())[:200]
        msg = (
            f"{path} is damaged ({words}); the training writes it anew after each epoch, and a "
            "finished model keeps its own copy"
        )
        raise FileError(msg) from error
    if columns.empty or not np.isfinite(columns.to_numpy()).all():
        raise FileError(f"{path} is damaged: it has no epochs, or values that are no numbers")
    return columns


def epoch_table(history: pd.DataFrame) -> str:
    """A row for each epoch, with titles, units and a mark at the lowest validation loss.

    Parameters
    ----------
    history : DataFrame
        At least one epoch, with the columns of COLUMNS.
    """
    table = pd.DataFrame(
        {title: history[name].map(layout.format) for name, (title, layout) in COLUMNS.items()}
    )
    is_lowest = history["validation_loss"] == history["validation_loss"].min()
    table[""] = is_lowest.map({True: MARK, False: ""})
    text: str = table.to_string(index=False)
    return "\n".join(line.rstrip() for line in text.splitlines())
