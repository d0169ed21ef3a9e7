"""Kinds of files of a run, and faults that a disk, a user or an attacker puts into them."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from edited_files import edit_json, edited
from fault_runs import RUN, VICTIM, Runs

BLOCK = 4096  # bytes of a disk's block
HUGE = 10**6  # rows and columns
TEXT = "not what was here\n"


class NotApplicableError(Exception):
    """The fault cannot be put into this file, or would change nothing."""


@dataclass(frozen=True)
class FileKind:
    """Files of a run that are alike.

    Attributes
    ----------
    name : str
    patterns : tuple of str
        Relative to the run.
    has_siblings : bool
        Whether one of them may stand in another one's place.
    is_result : bool
        Whether results are read from it, so that `verify` must check it.
    is_part : bool
        Whether it is a part of an unfinished job, which asks itself whether the part fits.
    is_stage : bool
        Whether `status` counts it.
    """

    name: str
    patterns: tuple[str, ...]
    has_siblings: bool = False
    is_result: bool = True
    is_part: bool = False
    is_stage: bool = True

    def files(self, run: Path) -> list[str]:
        """The names of all such files of a run, relative to it."""
        paths = {path for pattern in self.patterns for path in run.glob(pattern)}
        return sorted(str(path.relative_to(run)) for path in paths if path.is_file())


def _input(name: str, file: str) -> FileKind:
    return FileKind(name, (f"input/{file}",), is_stage=False)


def _part(name: str, pattern: str) -> FileKind:
    return FileKind(name, (pattern,), has_siblings=True, is_part=True, is_stage=False)


def _no_result(name: str, pattern: str, *, has_siblings: bool) -> FileKind:
    return FileKind(name, (pattern,), has_siblings, is_result=False, is_stage=False)


LISTS = ("list of the report", "list of the input")
FILE_KINDS = (
    FileKind("cohort", ("cohort.h5",)),
    FileKind("plan", ("plan.json",)),
    _no_result("config.toml", "config.toml", has_siblings=False),
    FileKind("model", ("models/*/model.h5",), has_siblings=True),
    FileKind("baselines", ("models/baselines.h5",)),
    _no_result("history", "models/*/history.csv", has_siblings=True),
    FileKind("shard", ("shards/*.h5",), has_siblings=True),
    FileKind("saliency", ("saliency.h5",)),
    FileKind("significance", ("significance.h5",)),
    FileKind("faithfulness", ("faithfulness.h5",)),
    FileKind(LISTS[0], ("report/files.json",)),
    FileKind("page", ("report/index.html",)),
    FileKind(
        "report file",
        ("report/*.rnk", "report/*.csv", "report/*.parquet", "report/*.h5ad", "report/figures/*"),
        has_siblings=True,
    ),
    _input("input matrix", "expression.tsv.gz"),
    _input("input samples", "samples.tsv"),
    _input("truth", "truth.csv"),
    _input("input settings", "settings.json"),
    _input(LISTS[1], "files.json"),
    _part("band", "bands/b*.h5"),
    _part("ranking", "bands/ranking*.h5"),
    _part("response", "responses/*.h5"),
    _no_result("log", "logs/*.log", has_siblings=True),
)


@dataclass(frozen=True)
class Target:
    """A file that a fault is put into; `name` is relative to the run."""

    runs: Runs
    kind: FileKind
    name: str
    rng: np.random.Generator

    @property
    def path(self) -> Path:
        """The file in the run that is damaged."""
        return self.runs.run / self.name

    @property
    def sound(self) -> bytes:
        """The file's content without the fault."""
        return (self.runs.sound / RUN / self.name).read_bytes()

    def replace(self, content: bytes) -> None:
        """Write another content.

        Raises
        ------
        NotApplicableError
            If it is not another one.
        """
        if content == self.sound:
            raise NotApplicableError
        self.path.write_bytes(content)

    def draw(self, size: int) -> int:
        """A random number from 0 to `size` - 1.

        Raises
        ------
        NotApplicableError
            If there is none.
        """
        if size < 1:
            raise NotApplicableError
        return int(self.rng.integers(size))


def _none(target: Target) -> None:
    """No fault, so that the jobs must end well."""


