"""The judge of the fault test: what a job did to the files, and whether its answer is right.

The rules, by which a job that ended is judged; the first that is broken is the verdict.

HANG: it had not ended after its time, or slept without work.
TRACEBACK: it printed a traceback or died of a signal.
LOST: a path that the fault did not touch vanished or changed, or any path outside the run did.
    A job may rewrite its own outputs, but a sound one must have the same content afterwards; what
    reduce and faithfulness keep while they work may go when they end well. `verify --delete` moves
    a damaged file, whole, to the same name below damaged/DATE/. It leaves what it cannot read,
    what is no regular file, and sound files of another run or of other settings.
WRONG: it ended with 0, but one of its outputs is not that of the sound run, apart from digests and
    times; it does not matter whether the job wrote it or took it for done. `status` and `run` only
    look at finished files: they may miss changed bytes inside a file of the same size, and files
    whose content is sound.
UNNOTICED: `verify` ended with 0 although a file that results are read from is not what it was. Of
    a part of an unfinished job it must notice only damage: the job asks itself whether it fits.
"""

import re
import stat
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import fault_kinds
import h5py
import numpy as np
import pandas as pd
from fault_jobs import Ending, Limits, run_child
from fault_kinds import SOUND, SWAPPED, FileKind
from fault_runs import RUN, Runs

OK, WRONG, LOST = "ok", "wrong result with exit 0", "sound file lost"
TRACEBACK, HANG, UNNOTICED = "traceback", "hang", "verify did not notice"
BAD = (HANG, TRACEBACK, LOST, WRONG, UNNOTICED)  # the gravest first
STATUS, DEEP, CURVE, SHOW, TRAIN, ALL = "status", "status --deep", "curve", "show", "train", "run"
VERIFY, DELETE = "verify", "verify --delete"
LOOKS = (STATUS, ALL)  # jobs that only look at finished files
OUTPUTS = {  # of each job, relative to the run
    "prepare": ("cohort.h5", "plan.json"),
    TRAIN: ("models/*/model.h5", "models/baselines.h5"),
    "explain": ("shards/*.h5",),
    "reduce": ("saliency.h5", "significance.h5"),
    "faithfulness": ("faithfulness.h5",),
    "report": ("report/*",),
}
OUTPUTS[ALL] = tuple(pattern for patterns in OUTPUTS.values() for pattern in patterns)
REWRITTEN = {  # what else each job writes, with another content each time
    DELETE: ("damaged/*",),
    "prepare": ("config.toml",),
    TRAIN: ("models/*/history.csv", "models/*/checkpoints/*"),
    "reduce": ("bands/*",),
    "faithfulness": ("responses/*",),
    SHOW: ("report/show/*",),
}
REWRITTEN[ALL] = ("input/*", *(pattern for patterns in REWRITTEN.values() for pattern in patterns))
LOGS = "logs/*"
PARTS = {"reduce": ("bands/*",), "faithfulness": ("responses/*",)}
PARTS[ALL] = (*PARTS["reduce"], *PARTS["faithfulness"])
TABLES = (".rnk", ".csv", ".parquet", ".h5ad")
ABSENT_CHANGES_PAGE = ("faithfulness", "truth")  # without these the page has fewer sections
DIGEST = re.compile(rb"[0-9a-f]{12,64}")
TIMES = {"seconds", "history/seconds"}


class Stamp(NamedTuple):
    """What tells that a path has changed; of a folder only its mode counts."""

    mode: int
    size: int = 0
    modified: int = 0
    changed: int = 0
    inode: int = 0


def snapshot(folder: Path) -> dict[str, Stamp]:
    """The stamp of every path below a folder, by its name relative to the folder."""
    stamps = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        name = str(path.relative_to(folder))
        if stat.S_ISDIR(status.st_mode):
            stamps[name] = Stamp(status.st_mode)
        else:
            times = status.st_mtime_ns, status.st_ctime_ns
            stamps[name] = Stamp(status.st_mode, status.st_size, *times, status.st_ino)
    return stamps


def differing(before: dict[str, Stamp], after: dict[str, Stamp]) -> list[str]:
    """Names that are new, gone or changed."""
    names = before.keys() | after.keys()
    return sorted(name for name in names if before.get(name) != after.get(name))


