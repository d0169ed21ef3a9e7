"""What this site gives a job: MPI, CPUs, GPUs, space, locks, memory, time; and a self-test."""

import socket
import sys

from jobs import command
from tumorcam.config import Config


def main(argv: list[str] | None = None) -> int:
    """Print a line a check, of ranks other than the first only the red ones; 1 if any is red."""
    args = command.parser(
        "preflight", __doc__ or "", "configs/demo.toml", "configs/demo.toml --dry-run"
    ).parse_args(argv)
    n_red = 0

    def body(config: Config) -> None:
        nonlocal n_red
        n_red = _preflight(config, dry_run=args.dry_run)

    return command.run(args, body) or int(n_red > 0)


def _preflight(config: Config, *, dry_run: bool) -> int:
    """Check, print, and count what is red."""
    from tumorcam.cluster import launcher
    from tumorcam.operations import preflight

    share, coloured, found = launcher.launcher_share(), sys.stdout.isatty(), []
    who = f"rank {share.index} of {share.count} on {socket.gethostname()}:"
    if dry_run:
        print(f"{who} would check {preflight.CHECKS}")
        return 0
    for finding in preflight.inspect_site(config, share):
        found.append(finding)
        if share.index == 0 or finding.is_red:
            print(who, preflight.line(finding, coloured=coloured), flush=True)
    print(who, preflight.summary(found, coloured=coloured), flush=True)
    return sum(finding.is_red for finding in found)


if __name__ == "__main__":
    sys.exit(main())
