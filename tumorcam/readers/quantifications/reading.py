"""The input of several files, whatever they hold: a sample each, or matrices to be joined."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from tumorcam.cluster.launcher import n_cpus
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.quantifications.assembly import read_samples
from tumorcam.readers.quantifications.formats import Quantification
from tumorcam.readers.quantifications.joins import join
from tumorcam.readers.quantifications.parallel import MAX_THREADS, Progress
from tumorcam.readers.quantifications.recognition import recognise
from tumorcam.readers.wording import plain
from tumorcam.settings import InputSettings

UNKNOWN = "another format"
N_FORMATS = 3  # in a message
H5AD = "h5ad"  # value of input.format


def read_files(
    paths: Sequence[Path],
    sheets: Sequence[pd.DataFrame],
    settings: InputSettings,
    is_sample: Callable[[str], bool],
    folder: Path | None,
    read_one: Callable[[Path], Matrix],
    progress: Progress | None = None,
) -> Matrix:
    """The expression matrix of one or more files.

    Files of a format with a file for each sample are put side by side. Any other files are
    matrices, which are read by `read_one` and joined by sample or by gene.

    Parameters
    ----------
    paths : sequence of Path
        As `file_list.resolve` gives them; those that `settings.samples` names are left out.
    sheets : sequence of DataFrame
        The user's tables of samples; sample sheets of the GDC among them name the samples.
    is_sample : callable
        Whether a name is that of a sample in the user's tables, or a barcode.
    folder : Path or None
        As for `StoredValues`.
    read_one : callable
        Reads a matrix from a file of any other format.
    progress : callable or None
        It is called with the number of files that were read, and of all files.

    Raises
    ------
    InputError
        If a file is wrong, or the files do not belong together.
    """
    tables = {os.path.realpath(path) for path in settings.samples}
    paths = [path for path in paths if os.path.realpath(path) not in tables] or list(paths)
    files = [] if settings.format == H5AD else _recognise(paths, is_sample)
    if not any(files):
        return _read_matrices(paths, folder, read_one, progress)
    return read_samples(_one_format(paths, files), sheets, settings, is_sample, folder, progress)


def _recognise(
    paths: Sequence[Path], is_sample: Callable[[str], bool]
) -> list[Quantification | None]:
    """The files whose format has a sample a file; None for matrices."""
    with ThreadPoolExecutor(min(n_cpus(), MAX_THREADS)) as threads:
        files = list(threads.map(recognise, paths))
    headers = {file.columns[-1] for file in files if file and _names_its_sample(file)}
    is_one_sample = len(headers) == 1 and is_sample(*headers)  # parts of it, to be joined by gene
    if len(paths) == 1 or None in files or is_one_sample:
        files = [None if file and _names_its_sample(file) else file for file in files]
    return files


def _names_its_sample(file: Quantification) -> bool:
    """Whether a file is a matrix of two columns, with a header."""
    return file.format.first_sample == 1


def _read_matrices(
    paths: Sequence[Path],
    folder: Path | None,
    read_one: Callable[[Path], Matrix],
    progress: Progress | None,
) -> Matrix:
    matrices = []
    for path in paths:
        matrices.append(read_one(path))
        if progress:
            progress(len(matrices), len(paths))
    return join(matrices, folder)


def _one_format(
    paths: Sequence[Path], files: Sequence[Quantification | None]
) -> list[Quantification]:
    """The files, which must have the same format."""
    formats = [file.format.name if file else UNKNOWN for file in files]
    counts = sorted(Counter(formats).most_common(), key=lambda count: count[0] == UNKNOWN)
    if len(counts) == 1:
        return [file for file in files if file]
    usual = counts[0][0]
    examples = [
        f"{name} ({n} of {len(files)}, such as {plain(str(paths[formats.index(name)]))})"
        for name, n in counts[:N_FORMATS]
    ]
    chosen = [path for path, name in zip(paths, formats, strict=True) if name == usual]
    rest = [path for path, name in zip(paths, formats, strict=True) if name != usual]
    advice = f"leave in input.expression the files of one format, such as {usual}"
    if pattern := _pattern(chosen, rest):
        advice = f'to take the first, set input.expression = "{pattern}"'
    msg = f"the files of input.expression have {len(counts)} formats: {'; '.join(examples)}; "
    raise InputError(msg + advice)


def _pattern(chosen: Sequence[Path], rest: Sequence[Path]) -> str:
    """A pattern that matches the chosen files and none of the rest; empty if there is none."""
    name = chosen[0].name
    ends = [name[position:] for position, character in enumerate(name) if character == "."]
    end = next((end for end in ends if all(path.name.endswith(end) for path in chosen)), "")
    if not end or any(path.name.endswith(end) for path in rest):
        return ""
    parents = [str(path.parent) for path in chosen]
    return str(Path(os.path.commonpath(parents)) / "**" / f"*{end}")