@dataclass(frozen=True)
class Try:
    """A fault, the job that met it, and what came of it.

    Attributes
    ----------
    job : str
    fault, kind, name
        The fault, and the kind and name of the file that it was put into.
    damaged : bytes or None
        The file's content with the fault; None if it cannot be read as a file.
    task : str
        Of `train`, the model that was asked for; empty for all.
    before, after : dict
        Snapshots of the root of the runs.
    """

    runs: Runs
    job: str
    fault: str
    kind: FileKind
    name: str
    damaged: bytes | None
    ending: Ending
    before: dict[str, Stamp]
    after: dict[str, Stamp]
    task: str = ""

    def is_touched(self, name: str) -> bool:
        """Whether the fault lies at or below this path of the run."""
        is_fault = name == self.name or name.startswith(f"{self.name}/")
        return is_fault and self.fault not in ("none", fault_kinds.FEW_OPEN_FILES)

    @property
    def may_be_missed(self) -> bool:
        """Whether a look at the file without reading it all cannot see the fault."""
        if self.fault in SOUND or not self.kind.is_stage:
            return True
        is_regular = self.fault not in fault_kinds.NOT_REGULAR and self.damaged is not None
        if self.fault in SWAPPED and self.name.endswith(".h5"):
            return False
        if self.fault == "unreadable":
            return not self.name.endswith((".h5", ".json"))
        same_size = ("flipped bit", "4 KiB of zeros", "link to a damaged copy")
        if self.fault in same_size:
            return True
        if self.fault.startswith("huge"):
            return True
        if self.fault == "appended bytes":
            return self.name.endswith(".h5")
        sound = (self.runs.sound / RUN / self.name).stat().st_size
        return is_regular and len(self.damaged or b"") == sound


class Breach(NamedTuple):
    """A broken rule: a member of BAD, and what happened."""

    verdict: str
    text: str


def judge(attempt: Try) -> list[Breach]:
    """The broken rules, the gravest first; none if all is well."""
    breaches = []
    if attempt.ending.is_hang:
        breaches.append(Breach(HANG, f"after {attempt.ending.seconds:.0f} s"))
    elif attempt.ending.is_crash:
        breaches.append(Breach(TRACEBACK, _last_line(attempt.ending)))
    breaches += [Breach(LOST, text) for text in _losses(attempt)]
    if attempt.ending.code == 0:
        breaches += [Breach(WRONG, text) for text in _wrong_results(attempt)]
        if attempt.job in (VERIFY, DELETE) and not _may_pass(attempt):
            breaches.append(Breach(UNNOTICED, attempt.name))
    elif attempt.fault == "none":
        breaches.append(Breach(WRONG, f"exit {attempt.ending.code} without a fault"))
    return sorted(breaches, key=lambda breach: BAD.index(breach.verdict))


def _last_line(ending: Ending) -> str:
    lines = ending.output.strip().splitlines()
    return f"exit {ending.code}: {lines[-1][:200]}" if lines else f"exit {ending.code}"


def _losses(attempt: Try) -> list[str]:
    """What the job did to files that it should have left alone."""
    losses = []
    for path in differing(attempt.before, attempt.after):
        prefix, _, name = path.partition(f"area/{RUN}/")
        if prefix or not name:
            if path not in ("area", f"area/{RUN}") and not _is_log_elsewhere(attempt):
                losses.append(f"{path}, outside the run, {_change(attempt, path)}")
        elif path in attempt.before and (text := _loss(attempt, path, name)):
            losses.append(f"{name} {text}")
    return losses


def _change(attempt: Try, path: str) -> str:
    if path not in attempt.after:
        return "vanished"
    return "changed" if path in attempt.before else "is new"


def _is_log_elsewhere(attempt: Try) -> bool:
    """Whether the user has put a log elsewhere by a link, which jobs may follow."""
    return attempt.kind.name == "log" and "link" in attempt.fault


def _loss(attempt: Try, path: str, name: str) -> str:
    """Why a path of the run that vanished or changed is lost; empty if the job was right."""
    writes = (*OUTPUTS.get(attempt.job, ()), *REWRITTEN.get(attempt.job, ()), LOGS)
    is_own = any(fnmatch(name, pattern) for pattern in writes)
    has_vanished, is_folder = path not in attempt.after, stat.S_ISDIR(attempt.before[path].mode)
    is_in_folder = attempt.is_touched(name) and name != attempt.name
    if has_vanished and not is_in_folder and attempt.ending.code == 0:
        of_part = f"{name}/" if is_folder else name
        if any(fnmatch(of_part, pattern) for pattern in PARTS.get(attempt.job, ())):
            return ""
    if attempt.is_touched(name):
        return _loss_of_damaged(attempt, path, name, is_own=is_own)
    if has_vanished:
        return "vanished"
    if is_folder:
        return "is another folder"
    if is_own and any(
        fnmatch(name, pattern) for pattern in (LOGS, *REWRITTEN.get(attempt.job, ()))
    ):
        return ""
    if _is_same(attempt.runs, name):
        return ""
    if (
        attempt.ending.code == 0
        and is_own
        and (name in _outputs(attempt) or _page_may_change(attempt))
    ):
        return ""  # it is a wrong result, or a right one
    return "was sound and has another content" if is_own else "was changed"


