"""Learning curves as text, to look at in a terminal while a model trains."""

import numpy as np
import pandas as pd

BARS = "▁▂▃▄▅▆▇█"
MAX_COLUMNS = 60  # of a curve; longer ones are averaged
SHOWN = ("training_loss", "validation_loss", "validation_accuracy", "learning_rate")


def curve_text(name: str, history: pd.DataFrame) -> str:
    """A model's learning curve in a few lines.

    Parameters
    ----------
    name : str
        Of the model, such as "r00-f00".
    history : DataFrame
        A row an epoch: epoch, training_loss and validation_loss (nats), validation_accuracy,
        learning_rate, seconds.
    """
    if history.empty:
        return f"{name}: no epoch is finished yet"
    best = history.sort_values("validation_loss").iloc[0]
    lines = [
        f"{name}: {len(history)} epochs, {history['seconds'].mean():.1f} s each; lowest validation "
        f"loss {best['validation_loss']:.4g} at epoch {best['epoch']:.0f} "
        f"(accuracy {best['validation_accuracy']:.3f})"
    ]
    for column in SHOWN:
        values = history[column].to_numpy(float)
        title = column.replace("_", " ")
        lines.append(f"{title:20} {values[0]:9.4g} {sparkline(values)} {values[-1]:.4g}")
    return "\n".join(lines)


def sparkline(values: np.ndarray) -> str:
    """One bar a value from the lowest to the highest; more than 60 values are averaged.

    Parameters
    ----------
    values : (epochs,) float
        At least one; a value that is not finite becomes a blank.
    """
    parts = np.array_split(values, min(len(values), MAX_COLUMNS))
    means = np.array([part.mean() for part in parts])
    finite = np.isfinite(means)
    if not finite.any():
        return " " * len(means)
    low, high = means[finite].min(), means[finite].max()
    share = np.where(finite, (means - low) / (high - low if high > low else 1.0), 0.0)
    bars = np.array(list(BARS))[np.rint(share * (len(BARS) - 1)).astype(int)]
    return "".join(np.where(finite, bars, " "))
