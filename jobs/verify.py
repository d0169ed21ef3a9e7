"""Read every byte of every file of a run; check digests, sizes and what was made from what."""

import sys
from collections.abc import Sequence

from jobs import command
from tumorcam.cluster import launcher, ranks
from tumorcam.cluster.logs import progress, start_logging
from tumorcam.config import Config
from tumorcam.errors import FileError
from tumorcam.operations import audit
from tumorcam.storage import disk
from tumorcam.storage.plan import read_plan, share_of


def main(argv: list[str] | None = None) -> int:
    """Print each fault with its file and remedy; 0 if there is none, else 1."""
    parser = command.parser(
        "verify", __doc__ or "", "configs/demo.toml", "configs/demo.toml --delete"
    )
    parser.add_argument(
        "--delete",
        action="store_true",
        help="delete damaged files, so that their jobs make them anew, and the .part files of "
        "killed processes; run it while no job of the run works",
    )
    args = parser.parse_args(argv)
    n_faults = 0

    def body(config: Config) -> None:
        nonlocal n_faults
        peers = ranks.connect()
        if args.dry_run:
            if peers.is_root:
                _print_size(config)
            return
        start_logging(config.folder, "verify", peers.rank)
        files = peers.broadcast(_files(config) if peers.is_root else [])
        mine = share_of(files, launcher.Share(peers.rank, peers.size))
        shown = progress(mine, "verify", "files", shown=peers.is_root)
        gathered = peers.gather({file.path: audit.read_whole(file) for file in shown})
        if gathered is not None:
            readings = {path: reading for part in gathered for path, reading in part.items()}
            found = audit.inspect_files(files, config, readings)
            n_faults = _print_faults(config, found, delete=args.delete)
        n_faults = peers.broadcast(n_faults)

    return command.run(args, body) or int(n_faults > 0)


def _files(config: Config) -> list[audit.ExpectedFile]:
    try:
        planned = audit.expected_files(config, audit.sound_plan(config))
    except FileError:
        planned = audit.files_without_plan(config)
        if not any(file.path.exists() for file in planned):
            raise
    return [*planned, *audit.further_files(config)]


def _print_size(config: Config) -> None:
    plan = read_plan(config.folder / "plan.json", config.layout.nulls)
    files = [*audit.expected_files(config, plan), *audit.further_files(config)]
    there = [file.path.stat().st_size for file in files if file.path.exists()]
    print(f"would read {len(there)} of {len(files)} files, {sum(there) / 2**20:.1f} MB")


def _print_faults(config: Config, found: Sequence[audit.Finding], *, delete: bool) -> int:
    faults = [finding.fault for finding in found if finding.fault]
    print(*faults, sep="\n", end="\n" * bool(faults))
    if delete:
        for path in audit.delete_faulty(config, found):
            print(f"deleted {path}")
    elif left := disk.dead_parts(config.folder):
        n_bytes = sum(path.stat().st_size for path in left)
        print(f"killed processes left {len(left)} files, {n_bytes:,} bytes, as {left[0]}; --delete")
    print(f"{len(found)} files, {len(faults)} faults")
    sys.stdout.flush()  # before another rank's exit code ends this one
    return len(faults)


if __name__ == "__main__":
    sys.exit(main())
