"""A node's own copy of the cohort file, in a scratch folder on a fast disk."""

import dataclasses
import shutil
from pathlib import Path

from tumorcam.cluster.logs import logger
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.errors import FileError
from tumorcam.settings.config import Config
from tumorcam.storage import disk, hdf5, integrity

PREFIX = "tumorcam-cohort-"
DIGITS = 16  # of the cohort's digest that the name of the copy has


def local_cohort(path: Path, config: Config, scratch: Path | None) -> Cohort:
    """The cohort of a run, whose expression is read from a copy in the node's scratch folder.

    The ranks of a node and later jobs share the copy: the digest of the cohort is part of its name,
    and the copy gets that name only when it is complete. If there is no room or copying fails, one
    warning says so and the original is read.

    Parameters
    ----------
    path : Path
        The cohort file of the run.
    scratch : Path or None
        A folder on a fast disk of this node, such as `Launch.scratch_folder`. It is made if it is
        missing. None: the original is read.

    Raises
    ------
    FileError
        If the original is missing, damaged, or was prepared with other settings.
    """
    cohort = read_cohort(path, config)
    if scratch is None:
        return cohort
    local = scratch / f"{PREFIX}{cohort.digest[:DIGITS]}.h5"
    try:
        if not _is_sound(local, cohort):
            _copy(cohort, local)
    except OSError as error:
        if not _is_sound(local, cohort):  # another rank may have copied it in the meantime
            n_bytes, reason = cohort.path.stat().st_size, error.strerror or error
            logger.warning(
                "%s (%d bytes) is read in place: no copy %s (%s)", path, n_bytes, local, reason
            )
            return cohort
    return dataclasses.replace(cohort, path=local)


def _copy(cohort: Cohort, local: Path) -> None:
    """Copy the cohort file under a temporary name, check the copy, and give it its name.

    If several ranks copy at the same time, the last one replaces a file by an equal file.
    """
    for part in disk.dead_parts(local.parent, f".{PREFIX}*{disk.PART}"):
        part.unlink(missing_ok=True)
    size = cohort.path.stat().st_size
    with hdf5.write_aside(local, needed=size) as aside:
        free = shutil.disk_usage(local.parent).free
        if free < size:
            msg = f"{free:,} bytes are free, {size:,} are needed"
            raise FileError(msg)
        shutil.copyfile(cohort.path, aside)
        if not _is_sound(aside, cohort):
            msg = f"the copy differs; run `tumorcam verify` to see whether {cohort.path} is damaged"
            raise FileError(msg)
    logger.info("%s is copied to %s (%d bytes)", cohort.path, local, size)


def _is_sound(local: Path, cohort: Cohort) -> bool:
    """Whether a copy is undamaged and of the same digest as the cohort; every byte is read."""
    try:
        if local.stat().st_size != cohort.path.stat().st_size:
            return False
        return integrity.check_seal(local).attributes["digest"] == cohort.digest
    except OSError:  # FileError is one
        return False
