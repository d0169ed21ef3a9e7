"""A node's own copy of the cohort file, on the fast disk that the site names."""

import dataclasses
import shutil
from pathlib import Path

from tumorcam.cluster import launcher
from tumorcam.cluster.logs import logger
from tumorcam.cohort.cohort import COHORT_TYPE, REMEDY, Cohort, read_cohort
from tumorcam.config import Config
from tumorcam.errors import FileError
from tumorcam.storage import disk, hdf5, integrity

PREFIX = "tumorcam-cohort-"
DIGITS = 16  # of the cohort's digest, in the copy's name


def local_cohort(path: Path, config: Config) -> Cohort:
    """The cohort of a run, its expression read from a copy on the node where the site has a place.

    Ranks of a node and later jobs share the copy: its name carries the cohort's digest, and it
    gets that name only when it is whole. Where there is no room or copying fails, one warning says
    so and the original is read.

    Raises
    ------
    FileError
        If the original is missing, damaged, or was prepared with other settings.
    """
    cohort, folder = read_cohort(path, config), launcher.scratch_folder()
    if folder is None:
        return cohort
    local = folder / f"{PREFIX}{cohort.digest[:DIGITS]}.h5"
    try:
        if not _is_sound(local, cohort):
            _copy(cohort, local)
    except OSError as error:
        if not _is_sound(local, cohort):  # nor has another rank made it meanwhile
            n_bytes, reason = cohort.path.stat().st_size, error.strerror or error
            logger.warning(
                "%s (%d bytes) is read in place: no copy %s (%s)", path, n_bytes, local, reason
            )
            return cohort
    return dataclasses.replace(cohort, path=local)


def _copy(cohort: Cohort, local: Path) -> None:
    """Copy aside, check, rename: whoever is last replaces a file by an equal one."""
    local.parent.mkdir(parents=True, exist_ok=True)
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
            msg = f"the copy differs; run jobs.verify to see whether {cohort.path} is damaged"
            raise FileError(msg)
    logger.info("%s is copied to %s (%d bytes)", cohort.path, local, size)


def _is_sound(local: Path, cohort: Cohort) -> bool:
    """Whether a file is the cohort's, byte by byte: a damaged copy must not be worse than none."""
    try:
        if local.stat().st_size != cohort.path.stat().st_size:
            return False
        integrity.verify_file(local)
        return hdf5.stored_digest(local, COHORT_TYPE, remedy=REMEDY) == cohort.digest
    except OSError:  # FileError is one
        return False
