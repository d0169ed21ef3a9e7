"""The files that `input.expression` and `input.samples` name: paths, lists, folders, patterns."""

import difflib
import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from tumorcam.errors import InputError, quoted
from tumorcam.readers.files import NO_FILE, require_file
from tumorcam.readers.wording import listed, plain

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
MAX_FILES = 200_000
N_SIMILAR = 3  # names that a message proposes
# Files and folders that lie beside the data of a download or of a quantification.
BESIDE_FILES = tuple(
    "annotations.txt manifest manifest.txt manifest.tsv gdc_manifest* gdc_sample_sheet* readme* "
    "*.parcel *.partial *.md5 *.md5sum md5sum* *.log *.out *.json *.summary *.h5 *.bam *.bai "
    "*.sam *.pdf *.html *sj.out.tab *.py *.r *.sh *.toml _success _metadata "
    "_common_metadata thumbs.db desktop.ini".split()
)
ZARR_FILES = (".zgroup", ".zattrs", "zarr.json")
BESIDE_FOLDERS = tuple("logs aux_info libparams *.stat *.temp _star*".split())


def resolve(texts: Sequence[str], setting: str) -> list[Path]:
    """The files that the texts of a setting name, in their order.

    Parameters
    ----------
    texts : sequence of str
        Each is the path of a file, the path of a folder, whose data files are taken with those of
        its folders in natural order (2 before 10), a pattern such as counts/*.tsv, or several of
        these that are separated by commas.
    setting : str
        The setting, for messages, such as "input.expression".

    Raises
    ------
    InputError
        If a text names no file, or if a file is named twice.
    """
    paths = [path for text in texts for path in _resolve_text(text, setting)]
    if len(paths) > MAX_FILES:
        msg = f"{setting} names {len(paths):,} files; wanted {MAX_FILES:,} at most"
        raise InputError(msg)
    _refuse_repeated(paths, setting)
    return paths


def _resolve_text(text: str, setting: str) -> list[Path]:
    if "\0" in text:
        require_file(Path(text), setting)
    if URL.match(text):
        msg = (
            f"{setting} = {quoted(text)} is a URL, and only files on this machine are read; "
            f"download it first, then set {setting} to the path of the file"
        )
        raise InputError(msg)
    if paths := _existing(text, setting):
        return paths
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1 and any(_existing(part, setting) for part in parts):
        return [path for part in parts for path in _resolve_text(part, setting)]
    if _is_unreadable(text):
        require_file(Path(text), setting)
    raise InputError(f"{setting} = {quoted(text)}: {_why_nothing(text, setting)}")


def _existing(text: str, setting: str) -> list[Path]:
    """The files of one path, folder or pattern; empty if nothing has this name."""
    mode = _mode(text)
    if stat.S_ISDIR(mode):
        if any(_mode(Path(text) / name) for name in ZARR_FILES):
            msg = (
                f"{setting} = {quoted(text)} is a Zarr store, which is not read; write it as an "
                ".h5ad file, in Python: anndata.read_zarr(...).write_h5ad(...)"
            )
            raise InputError(msg)
        return _require_any(_files_in(text, setting), text, setting)
    if mode:
        return [Path(text)]
    matches = glob.glob(text, recursive=True) if glob.has_magic(text) else []  # noqa: PTH207
    return _files_of_matches(sorted(matches, key=_natural), text, setting) if matches else []


def _files_of_matches(matches: Sequence[str], text: str, setting: str) -> list[Path]:
    """The files of a pattern: its folders count only where it matches no file."""
    files = [Path(match) for match in matches if not stat.S_ISDIR(_mode(match))]
    if not files:
        files = [path for match in matches for path in _files_in(match, setting)]
    return _require_any([path for path in files if not _is_beside(path.name)], text, setting)


def _require_any(paths: list[Path], text: str, setting: str) -> list[Path]:
    if not paths:
        msg = (
            f"{setting} = {quoted(text)} holds no data file (hidden files, logs, manifests, sample "
            f"sheets and annotations.txt do not count); set {setting} to the files with the values"
        )
        raise InputError(msg)
    return paths


def _files_in(folder: str, setting: str) -> list[Path]:
    """The data files of a folder and of the folders in it; a link to a folder is followed once."""
    return list(_walk(Path(folder), set(), setting))


def _walk(folder: Path, visited: set[tuple[int, int]], setting: str) -> Iterator[Path]:
    try:
        status = folder.stat()
        names = sorted((path.name for path in folder.iterdir()), key=_natural)
    except OSError as error:
        msg = f"{plain(str(folder))} cannot be read ({error.strerror}); check {setting}"
        raise InputError(msg) from error
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    for name in names:
        path = folder / name
        if stat.S_ISDIR(_mode(path)):
            if not _is_beside(name, BESIDE_FOLDERS):
                yield from _walk(path, visited, setting)
        elif not _is_beside(name):
            yield path


def _is_beside(name: str, patterns: Sequence[str] = BESIDE_FILES) -> bool:
    lower = name.lower()
    return name.startswith(".") or any(fnmatch.fnmatchcase(lower, pattern) for pattern in patterns)


def _mode(path: str | Path) -> int:
    """The type of a file that exists, else 0."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        return 0


def _is_unreadable(text: str) -> bool:
    """Whether a path is refused for another reason than that nothing has this name."""
    try:
        os.lstat(text)
        return True  # a link that leads nowhere
    except OSError as error:
        return error.errno not in NO_FILE
    except ValueError:
        return True


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers inside names by their size."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _refuse_repeated(paths: Sequence[Path], setting: str) -> None:
    first: dict[str, Path] = {}
    for path in paths:
        earlier = first.setdefault(os.path.realpath(path), path)
        if earlier is not path:
            names = dict.fromkeys([plain(str(earlier)), plain(str(path))])
            msg = f"{setting} names one file twice: {' and '.join(names)}; name it once"
            raise InputError(msg)


def _why_nothing(text: str, setting: str) -> str:
    """What was looked for, what is there instead, and what to do."""
    if text.startswith("~"):
        full = os.path.expanduser(text)  # noqa: PTH111
        return f"~ is not replaced by a home folder here; write the whole path, {quoted(full)}"
    path = Path(text)
    folder = path.parent
    while not stat.S_ISDIR(_mode(folder)) and folder != folder.parent:
        path, folder = folder, folder.parent
    kind = "file matches this pattern" if glob.has_magic(text) else "file or folder has this path"
    reason = f"no {kind}"
    if not path.is_absolute():
        reason += f" (it is looked for in {plain(str(Path.cwd()))}, where the command runs)"
    if similar := _similar(path.name, folder):
        place = "" if folder == Path() else f" in {plain(str(folder))}"
        reason += f"; similar names{place}: {listed(similar)}"
    elif path != Path(text):
        reason += f"; {plain(str(folder))} has no folder {plain(path.name)}"
    return f"{reason}; set {setting} to a path that exists"


def _similar(name: str, folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    stems = [other for other in names if other.startswith(name) or name.startswith(other)]
    close = difflib.get_close_matches(name, names, N_SIMILAR)
    return list(dict.fromkeys([*close, *sorted(stems)]))[:N_SIMILAR]
