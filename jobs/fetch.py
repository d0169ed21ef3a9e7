"""Fetch open gene expression files of projects from the GDC into a folder; a rerun goes on."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .command import describe, message_of, with_streams

SERVER, WORKFLOW = "https://api.gdc.cancer.gov", "STAR - Counts"
EXAMPLES = (
    "gdc --project TCGA-BRCA --out gdc/",
    "gdc --project TCGA-LUAD TCGA-LUSC --out lung/ --sample-type 'Primary Tumor'",
    "gdc --project TCGA-BRCA --out gdc/ --dry-run",
)


def _parallel(text: str) -> int:
    if not 1 <= int(text) <= 8:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 8")
    return int(text)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


class Fetch:
    """The command `tumorcam fetch`, which needs no config."""

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments and examples."""
        describe(parser, "fetch", __doc__, EXAMPLES)
        add = parser.add_argument
        add("source", choices=["gdc"], help="where from: the Genomic Data Commons")
        several = partial(add, action="extend", nargs="+", metavar="NAME")
        several("--project", required=True, help="projects, such as TCGA-BRCA")
        add("--out", type=Path, required=True, metavar="DIR", help="the folder for the files")
        add("--workflow", default=WORKFLOW, metavar="NAME", help=f"(default: {WORKFLOW})")
        several("--sample-type", default=[], help="such as 'Primary Tumor' (default: all)")
        add("--limit", type=_positive, default=0, metavar="N", help="the first N files alone")
        add("--parallel", type=_parallel, default=4, metavar="N", help="files at a time, 4; max. 8")
        add("--server", default=SERVER, metavar="URL", help=f"(default: {SERVER})")
        add("--dry-run", action="store_true", help="ask the server, and write nothing")


COMMAND = Fetch()


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch what is not there yet; the exit code, 0 only if every file is whole."""
    return with_streams(lambda: _fetch(argv))


def _fetch(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="tumorcam fetch")
    COMMAND.fill_parser(parser)
    args = parser.parse_args(argv)
    from tumorcam.cluster import preemption
    from tumorcam.cluster.logs import log_to_console
    from tumorcam.cluster.streams import say
    from tumorcam.errors import PreemptedError
    from tumorcam.operations import gdc_fetch
    from tumorcam.operations.gdc_query import Query
    from tumorcam.operations.gdc_server import GdcServer

    try:
        with preemption.stop_on_signal(), log_to_console("fetch"):
            projects, types = (tuple(dict.fromkeys(n)) for n in (args.project, args.sample_type))
            query = Query(projects, args.workflow, types)
            fetch = gdc_fetch.Fetch(query, args.out, args.limit, args.parallel)
            action = gdc_fetch.plan if args.dry_run else gdc_fetch.run
            action(fetch, GdcServer(args.server), print)
    except PreemptedError as stop:
        say(f"{stop}; what is done is kept, the same command goes on")
        return preemption.exit_code(stop.signal)
    except Exception as error:
        say(f"error: {message_of(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
