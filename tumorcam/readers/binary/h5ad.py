"""Expression matrices in AnnData's .h5ad files."""

from collections.abc import Callable
from pathlib import Path

from tumorcam.errors import InputError
from tumorcam.readers.binary.child import read_apart
from tumorcam.readers.files import open_input
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.wording import plain
from tumorcam.settings import InputSettings

GZIP_MAGIC = b"\x1f\x8b"


def read_h5ad(
    path: Path,
    settings: InputSettings,
    folder: Path | None,
    is_sample: Callable[[str], bool] | None = None,
) -> Matrix:
    """Read the matrix `input.layer` of an .h5ad file, in a process of its own.

    Samples are in `obs`, whose columns become the labels, and genes in `var`, whose columns become
    the annotation; or the other way round, if `input.orientation` or the names say so.

    Parameters
    ----------
    folder : Path or None
        Where the values go, as in `StoredValues`.
    is_sample : callable or None
        Whether a name is a sample's; None takes the samples to be in `obs`.

    Raises
    ------
    InputError
        If the file cannot be read, is no AnnData file, lacks what the settings name, points outside
        itself or is damaged.
    FileError
        If the disk is full.
    """
    with open_input(path, "input.expression") as stream:
        if stream.read(2) == GZIP_MAGIC:
            name = plain(str(path))
            msg = (
                f"{name} is packed with gzip, which HDF5 cannot read; unpack it with "
                f"`gunzip {name}` and set input.expression to the unpacked file"
            )
            raise InputError(msg)
    return read_apart("h5ad", path, settings, folder, is_sample)
