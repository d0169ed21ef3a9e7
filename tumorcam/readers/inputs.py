"""The input of a run: which files it is, and how any of them is read with its samples."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.binary.columnar import is_columnar, read_columnar
from tumorcam.readers.binary.h5ad import read_h5ad
from tumorcam.readers.files import is_file, open_input, require_file
from tumorcam.readers.matrix import SAMPLE, Drop, Fact, Matrix
from tumorcam.readers.quantifications.file_list import resolve
from tumorcam.readers.quantifications.gdc import is_sample_sheet
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.readers.samples_table.joining import SampleNames
from tumorcam.readers.samples_table.several_tables import combine_tables
from tumorcam.readers.samples_table.tidy import tidy
from tumorcam.readers.tables.expression import read_text_matrix
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.tables.words import are_clinical
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import InputSettings
from tumorcam.settings.config import Config
from tumorcam.storage import manifest
from tumorcam.storage.integrity import HDF5_SIGNATURE
from tumorcam.storage.run_folder import RunFolder

REMEDY = "run `tumorcam synthesize`, which writes it anew"
EXPRESSION, SAMPLES = "input.expression", "input.samples"
MIN_GENES = 4  # fewer columns, and more rows of each sample, are those of a table in long form
Progress = Callable[[int, int], None]


class Inputs(NamedTuple):
    """An expression matrix with its values, and the tidy table of its samples.

    Attributes
    ----------
    matrix : Matrix
    samples : DataFrame
        The columns sample, patient, tumor, sample_type and source (str).
    dropped, facts : list
        Of the samples table; those of the matrix are in `matrix`.
    """

    matrix: Matrix
    samples: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]


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
        expression=(str(synthetic.expression),),
        samples=config.input.samples or (str(synthetic.samples),),
    )


def input_files(settings: InputSettings) -> list[Path]:
    """The files of the input, in order: expression matrix, samples tables, gene table.

    Raises
    ------
    InputError
        If one of them is no file, or cannot be read.
    """
    named = [(path, EXPRESSION) for path in resolve(settings.expression, EXPRESSION)]
    named += [(Path(name), SAMPLES) for name in settings.samples]
    if settings.gene_table:
        named.append((Path(settings.gene_table), "input.gene_table"))
    for path, setting in named:
        require_file(path, setting)
    return [path for path, _ in named]


def open_inputs(
    settings: InputSettings,
    folder: Path | None = None,
    progress: Progress | None = None,
    *,
    labelled: bool = True,
) -> Inputs:
    """Read the expression matrix and the samples tables.

    Parameters
    ----------
    folder : Path or None
        A folder on a disk with room for the values; None takes that of temporary files.
    progress : callable or None
        Called with what was read and what there is, in files or bytes.
    labelled : bool
        Whether the tumor types must be known. If not, each sample of the matrix is a row of
        `samples`, whether a table has it or not.

    Raises
    ------
    InputError
        If a file is missing, damaged or can be read in two ways, or if the matrix and the table
        have no sample in common.
    """
    frames = [read_frame(Path(name), SAMPLES) for name in settings.samples]
    tables = [frame.table for frame in frames]
    for table, name in zip(tables, settings.samples, strict=True):
        _refuse_transposed(table, name)
    names = SampleNames(tables)
    paths = resolve(settings.expression, EXPRESSION)

    def read_one(path: Path) -> Matrix:
        if _is_hdf5(path, settings):
            return read_h5ad(path, settings, folder, names.is_sample)
        if is_columnar(path):
            return read_columnar(path, settings, names.is_sample, folder)
        return read_text_matrix(path, settings, names.is_sample, folder)

    matrix = read_files(paths, tables, settings, names.is_sample, folder, read_one, progress)
    _refuse_long_form(matrix)
    facts = [fact for frame in frames for fact in frame.facts]
    if labelled or tables or matrix.labels is not None:
        table, source = _samples_of(matrix, tables, settings, facts)
    else:
        table, source = pd.DataFrame({SAMPLE: list(dict.fromkeys(matrix.samples))}), matrix.path
    tidied = tidy(table, matrix.samples, settings, source, labelled=labelled)
    return Inputs(
        matrix,
        tidied.table,
        [drop for frame in frames for drop in frame.dropped] + list(tidied.dropped),
        facts + list(tidied.facts),
    )


def _refuse_transposed(table: pd.DataFrame, name: str) -> None:
    """Stop where the rows of a samples table are named as its columns should be."""
    first = [str(cell) for cell in table.iloc[:, 0]] if len(table.columns) else []
    if len(first) > 1 and are_clinical(first):
        msg = (
            f"{plain(name)} has its samples in columns (its rows are {listed(first)}); wanted "
            "a row for each sample: transpose it"
        )
        raise InputError(msg)


def _refuse_long_form(matrix: Matrix) -> None:
    """Stop where a row is a gene of a sample, and not a whole gene or sample."""
    n_rows, n_samples = len(matrix.samples), len(set(matrix.samples))
    if len(matrix.genes) < MIN_GENES and n_rows >= MIN_GENES * n_samples:
        msg = (
            f"{matrix.path} has {len(matrix.genes)} columns of values, and each sample in "
            f"{n_rows / n_samples:.0f} rows: a table in long form; wanted a column for each sample "
            "or each gene, as pandas.DataFrame.pivot gives it"
        )
        raise InputError(msg)


def _samples_of(
    matrix: Matrix, tables: list[pd.DataFrame], settings: InputSettings, facts: list[Fact]
) -> tuple[pd.DataFrame, Path]:
    """The table that says what the samples are, and its file; it adds how it came about.

    Of a sample sheet the matrix holds the rows, under the names that its samples have there.
    """
    paths = [Path(name) for name in settings.samples]
    if matrix.labels is not None and any(map(is_sample_sheet, tables)):
        others = [pair for pair in zip(tables, paths, strict=True) if not is_sample_sheet(pair[0])]
        tables = [matrix.labels, *(table for table, _ in others)]
        paths = [matrix.path, *(path for _, path in others)]
    if tables:
        combined = combine_tables(tables, matrix.samples, settings.sample_column, paths)
        facts += combined.facts
        return combined.table, paths[0]
    if matrix.labels is not None:
        return matrix.labels, matrix.path
    msg = (
        f"{matrix.path} does not say which tumor type its samples have; set input.samples to a "
        "table with a row for each sample and a column for the tumor type"
    )
    raise InputError(msg)


def _is_hdf5(path: Path, settings: InputSettings) -> bool:
    """Whether a file is to be read as .h5ad: by the setting, else by its first bytes or name."""
    if settings.format != "auto":
        return settings.format == "h5ad"
    with open_input(path) as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE or path.suffix == ".h5ad"
