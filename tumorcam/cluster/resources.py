"""Memory and disk that a job has here."""

from collections.abc import Iterator
from pathlib import Path


def memory_limits(slurm_bytes: int | None, root: Path = Path("/")) -> dict[str, int]:
    """Bytes that all processes of this job on this node may take, by the name of the limit."""
    limits = {} if slurm_bytes is None else {"Slurm": slurm_bytes}
    bounds = [int(text) for text in _cgroup_texts(root) if text.isdigit()]
    if bounds:  # version 1 says "no limit" as a number near 2 ** 63
        limits["the cgroup"] = min(bounds)
    meminfo = root / "proc/meminfo"
    rows = meminfo.read_text(encoding="ascii").splitlines() if meminfo.exists() else []
    for row in rows:
        if row.startswith("MemAvailable:"):
            limits["the node's free memory"] = int(row.split()[1]) * 2**10
    return limits


def _cgroup_texts(root: Path) -> Iterator[str]:
    """Memory limits of this process's cgroup and of those above it, in versions 1 and 2."""
    table = root / "proc/self/cgroup"
    for row in table.read_text(encoding="utf-8").splitlines() if table.exists() else []:
        _, controllers, place = row.split(":", 2)
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers not in ("", "memory"):
            continue
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        for folder in (inner := top / place.lstrip("/"), *inner.parents):
            if folder.is_relative_to(top) and (folder / name).exists():
                yield (folder / name).read_text(encoding="ascii").strip()


def existing(folder: Path) -> Path:
    """The folder, or else the nearest one above it that exists; both lie on one file system."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def peak_bytes() -> int:
    """The peak memory of this process so far, without that of the process that started it."""
    rows = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(row.split()[1]) * 2**10 for row in rows if row.startswith("VmHWM:"))


def size_text(n_bytes: int) -> str:
    """A number of bytes for a message, such as `1.5 GiB`."""
    return f"{n_bytes / 2**30:,.1f} GiB"