def _flip_bit(target: Target) -> None:
    content = bytearray(target.sound)
    bit = target.draw(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    target.replace(bytes(content))


def _cut(target: Target) -> None:
    target.replace(target.sound[: target.draw(len(target.sound))])


def _zero_block(target: Target) -> None:
    content = bytearray(target.sound)
    start = BLOCK * target.draw(-(-len(content) // BLOCK))
    stop = min(start + BLOCK, len(content))
    content[start:stop] = bytes(stop - start)
    target.replace(bytes(content))


def _empty(target: Target) -> None:
    target.replace(b"")


def _append(target: Target) -> None:
    target.replace(target.sound + b"\xff" + target.rng.bytes(1 + target.draw(BLOCK)))


def _take_sibling(target: Target) -> None:
    if not target.kind.has_siblings:
        raise NotApplicableError
    run, suffix = target.runs.sound / RUN, Path(target.name).suffix
    names = [name for name in target.kind.files(run) if Path(name).suffix == suffix]
    target.replace((run / names[target.draw(len(names))]).read_bytes())


def _take_from(run: Path, target: Target) -> None:
    if not (run / target.name).is_file():
        raise NotApplicableError
    target.replace((run / target.name).read_bytes())


def _take_other_run(target: Target) -> None:
    _take_from(target.runs.other_run, target)


def _take_other_settings(target: Target) -> None:
    _take_from(target.runs.other_settings, target)


def _remove(target: Target) -> None:
    target.path.unlink()


def _make_unreadable(target: Target) -> None:
    target.path.chmod(0)


def _link(target: Target, content: bytes) -> None:
    elsewhere = target.runs.outside / f"copy of {target.path.name}"
    elsewhere.write_bytes(content)
    target.path.unlink()
    target.path.symlink_to(elsewhere)


def _link_to_copy(target: Target) -> None:
    _link(target, target.sound)


def _link_to_damaged_copy(target: Target) -> None:
    content = bytearray(target.sound)
    content[target.draw(len(content))] ^= 0x55
    _link(target, bytes(content))


def _link_to_nothing(target: Target) -> None:
    target.path.unlink()
    target.path.symlink_to(target.runs.outside / "nothing")


def _make_pipe(target: Target) -> None:
    target.path.unlink()
    os.mkfifo(target.path)


def _make_folder(target: Target) -> None:
    target.path.unlink()
    target.path.mkdir()
    (target.path / "of the user.txt").write_text(TEXT, encoding="utf-8")


def _declare_huge(target: Target) -> None:
    """Give one dataset a shape that no memory holds, and no data; the attributes stay right."""
    if target.path.suffix != ".h5":
        raise NotApplicableError
    with h5py.File(target.path, "r+") as file:
        _replace_by_huge(file, target)


def _declare_huge_and_seal(target: Target) -> None:
    if target.path.suffix != ".h5":
        raise NotApplicableError
    with edited(target.path) as file:
        _replace_by_huge(file, target)


def _replace_by_huge(file: h5py.File, target: Target) -> None:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if _is_array(item) else None)
    name = names[target.draw(len(names))]
    dtype = file[name].dtype
    del file[name]
    file.create_dataset(name, (HUGE, HUGE), dtype, chunks=(1000, 1000))


def _is_array(item: h5py.Group | h5py.Dataset) -> bool:
    return isinstance(item, h5py.Dataset) and item.ndim > 0 and not item.is_virtual


def _list(target: Target, name: str) -> None:
    """Let a list name another file, with a digest of the list that is right."""
    if target.kind.name not in LISTS:
        raise NotApplicableError
    entry = {"size": 1, "sha256": hashlib.sha256(TEXT.encode()).hexdigest()}
    edit_json(target.path, lambda content: content["files"].update({name: entry}))


def _list_parent(target: Target) -> None:
    _list(target, os.path.relpath(target.runs.outside / VICTIM, target.path.parent))


def _list_absolute(target: Target) -> None:
    _list(target, str(target.runs.outside / VICTIM))


def _list_link(target: Target) -> None:
    _list(target, "linked.csv")
    (target.path.parent / "linked.csv").symlink_to(target.runs.outside / VICTIM)


def _list_linked_folder(target: Target) -> None:
    _list(target, f"linked/{VICTIM}")
    (target.path.parent / "linked").symlink_to(target.runs.outside)


FEW_OPEN_FILES = "few open files"  # of the process; no file is changed
FAULTS: dict[str, Callable[[Target], None]] = {
    "none": _none,
    FEW_OPEN_FILES: _none,
    "flipped bit": _flip_bit,
    "cut": _cut,
    "4 KiB of zeros": _zero_block,
    "empty": _empty,
    "appended bytes": _append,
    "missing": _remove,
    "unreadable": _make_unreadable,
    "sibling in its place": _take_sibling,
    "another run's file": _take_other_run,
    "other settings' file": _take_other_settings,
    "link to a sound copy": _link_to_copy,
    "link to a damaged copy": _link_to_damaged_copy,
    "dangling link": _link_to_nothing,
    "pipe": _make_pipe,
    "folder in its place": _make_folder,
    "huge shape": _declare_huge,
    "huge shape, sealed": _declare_huge_and_seal,
    "list names ../..": _list_parent,
    "list names an absolute path": _list_absolute,
    "list names a link": _list_link,
    "list names a linked folder": _list_linked_folder,
}
SOUND = {"none", FEW_OPEN_FILES, "link to a sound copy"}  # the content is as it was
SWAPPED = {"sibling in its place", "another run's file", "other settings' file"}
NOT_REGULAR = {
    "link to a sound copy",
    "link to a damaged copy",
    "dangling link",
    "pipe",
    "folder in its place",
}
BROKEN_TEXT = {"4 KiB of zeros", "appended bytes", "dangling link", "folder in its place"}


def apply(fault: str, target: Target) -> None:
    """Put a fault into a file.

    Raises
    ------
    NotApplicableError
        If that is impossible or would change nothing.
    """
    FAULTS[fault](target)


def mend(runs: Runs, name: str) -> None:
    """Make a path of the area what it is in the sound copy; `name` is relative to the area."""
    path, sound = runs.area / name, runs.sound / name
    if path.is_dir() and not path.is_symlink():
        if sound.is_dir():
            path.chmod(0o755)
            return
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    if sound.is_dir():
        path.mkdir(parents=True, exist_ok=True)
    elif sound.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(sound, path)
