"""With what a process worked, on what, and what it used: the notes in its log."""

import dataclasses
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tumorcam
from tumorcam import __version__

PACKAGES = ("numpy", "scipy", "pandas", "h5py", "scikit-learn", "polars", "mpi4py")
NO_CHECKOUT = "not from a checkout"
UNKNOWN_COMMIT = "from a checkout whose commit git does not tell"
DIRTY = "-dirty"  # ends the commit of a tree with changes that are not committed
LINE_START = '{"notes": '
GIT = ("git", "--no-optional-locks", "describe", "--always", "--abbrev=40", "--exclude=*")
GIT_SECONDS = 10.0  # after which a slow file system counts as no answer
CPU_KEYS = ("model name", "Hardware", "cpu")  # of /proc/cpuinfo on x86, ARM and POWER


@dataclass(frozen=True)
class JobNotes:
    """A part of what a process notes of itself in its log; what it does not tell is empty or 0.

    Attributes
    ----------
    command : str
        The command line, as a shell would take it.
    commit : str
        Commit of the checkout that tumorcam was run from, "-dirty" behind it where files had
        changed since, or NO_CHECKOUT.
    versions : mapping
        Version of tumorcam, of Python and of packages; of TensorFlow where it was used.
    cpu : str
        Model of the CPU.
    cores : int
        CPUs that the process was allowed to use.
    gpus : mapping
        Model of each GPU that the process took, by what nvidia-smi calls the GPU.
    seconds, cpu_seconds : float
        From the start of the log to its end; processor time of the process in between.
    """

    command: str = ""
    commit: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    cpu: str = ""
    cores: int = 0
    gpus: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def to_line(self) -> str:
        """The notes as JSON without line breaks; fields that are empty or 0 are left out."""
        fields = {name: value for name, value in vars(self).items() if value}
        text = json.dumps({"notes": fields}, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode()

    @classmethod
    def from_line(cls, line: str) -> "JobNotes | None":
        """The notes of a line of a log; None for any other line."""
        if not line.startswith(LINE_START):
            return None
        try:
            content = json.loads(line)["notes"]
        except ValueError:  # the line was cut off
            return None
        names = [item.name for item in dataclasses.fields(cls)]  # another version may have more
        return cls(**{name: content[name] for name in names if name in content})

    def with_more(self, more: "JobNotes") -> "JobNotes":
        """These notes and later ones of the same process."""
        later: dict[str, Any] = {name: value for name, value in vars(more).items() if value}
        return dataclasses.replace(
            self,
            **later
            | {"versions": {**self.versions, **more.versions}, "gpus": {**self.gpus, **more.gpus}},
        )


def notes_at_start(command: str, cores: int, *, with_commit: bool) -> JobNotes:
    """What a process can note when it starts.

    Parameters
    ----------
    with_commit : bool
        Whether git is asked for the commit; of many ranks one does, to spare a shared disk.
    """
    return JobNotes(
        command=command,
        commit=source_commit() if with_commit else "",
        versions={"tumorcam": __version__, "Python": platform.python_version()}
        | package_versions(PACKAGES),
        cpu=cpu_model(),
        cores=cores,
    )


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of the packages that are installed."""
    versions = {}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def source_commit(root: Path | None = None) -> str:
    """The commit of the checkout that tumorcam runs from, or NO_CHECKOUT or UNKNOWN_COMMIT.

    Parameters
    ----------
    root : Path or None
        The folder around the package; None takes that of the running one.
    """
    folder = root or Path(tumorcam.__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return NO_CHECKOUT
    try:
        answer = subprocess.run(
            [*GIT, f"--dirty={DIRTY}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN_COMMIT
    return answer.stdout.strip() if answer.returncode == 0 else UNKNOWN_COMMIT


def cpu_model(root: Path = Path("/")) -> str:
    """The model of the CPU, by Linux; else the kind of machine, such as aarch64."""
    table = root / "proc/cpuinfo"
    rows = table.read_text(errors="replace").splitlines() if table.exists() else []
    cells = {row.partition(":")[0].strip(): row.partition(":")[2].strip() for row in rows}
    models = (cells[key] for key in CPU_KEYS if cells.get(key))
    return " ".join(next(models, platform.machine()).split())
