"""Checkpoints of a training: all workers write them, and the chief keeps them."""

import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tensorflow as tf

from tumorcam.cluster.logs import logger
from tumorcam.errors import FileError

KEPT = 2  # the last one may be damaged


class Checkpoints:
    """Checkpoints of a training's state, which take no more than a share of the time.

    Parameters
    ----------
    folder : Path
        Where the chief keeps them.
    is_chief : bool
        TensorFlow wants all workers to save; all but the chief save to a temporary folder.
    share : float
        Largest share of the time that checkpoints may take, 0 to 1; 0 sets no bound.
    """

    def __init__(
        self, folder: Path, state: dict[str, Any], *, is_chief: bool, share: float
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._state = tf.train.Checkpoint(**state)
        self._folder = folder
        where = folder if is_chief else Path(self._scratch.name)
        where.mkdir(parents=True, exist_ok=True)  # TensorFlow does not say why it cannot
        _drop_damaged_list(where)
        self._manager = tf.train.CheckpointManager(self._state, str(where), max_to_keep=KEPT)
        self._share, self._pause, self._saved = share, 0.0, time.monotonic()

    def restore(self) -> bool:
        """Restore the state from the last undamaged checkpoint; False if there is none.

        Raises
        ------
        FileError
            If an undamaged one does not fit this network and optimizer.
        """
        paths = [str(file.with_suffix("")) for file in self._folder.glob("ckpt-*.index")]
        for path in sorted(paths, key=_number, reverse=True):
            fault = _fault(path)
            if fault:
                logger.warning(
                    "the checkpoint %s is damaged (%s); going on without it", path, fault
                )
                continue
            try:
                self._state.restore(path).assert_consumed()
            except (AssertionError, ValueError) as error:
                msg = f"the checkpoint {path} is of another network; move its folder away and rerun"
                raise FileError(msg) from error
            return True
        return False

    def is_affordable(self) -> bool:
        """Whether a checkpoint now would keep to the share of the time."""
        return time.monotonic() - self._saved >= self._pause

    def save(self) -> bool:
        """Write a checkpoint; False if the disk is full, so that only the earlier ones are kept."""
        started, is_saved = time.monotonic(), True
        earlier = {path.stem for path in Path(self._manager.directory).glob("ckpt-*.index")}
        try:
            self._manager.save()
        except (tf.errors.OpError, OSError) as error:
            is_saved = False
            n_bytes = self._delete_unfinished(earlier)
            free = shutil.disk_usage(self._manager.directory).free
            logger.warning(
                "no checkpoint in %s, the last one stays: %s bytes written, %s free (%s)",
                self._manager.directory,
                f"{n_bytes:,}",
                f"{free:,}",
                str(error).splitlines()[0],
            )
        self._saved = time.monotonic()
        self._pause = (self._saved - started) * (1 / self._share - 1) if self._share else 0.0
        return is_saved

    def _delete_unfinished(self, earlier: Collection[str]) -> int:
        """Delete the files of a failed save, which would keep the disk full; returns their bytes.

        Earlier checkpoints stay, even those of another process, which the manager does not list.
        """
        left = [
            path
            for path in Path(self._manager.directory).glob("ckpt-*")
            if path.name.split(".")[0] not in earlier
        ]
        files = [file for path in left for file in (path, *path.rglob("*")) if file.is_file()]
        n_bytes = sum(file.stat().st_size for file in files)
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return n_bytes


def _number(path: str) -> int:
    return int(path.rpartition("-")[2])


def _drop_damaged_list(folder: Path) -> None:
    """Delete TensorFlow's list of checkpoints if it is damaged; else TensorFlow would not start."""
    try:
        tf.train.get_checkpoint_state(str(folder))
    except (tf.errors.OpError, ValueError):
        (folder / "checkpoint").unlink()


def _fault(path: str) -> str:
    """The reason why a checkpoint cannot be read; empty if all of its tensors can."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, OSError, RuntimeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return ""
