"""The input of a run: which files it is, and how any of them is opened with its samples."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.config import Config
from tumorcam.errors import InputError
from tumorcam.readers import samples
from tumorcam.readers.blocks import Expression
from tumorcam.readers.files import is_file, open_input, require_file
from tumorcam.readers.h5ad import H5adExpression
from tumorcam.readers.table import TableExpression
from tumorcam.settings import InputSettings
from tumorcam.storage import manifest
from tumorcam.storage.integrity import HDF5_SIGNATURE
from tumorcam.storage.run_folder import RunFolder

REMEDY = "run `tumorcam synthesize`, which writes it anew"


class Inputs(NamedTuple):
    """An expression matrix whose values are not read yet, and the tidy table of its samples.

    `samples` has the columns sample, patient, tumor, sample_type and source (str).
    """

    expression: Expression
    samples: pd.DataFrame


def input_settings(config: Config) -> InputSettings:
    """The settings of a run's input; an empty `input.expression` means the synthesized cohort.

    Raises
    ------
    InputError
        If `input.expression` is empty and no cohort was synthesized.
    FileError
        If a file of the synthesized cohort is damaged.
    """
    if config.input.expression:
        return config.input
    synthetic = RunFolder.of(config).input
    if not (is_file(synthetic.expression) and is_file(synthetic.samples)):
        msg = (
            f"input.expression is empty and {synthetic.root} has no synthesized cohort; set "
            "input.expression and input.samples, or run `tumorcam synthesize` first"
        )
        raise InputError(msg)
    for path in (synthetic.expression, synthetic.samples):
        manifest.require_as_listed(path, remedy=REMEDY)
    return dataclasses.replace(
        config.input,
        expression=str(synthetic.expression),
        samples=config.input.samples or str(synthetic.samples),
    )


def input_files(settings: InputSettings) -> list[Path]:
    """The files of the input: the expression matrix and, if it is set, the samples table.

    Raises
    ------
    InputError
        If one of them is no file, or cannot be read.
    """
    paths = [Path(name) for name in (settings.expression, settings.samples) if name]
    for path in paths:
        require_file(path)
    return paths


def open_inputs(settings: InputSettings) -> Inputs:
    """Open the expression matrix without reading its values, and read the samples table.

    Raises
    ------
    InputError
        If a file is missing or damaged, or if the matrix and the table have no sample in common.
    """
    matrix_path, *table_path = input_files(settings)
    table = samples.read_table(table_path[0]) if table_path else None
    expression: H5adExpression | TableExpression
    if _is_h5ad(matrix_path, settings):
        expression = H5adExpression(matrix_path, settings.gene_column)
        table = expression.obs if table is None else table
    elif table is not None:
        ids = samples.sample_ids(table, settings, table_path[0])
        expression = TableExpression(matrix_path, ids, settings.gene_column)
    else:
        msg = f"{matrix_path} needs a samples table; set input.samples to a TSV or CSV file"
        raise InputError(msg)
    source = table_path[0] if table_path else matrix_path
    return Inputs(expression, samples.tidy(table, expression.samples, settings, source))


def _is_h5ad(path: Path, settings: InputSettings) -> bool:
    """Whether the matrix is an .h5ad file, by the setting, else by its name or first bytes."""
    if settings.format != "auto":
        return settings.format == "h5ad"
    with open_input(path) as file:
        return path.suffix == ".h5ad" or file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
