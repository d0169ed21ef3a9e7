"""What a new user starts from: a config for their own files, and the batch scripts."""

import shutil
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import tomli_w

from tumorcam.errors import ConfigError, quoted
from tumorcam.readers.files import require_file
from tumorcam.readers.matrix import Fact
from tumorcam.readers.quantifications.file_list import resolve
from tumorcam.settings.config import config_from_tables
from tumorcam.settings.values import check_plain
from tumorcam.storage.hdf5 import write_text

MAX_COMMENT = 200  # characters of a reason in a config
TEMPLATE = """\
# A run of tumorcam. Next: tumorcam prepare {config} --dry-run, then tumorcam run {config}
# docs/settings.md lists every setting; what is not named here has its default.

[run]
name = {name}               # the run's files stand in runs/{stem}

[input]
expression = {expression}   # a file, a list of files, a folder or a pattern
samples = {samples}         # table that gives each sample its tumor; empty: the matrix has it
scale = {scale}             # {scale_reason}
{input_lines}
[cohort]
{cohort_lines}
[splits]
folds = 5                   # each sample is explained by networks that never saw its patient

[layout]
replicates = 8              # networks a fold; more make the ranking steadier

[training]
epochs = 30                 # with 15, guided methods called more genes on 1,059 tumors
"""
UNREAD = """\
# sample_column, tumor_column, patient_column = "..."   where the names are not recognised
"""
COHORT = """\
# sample_types = ["tumor"]  # primary tumors, blood for LAML; "SKCM:06" adds a type; []: no filter
# normals = "class"         # normal samples become one more class instead of being left out
# patients = "samples"      # only if no patient gave two samples; else name input.patient_column
# tumors = ["BRCA", "LUAD"] # empty or left out: all
# unlabelled, duplicates, bad_values = "drop"   # leave out and list what else stops the job
"""


class Choices(NamedTuple):
    """What a new config says: files, scale, and lines for its sections."""

    expression: Sequence[str]
    samples: Sequence[str]
    scale: str
    scale_reason: str = "of the values; docs/data.md lists the scales"
    input_lines: str = UNREAD
    cohort_lines: str = COHORT


def choices_of(
    expression: Sequence[str], samples: Sequence[str], scale: str, facts: Iterable[Fact]
) -> Choices:
    """The choices that were understood of the files, each with its reason as a comment.

    Parameters
    ----------
    scale : str
        As in `input.scale`.
    facts : iterable of Fact
        Those that name a setting become lines; the last of several for one setting counts.
    """
    lines: dict[str, dict[str, str]] = {"input": {}, "cohort": {}}
    reason = ""
    for fact in facts:
        section, _, key = fact.setting.partition(".")
        if fact.setting == "input.scale":
            reason = fact.reason
        elif fact.value and section in lines:
            comment = " ".join(f"{fact.reason}; {fact.others}".strip("; ").split())[:MAX_COMMENT]
            lines[section][key] = f"{key} = {_toml(fact.value)}  # {comment}\n"
    return Choices(
        expression,
        samples,
        scale,
        reason or "as you said",
        "".join(lines["input"].values()),
        "".join(lines["cohort"].values()) + COHORT,
    )


def write_config(path: Path, choices: Choices) -> None:
    """Write a config that names a user's files; the run is named after the config.

    Raises
    ------
    ConfigError
        If the config exists, or the scale is unknown.
    InputError
        If a file does not exist or cannot be read.
    """
    require_new(path)
    for name in choices.samples:
        require_file(Path(name), "the files that you name")
    resolve(choices.expression, "the files that you name")
    text = TEMPLATE.format(
        config=path,
        name=_toml(path.stem),
        stem=path.stem,
        expression=_toml_list(choices.expression),
        samples=_toml_list(choices.samples),
        scale=_toml(choices.scale),
        scale_reason=choices.scale_reason,
        input_lines=choices.input_lines,
        cohort_lines=choices.cohort_lines,
    )
    config_from_tables(tomllib.loads(text), source=str(path))  # refuses an unknown scale
    write_text(path, text)


def require_new(path: Path) -> None:
    """Check that a config can be written; ConfigError if it exists."""
    check_plain(str(path), f"the path of the config, {quoted(str(path))},")
    if path.exists():
        msg = f"{path} is there already; name another file, or edit that one"
        raise ConfigError(msg)


def _toml(value: str) -> str:
    return tomli_w.dumps({"value": value}).partition(" = ")[2].strip()


def _toml_list(values: Sequence[str]) -> str:
    """Several texts as a list, one as a text, none as an empty text."""
    if len(values) > 1:
        return f"[{', '.join(map(_toml, values))}]"
    return _toml(values[0] if values else "")


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
