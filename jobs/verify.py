"""Read every byte of every file of a run; check digests, sizes and what was made from what."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.operations.audit import ExpectedFile, FileState


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --delete."""
    parser.add_argument(
        "--delete",
        action="store_true",
        help="delete damaged files, so that their jobs make them anew, and the .part files of "
        "killed processes; run it while no job of the run works",
    )


def verify(job: Job) -> int:
    """Print each fault with its file and remedy; 0 if there is none, else 1."""
    from tumorcam.cluster import ranks
    from tumorcam.cluster.launcher import Share
    from tumorcam.cluster.logs import progress, start_logging
    from tumorcam.operations import audit
    from tumorcam.storage.plan import share_of

    peers = ranks.connect(job.launch)
    if job.args.dry_run:
        return _print_size(job) if peers.is_root else 0
    start_logging(job.run.logs, "verify", job.launch, rank=peers.rank)
    files = peers.broadcast(_files(job, deep=True) if peers.is_root else [])
    own = share_of(files, Share(peers.rank, peers.size))
    visited = progress(own, "verify", "files", visible=peers.is_root)
    gathered = peers.gather({file.path: audit.read_whole(file) for file in visited})
    n_faults = 0
    if gathered is not None:
        readings = {path: reading for part in gathered for path, reading in part.items()}
        n_faults = _print_faults(job, audit.inspect_files(files, job.config, readings))
    return int(peers.broadcast(n_faults) > 0)


def _files(job: Job, *, deep: bool) -> "list[ExpectedFile]":
    from tumorcam.operations import audit

    return [*audit.planned_files(job.config, deep=deep), *audit.further_files(job.config)]


def _print_size(job: Job) -> int:
    files = _files(job, deep=False)
    sizes = [file.path.stat().st_size for file in files if file.path.exists()]
    print(f"would read {len(sizes)} of {len(files)} files, {sum(sizes) / 2**20:.1f} MiB")
    return 0


def _print_faults(job: Job, states: "Sequence[FileState]") -> int:
    """Print the faults, and delete damaged files on request; the number of faults."""
    from tumorcam.operations import audit
    from tumorcam.storage import disk

    faults = [state.fault for state in states if state.fault]
    print(*faults, sep="\n", end="\n" * bool(faults))
    if job.args.delete:
        for path in audit.delete_faulty(job.config, states):
            print(f"deleted {path}")
    elif left := disk.dead_parts(job.run.root):
        n_bytes = sum(path.stat().st_size for path in left)
        print(f"killed processes left {len(left)} files, {n_bytes:,} bytes, as {left[0]}; --delete")
    print(f"{len(states)} files, {len(faults)} faults")
    sys.stdout.flush()  # before another rank's exit code ends this one
    return len(faults)


COMMAND = Command(
    "verify", __doc__, verify, ("configs/demo.toml", "configs/demo.toml --delete"), add_options
)


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a run; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
