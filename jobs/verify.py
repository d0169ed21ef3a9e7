"""Read every byte of every file of a run; check digests, sizes and what was made from what."""

import sys

from jobs import command
from tumorcam import audit, cluster, ranks, shards
from tumorcam.config import Config
from tumorcam.logs import progress, start_logging


def main(argv: list[str] | None = None) -> int:
    """Print each fault with its file and remedy; 0 if there is none, else 1."""
    args = command.parser(
        "verify", __doc__ or "", "configs/demo.toml", "configs/demo.toml --dry-run"
    ).parse_args(argv)
    n_faults = 0

    def body(config: Config) -> None:
        nonlocal n_faults
        peers = ranks.connect()
        plan = shards.read_plan(config.folder / "plan.json", config.layout.nulls)
        files = audit.expected_files(config, plan)
        if args.dry_run:
            there = [file.path.stat().st_size for file in files if file.path.exists()]
            if peers.is_root:
                print(f"would read {len(there)} of {len(files)} files, {sum(there) / 2**20:.1f} MB")
            return
        start_logging(config.folder, "verify", peers.rank)
        mine = shards.share_of(files, cluster.Share(peers.rank, peers.size))
        digests = audit.stored_digests(mine)
        shown = progress(mine, "verify", "files", shown=peers.is_root)
        found = [audit.inspect_file(file, config, digests, deep=True) for file in shown]
        gathered = peers.gather([finding.fault for finding in found if finding.fault])
        if gathered is not None:
            faults = [fault for part in gathered for fault in part]
            n_faults = len(faults)
            print(*faults, f"{len(files)} files, {n_faults} faults", sep="\n")
            sys.stdout.flush()  # before another rank's exit code ends this one
        n_faults = peers.broadcast(n_faults)

    return command.run(args, body) or int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