def _loss_of_damaged(attempt: Try, path: str, name: str, *, is_own: bool) -> str:
    """Why what was done to the damaged path is wrong; empty if it was right."""
    if path in attempt.after:
        return "" if is_own else "was changed by a job that does not write it"
    if attempt.job != DELETE:
        return "vanished"
    is_movable = attempt.damaged is not None and attempt.fault not in fault_kinds.NOT_REGULAR
    is_sound = attempt.fault in SWAPPED and name.endswith(".h5")
    if not is_movable or is_sound:
        return "vanished, although it was not damaged or could not be read"
    new = (attempt.runs.root / new for new in attempt.after.keys() - attempt.before.keys())
    copies = [copy for copy in new if fnmatch(str(copy), f"*/{RUN}/damaged/*/{name}")]
    if any(copy.is_file() and copy.read_bytes() == attempt.damaged for copy in copies):
        return ""
    return "was deleted and not moved aside"


def _may_pass(attempt: Try) -> bool:
    """Whether `verify` may find the run in order."""
    if attempt.fault in SOUND or not attempt.kind.is_result:
        return True
    if attempt.kind.is_part:
        return attempt.fault in SWAPPED | {"missing"}
    return attempt.kind.name == fault_kinds.LISTS[1] and attempt.fault == "missing"


def _wrong_results(attempt: Try) -> list[str]:
    """What is wrong after a job that ended with 0."""
    if attempt.job in (STATUS, DEEP):
        may_pass = attempt.may_be_missed
        if attempt.job == DEEP:
            may_pass = not attempt.kind.is_stage or _may_pass(attempt)
        return [] if may_pass else [f"status takes {attempt.name} for whole"]
    if attempt.job == SHOW:
        is_same = attempt.runs.answer in attempt.ending.output
        return [] if is_same else ["it shows something else"]
    wrong = []
    for name in _outputs(attempt):
        is_kept = attempt.before.get(f"area/{RUN}/{name}") == attempt.after.get(
            f"area/{RUN}/{name}"
        )
        if is_kept and attempt.job in LOOKS and attempt.may_be_missed:
            continue
        if not _is_same(attempt.runs, name):
            how = "was taken for done" if is_kept else "was written"
            wrong.append(f"{name} {how}, and is not that of the sound run")
    return wrong


def _outputs(attempt: Try) -> list[str]:
    """The outputs that a job that ended with 0 vouches for, relative to the run."""
    sound = attempt.runs.sound / RUN
    patterns = OUTPUTS.get(attempt.job, ())
    if attempt.task:
        patterns = tuple(pattern.replace("*", attempt.task) for pattern in patterns)
        patterns = tuple(p for p in patterns if Path(p).stem == attempt.task or "model.h5" in p)
    names = [str(path.relative_to(sound)) for path in sound.rglob("*") if path.is_file()]
    names = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    if _page_may_change(attempt):
        names = [name for name in names if Path(name).suffix in TABLES]
    return names


def _page_may_change(attempt: Try) -> bool:
    return attempt.fault == "missing" and attempt.kind.name in ABSENT_CHANGES_PAGE


def _is_same(runs: Runs, name: str) -> bool:
    """Whether a file of the run has the content of the sound one, apart from digests and times."""
    path, sound = runs.run / name, runs.sound / RUN / name
    if not path.is_file() or not sound.is_file():
        return False
    try:
        content, expected = path.read_bytes(), sound.read_bytes()
    except OSError:
        return False
    if content == expected:
        return True
    if path.suffix in (".html", ".json"):
        return DIGEST.sub(b"", content) == DIGEST.sub(b"", expected)
    if path.suffix in (".h5", ".h5ad"):
        # in a child, since HDF5 may crash on a damaged file
        ending = run_child(lambda: 0 if equal_hdf5(path, sound) else 1, Limits(runs.root))
        return ending.code == 0
    return path.name == "history.csv" and _equal_tables(path, sound)


def _equal_tables(path: Path, sound: Path) -> bool:
    tables = [
        pd.read_csv(file).drop(columns=list(TIMES), errors="ignore") for file in (path, sound)
    ]
    return tables[0].equals(tables[1])


def equal_hdf5(path: Path, sound: Path) -> bool:
    """Whether two HDF5 files have the same content, apart from digests and times."""
    with h5py.File(path) as file, h5py.File(sound) as expected:
        names: list[list[str]] = [[""], [""]]
        file.visit(names[0].append)
        expected.visit(names[1].append)
        return names[0] == names[1] and all(
            _equal_items(file[name or "/"], expected[name or "/"], name) for name in names[0]
        )


def _equal_items(item: h5py.HLObject, expected: h5py.HLObject, name: str) -> bool:
    if type(item) is not type(expected) or _attributes(item) != _attributes(expected):
        return False
    if isinstance(item, h5py.Group) or name in TIMES or name.endswith("digest"):
        return True
    if item.shape != expected.shape or item.dtype != expected.dtype:
        return False
    values = [np.asarray(dataset[()]) for dataset in (item, expected)]
    if values[0].dtype.hasobject:  # strings of any length or no value: their bytes are addresses
        return values[0].tolist() == values[1].tolist()
    return values[0].tobytes() == values[1].tobytes()


def _attributes(item: h5py.HLObject) -> dict[str, str]:
    return {key: str(value) for key, value in item.attrs.items() if not key.endswith("digest")}
