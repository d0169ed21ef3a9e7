"""Read every byte of every file of a run; check digests, sizes and what was made from what."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.operations.audit import FileState
    from tumorcam.operations.expected_files import ExpectedFile


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what to do about damaged files."""
    parser.add_argument(
        "--delete",
        action="store_true",
        help="move damaged files to damaged/ in the run's folder, so that their jobs make them "
        "anew, and delete the .part files of killed processes; run it while no job of the run "
        "works; what cannot be read, or was made with other settings, stays",
    )
    parser.add_argument(
        "--purge", action="store_true", help="delete what earlier calls moved to damaged/"
    )


def verify(job: Job) -> int:
    """Print each fault with its file and remedy; 0 if there is none, else 1."""
    from tumorcam.cluster import ranks
    from tumorcam.cluster.launcher import Share
    from tumorcam.cluster.logs import start_logging
    from tumorcam.operations import audit
    from tumorcam.storage.plan import share_of

    peers = ranks.connect(job.launch)
    if job.args.dry_run:
        return _print_size(job) if peers.is_root else 0
    start_logging(job.run.logs, "verify", job.launch, rank=peers.rank)
    files = ranks.on_root(peers, lambda: _files(job, deep=True))
    own = share_of(files, Share(peers.rank, peers.size))
    threads = job.config.run.threads_per_rank
    gathered = peers.gather(audit.read_whole_files(own, threads, visible=peers.is_root))
    readings = {path: reading for part in gathered or () for path, reading in part.items()}

    def judge() -> int:
        return _print_faults(job, audit.inspect_files(files, job.config, readings))

    return int(ranks.on_root(peers, judge) > 0)


def _files(job: Job, *, deep: bool) -> "list[ExpectedFile]":
    from tumorcam.operations import audit, expected_files

    return [*audit.planned_files(job.config, deep=deep), *expected_files.further_files(job.config)]


def _print_size(job: Job) -> int:
    files = _files(job, deep=False)
    sizes = [file.path.stat().st_size for file in files if file.path.is_file()]
    print(f"would read {len(sizes)} of {len(files)} files, {sum(sizes) / 2**20:.1f} MiB")
    return 0


def _print_faults(job: Job, states: "Sequence[FileState]") -> int:
    """Print the faults, and move damaged files aside on request; the number of faults."""
    from tumorcam.storage import disk, set_aside

    faults = [state.fault for state in states if state.fault]
    print("".join(f"{fault}\n" for fault in faults), end="")
    damaged = [state.file.path for state in states if state.is_damaged]
    left, root = disk.dead_parts(job.run.root), job.run.root
    if job.args.purge:
        print(f"deleted {set_aside.purge(root, set_aside.DAMAGED)} files of damaged/")
    if job.args.delete:
        print(set_aside.moves_text(set_aside.move_aside(root, damaged, set_aside.DAMAGED)), end="")
        print("".join(f"deleted {path}, which a killed process left\n" for path in left), end="")
        disk.delete_files(left)
    elif damaged or left:
        words = shlex.join(["tumorcam", "verify", *job.command_line, "--delete"])
        print(f"{len(damaged)} damaged files; killed processes left {disk.sizes_text(left)}")
        print(f"to move the damaged ones aside and delete what processes left: {words}")
    print(f"{len(states)} files, {len(faults)} faults")
    sys.stdout.flush()  # before another rank's exit code ends this one
    return len(faults)


COMMAND = Command(
    "verify",
    __doc__,
    verify,
    ("configs/demo.toml", "configs/demo.toml --delete"),
    add_options,
    strict=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a run; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
