"""Expression matrices in Parquet, Feather and Arrow files."""

from collections.abc import Callable
from pathlib import Path

from tumorcam.readers.binary.child import read_apart
from tumorcam.readers.files import open_input
from tumorcam.readers.matrix import Matrix
from tumorcam.settings import InputSettings

MAGIC = (b"PAR1", b"ARROW1", b"FEA1")  # how Parquet, Feather 2 or Arrow, and Feather 1 begin


def is_columnar(path: Path) -> bool:
    """Whether a file begins as Parquet, Feather or Arrow files do.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with open_input(path, "input.expression") as stream:
        return stream.read(max(map(len, MAGIC))).startswith(MAGIC)


def read_columnar(
    path: Path, settings: InputSettings, is_sample: Callable[[str], bool], folder: Path | None
) -> Matrix:
    """Read the matrix of a Parquet, Feather or Arrow file, in a process of its own.

    Columns of numbers are the values. With samples in the rows, columns of texts become the labels;
    with genes in the rows, columns that are no samples become the annotation.

    Parameters
    ----------
    is_sample : callable
        Whether a name is a sample's.
    folder : Path or None
        Where the values go, as in `StoredValues`.

    Raises
    ------
    InputError
        If the file cannot be read or is damaged, has columns that are neither numbers nor texts, or
        does not tell whether its rows are genes or samples.
    FileError
        If the disk is full.
    """
    return read_apart("columnar", path, settings, folder, is_sample)
