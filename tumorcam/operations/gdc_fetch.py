"""Fetch gene expression from the GDC into a folder that `tumorcam init` reads."""

import contextlib
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorcam.cluster.progress import CountedProgress
from tumorcam.cluster.resources import existing
from tumorcam.errors import FileError, ServerError
from tumorcam.operations.gdc_download import Outcome, bytes_to_fetch, download, locked
from tumorcam.operations.gdc_query import STAR_COUNTS, GdcFile, Query, list_files
from tumorcam.operations.gdc_server import GdcServer
from tumorcam.operations.gdc_tables import SHEET, require_same_download, write_tables

MAX_FAULTS = 10  # files whose faults a message has
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetch:
    """What to fetch, and where to.

    Attributes
    ----------
    limit : int
        Files at most, the first by their IDs; 0 for all.
    parallel : int
        Files at the same time.
    """

    query: Query
    folder: Path
    limit: int = 0
    parallel: int = 4


def plan(fetch: Fetch, server: GdcServer, say: Say) -> list[GdcFile]:
    """Ask the server which files there are, say their number and size, and check folder and disk.

    Nothing is written.

    Raises
    ------
    ServerError
        If the server cannot be asked, or has nothing of a project.
    FileError
        If the folder holds another download, or its disk has no room.
    """
    files = list_files(server, fetch.query)
    n_all = len(files)
    files = files[: fetch.limit or None]
    n_of_project = Counter(project for file in files for project in {c.project for c in file.cases})
    counts = ", ".join(f"{project} {n:,}" for project, n in sorted(n_of_project.items()))
    of_all = f" of {n_all:,}" if n_all > len(files) else ""
    say(f"{server.url} lists {len(files):,}{of_all} files, {_size_text(files)}: {counts}")
    require_same_download(fetch.folder, files)
    needed = bytes_to_fetch(fetch.folder, files)
    free = shutil.disk_usage(existing(fetch.folder)).free
    say(f"{fetch.folder} lacks {needed / 1e6:,.1f} MB of them; {free / 1e6:,.1f} MB are free there")
    if needed > free:
        msg = (
            f"{fetch.folder} has room for {free / 1e6:,.1f} MB, but the missing files have "
            f"{needed / 1e6:,.1f} MB; free some, use --out on a larger disk, or fetch less by "
            "--project, --sample-type or --limit"
        )
        raise FileError(msg)
    return files


def run(fetch: Fetch, server: GdcServer, say: Say) -> None:
    """Plan and fetch; at the end every file is whole, and the next command is printed.

    Errors as in `plan` and `gdc_download.download`, and ServerError if a file could not be fetched.
    """
    files = plan(fetch, server, say)
    fetch.folder.mkdir(parents=True, exist_ok=True)
    with locked(fetch.folder):
        write_tables(fetch.folder, files)
        with contextlib.closing(CountedProgress("fetch", "bytes")) as show:
            outcomes = download(server, files, fetch.folder, parallel=fetch.parallel, show=show)
    require_all(files, outcomes)
    n_fetched = sum(outcome.is_fetched for outcome in outcomes)
    say(
        f"{fetch.folder} has all {len(files):,} files, {_size_text(files)}, checked by size and "
        f"MD5; {n_fetched:,} were fetched now"
    )
    scale = " --scale counts" if fetch.query.workflow == STAR_COUNTS else ""
    names = shlex.join([str(fetch.folder), str(fetch.folder / SHEET)])
    say(f"next: tumorcam init my.toml {names}{scale}")


def require_all(files: Sequence[GdcFile], outcomes: Sequence[Outcome]) -> None:
    """Check that every file is there.

    Raises
    ------
    ServerError
        If not; the message lists the files and their faults.
    """
    failed = [outcome for outcome in outcomes if outcome.error]
    n_left = len(files) - len(outcomes)
    if failed or n_left:
        failed.sort(key=lambda outcome: outcome.file.file_id)
        lines = [f"  {outcome.file.file_id}: {outcome.error}" for outcome in failed[:MAX_FAULTS]]
        lines += [f"  and {len(failed) - MAX_FAULTS} more"] * (len(failed) > MAX_FAULTS)
        lines += [f"  {n_left:,} more were not tried after these failures"] * (n_left > 0)
        msg = (
            f"{len(failed):,} of {len(files):,} files could not be fetched; run the same command "
            "again, which goes on with what is missing:\n" + "\n".join(lines)
        )
        raise ServerError(msg)


def _size_text(files: Sequence[GdcFile]) -> str:
    return f"{sum(file.size for file in files) / 1e6:,.1f} MB"
