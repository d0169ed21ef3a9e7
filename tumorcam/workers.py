"""The devices that train one network together: of this process, or of several workers."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from tumorcam import notice
from tumorcam.errors import ClusterError, ConfigError
from tumorcam.logs import logger
from tumorcam.watchdog import Watchdog

PEERS_TIMEOUT = 100.0  # seconds until a worker stops waiting for one that never starts
STEP_TIMEOUT = 45.0  # seconds until one that does not finish a step is taken for dead
REMEDY = "run the same command again: it goes on from the last checkpoint"


@dataclass
class Workers:
    """What trains a network: TensorFlow's strategy, and which worker this process is.

    Of several workers, a watchdog ends this one when another is silent for too long.
    """

    strategy: tf.distribute.Strategy
    index: int = 0
    watchdog: Watchdog | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes what all have."""
        return self.index == 0

    @property
    def n_devices(self) -> int:
        """Devices of all workers."""
        return int(self.strategy.num_replicas_in_sync)

    def expect(self, seconds: float, what: str) -> None:
        """Bound how long this process may take for what it does now, if it has peers."""
        if self.watchdog is not None:
            self.watchdog.expect(seconds, _late(self.index, seconds, what))

    def total(self, value: float) -> float:
        """The sum of every device's value; it is there when all have come.

        Raises
        ------
        ClusterError
            If another worker is gone.
        """
        try:
            values = self.strategy.run(tf.identity, (tf.constant(value, tf.float64),))
            return float(self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
        except tf.errors.OpError as error:
            raise self.lost(error, "between steps") from error

    def lost(self, error: tf.errors.OpError, where: str) -> Exception:
        """What to raise for an error of TensorFlow: with peers, one of them is gone."""
        if self.watchdog is None:
            return error
        return ClusterError(f"{where}: another worker is gone ({type(error).__name__}); {REMEDY}")

    def require_divisible(self, batch_size: int) -> None:
        """Check that the devices can share a global batch evenly.

        Raises
        ------
        ConfigError
            If they cannot.
        """
        if batch_size % self.n_devices:
            msg = (
                f"training.batch_size = {batch_size} is no multiple of the {self.n_devices} "
                "devices; choose one that is"
            )
            raise ConfigError(msg)


@contextlib.contextmanager
def join_workers(tf_config: str | None, index: int, log: Path) -> Iterator[Workers]:
    """Several workers where TF_CONFIG says so, else all GPUs, else the one device.

    Parameters
    ----------
    tf_config : str or None
        TF_CONFIG as TensorFlow finds it in the environment.
    index : int
        This worker's in it.
    log : Path
        File that the watchdog writes to.

    Raises
    ------
    ClusterError
        If the workers cannot connect.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if tf_config is None:
        mirrored = len(tf.config.list_logical_devices("GPU")) > 1
        yield Workers(
            tf.distribute.MirroredStrategy() if mirrored else tf.distribute.get_strategy()
        )
        return
    watchdog = Watchdog(log)
    try:
        logger.info("waiting for the other workers of TF_CONFIG, at most %.0f s", PEERS_TIMEOUT)
        watchdog.expect(PEERS_TIMEOUT, _late(index, PEERS_TIMEOUT, "the start of all workers"))
        strategy = _connect(has_gpus=bool(gpus))
        notice.listen()  # TensorFlow took SIGTERM for itself
        yield Workers(strategy, index, watchdog)
    finally:
        watchdog.dismiss()


def _connect(*, has_gpus: bool) -> tf.distribute.Strategy:
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        timeout_seconds=PEERS_TIMEOUT, implementation=kinds.NCCL if has_gpus else kinds.RING
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError) as error:  # a port in use, a host without an address
        msg = f"the workers of TF_CONFIG cannot connect ({error}); run the same command again"
        raise ClusterError(msg) from error


def _late(index: int, seconds: float, what: str) -> str:
    return (
        f"worker {index}: {what} took over {seconds:.0f} s: a worker is stopped, gone or never "
        f"started; {REMEDY}"
    )
