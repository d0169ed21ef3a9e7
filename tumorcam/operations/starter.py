"""What a new user starts from: a config for their own files, and the batch scripts."""

import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from tumorcam.config import config_from_tables
from tumorcam.errors import ConfigError, quoted
from tumorcam.readers.files import require_file
from tumorcam.settings.values import check_plain
from tumorcam.storage.hdf5 import write_text

TEMPLATE = """\
# A run of tumorcam. Next: tumorcam prepare {config} --dry-run, then tumorcam run {config}
# docs/settings.md lists every setting; what is not named here has its default.

[run]
name = {name}               # the run's files stand in runs/{stem}

[input]
expression = {expression}   # TSV, CSV (plain or .gz) or .h5ad; genes in rows or in columns
samples = {samples}         # table that gives each sample its tumor; empty for .h5ad: its obs
scale = {scale}             # of the values: log2 (of x + 1), counts, tpm, fpkm, rsem or as_is
# sample_column, tumor_column, patient_column = "..."   where the names are not recognised

[cohort]
sample_types = []           # such as ["01"], primary tumors of TCGA; empty: all samples
# tumors = ["BRCA", "LUAD"] # empty or left out: all

[splits]
folds = 5                   # each sample is explained by networks that never saw its patient

[layout]
replicates = 8              # networks a fold; more make the ranking steadier

[training]
epochs = 30                 # with 15, guided methods called more genes on 1,059 tumors
"""


def write_config(path: Path, expression: str, samples: str, scale: str) -> None:
    """Write a config that names a user's files; the run is named after the config.

    Parameters
    ----------
    expression, samples : str
        Paths of the matrix and of the samples table; empty where the user adds them later.
    scale : str
        As in `input.scale`.

    Raises
    ------
    ConfigError
        If the config exists, or the scale is unknown.
    InputError
        If a file does not exist or cannot be read.
    """
    check_plain(str(path), f"the path of the config, {quoted(str(path))},")
    if path.exists():
        msg = f"{path} is there already; name another file, or edit that one"
        raise ConfigError(msg)
    for name in filter(None, (expression, samples)):
        require_file(Path(name), "--expression and --samples")
    values = {"name": path.stem, "expression": expression, "samples": samples, "scale": scale}
    texts = {
        name: tomli_w.dumps({"value": value}).partition(" = ")[2].strip()
        for name, value in values.items()
    }
    text = TEMPLATE.format(config=path, stem=path.stem, **texts)
    config_from_tables(tomllib.loads(text), source=str(path))  # refuses an unknown scale
    write_text(path, text)


def copy_folders(sources: Sequence[Path], target: Path) -> list[Path]:
    """Copy the files of folders into folders of the same names; the paths of the copies.

    A file that exists stays as it is, so that the settings of a site are never overwritten.
    """
    written = []
    for source in sources:
        for file in sorted(source.iterdir()):
            copy = target / source.name / file.name
            if file.is_file() and not copy.exists():
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(file, copy)
                written.append(copy)
    return written
