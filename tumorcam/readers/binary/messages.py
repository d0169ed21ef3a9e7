"""What a reader's process and the one that waits for it say to each other: lines of JSON."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues, Tile


def encode_task(reader: str, path: Path, settings: InputSettings, values: StoredValues) -> str:
    """What the process is to read: a reader, a file, the settings and where the values go."""
    task = {
        "reader": reader,
        "path": str(path),
        "settings": dataclasses.asdict(settings),
        "descriptor": values.descriptor,
        "folder": str(values.folder or tempfile.gettempdir()),
    }
    return json.dumps(task)


def decode_settings(content: dict[str, Any]) -> InputSettings:
    """The settings of a task."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return InputSettings(**values)


def encode_matrix(matrix: Matrix) -> str:
    """A matrix without its values, which stand in the file of the task."""
    content = {
        "samples": matrix.samples,
        "genes": matrix.genes,
        "shape": matrix.values.shape,
        "tiles": [
            [t.offset, t.genes.start, t.genes.stop, t.samples.start, t.samples.stop]
            for t in matrix.values.tiles
        ],
        "dropped": matrix.dropped,
        "facts": matrix.facts,
        "labels": None if matrix.labels is None else _columns(matrix.labels),
        "annotation": _columns(matrix.annotation),
    }
    return json.dumps({"matrix": content})


def decode_matrix(content: dict[str, Any], path: Path, values: StoredValues) -> Matrix:
    """The matrix of a reply; `values` is the file that the process has filled.

    Raises
    ------
    ValueError
        If the tiles do not lie within the file.
    """
    tiles = [Tile(t[0], slice(t[1], t[2]), slice(t[3], t[4])) for t in content["tiles"]]
    values.adopt(tiles, tuple(content["shape"]))
    samples, genes, labels = content["samples"], content["genes"], content["labels"]
    return Matrix(
        path=path,
        samples=samples,
        genes=genes,
        values=values,
        dropped=[Drop(*words) for words in content["dropped"]],
        facts=[Fact(*words) for words in content["facts"]],
        labels=None if labels is None else text_table(labels, len(samples)),
        annotation=text_table(content["annotation"], len(genes)),
    )


def text_table(columns: Sequence[tuple[str, list[str]]], n_rows: int) -> pd.DataFrame:
    """Named columns of texts as a table; names may repeat, and there may be no column."""
    table = pd.DataFrame(
        {i: cells for i, (_, cells) in enumerate(columns)}, index=range(n_rows), dtype=object
    )
    table.columns = pd.Index([name for name, _ in columns], dtype=object)
    return table


def _columns(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    return [(str(name), table.iloc[:, i].tolist()) for i, name in enumerate(table.columns)]
