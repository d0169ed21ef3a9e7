"""The devices that train one network together, of this process or of several workers."""

import contextlib
import time
from dataclasses import dataclass

import tensorflow as tf

from tumorcam.cluster import preemption
from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.logs import logger
from tumorcam.cluster.watchdog import PEERS_TIMEOUT, REMEDY, Watchdog
from tumorcam.errors import ClusterError, ConfigError
from tumorcam.training.device_notes import note_devices

SECONDS_AFTER_FAREWELL = 1.0  # in which the other workers read the last values of this one


@dataclass
class Workers:
    """TensorFlow's strategy that trains a network and, with several workers, a watchdog."""

    strategy: tf.distribute.Strategy
    watchdog: Watchdog | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes the files."""
        return self.watchdog is None or self.watchdog.worker == 0

    @property
    def n_devices(self) -> int:
        """Devices of all workers."""
        return int(self.strategy.num_replicas_in_sync)

    def expect(self, seconds: float, what: str) -> None:
        """Limit the time that the work at hand may take, if this process has peers.

        `seconds` is the limit, and `what` names the work in the message.
        """
        if self.watchdog is not None:
            self.watchdog.expect(seconds, what)

    def total(self, value: float) -> float:
        """The sum of a value over all devices; the call returns when all workers have made it.

        Raises
        ------
        ClusterError
            If another worker is gone.
        """

        @tf.function
        def sum_up(term: tf.Tensor) -> tf.Tensor:
            values = self.strategy.run(tf.identity, (term,))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

        try:
            return float(sum_up(tf.constant(value, tf.float64)))
        except tf.errors.OpError as error:
            raise self.lost(error, "between steps") from error

    def farewell(self) -> None:
        """Wait until no other worker needs this one.

        A worker that does not answer has either finished or crashed. If it crashed, the steps of
        the others have failed already, so a lost connection is no error here.
        """
        if self.watchdog is None:
            return
        self.expect(2 * PEERS_TIMEOUT, "the end of all workers")
        with contextlib.suppress(ClusterError):
            self.total(0.0)
            time.sleep(SECONDS_AFTER_FAREWELL)

    def lost(self, error: tf.errors.OpError, where: str) -> Exception:
        """The error to raise for an error of TensorFlow: with peers, that one of them is gone.

        Lack of memory is this worker's own error.
        """
        if self.watchdog is None or isinstance(error, tf.errors.ResourceExhaustedError):
            return error
        return ClusterError(f"{where}: another worker is gone ({type(error).__name__}); {REMEDY}")

    def require_divisible(self, batch_size: int, micro_batch: int) -> None:
        """Check that each device gets the same number of full micro-batches of a global batch.

        Raises
        ------
        ConfigError
            If not.
        """
        if self.n_devices > 1 and batch_size % (self.n_devices * micro_batch):
            msg = (
                f"training.batch_size = {batch_size} is no multiple of the {self.n_devices} "
                f"devices x training.micro_batch = {micro_batch}: raise the one, lower the other, "
                "or take fewer devices"
            )
            raise ConfigError(msg)


def join_workers(watchdog: Watchdog | None) -> Workers:
    """The devices that train: of all workers if there is a watchdog, else all GPUs or the CPU.

    Raises
    ------
    ClusterError
        If the workers cannot connect.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    note_devices(gpus, current_launch().gpu_names(len(gpus)))
    if watchdog is None:
        mirrored = len(tf.config.list_logical_devices("GPU")) > 1
        make = tf.distribute.MirroredStrategy if mirrored else tf.distribute.get_strategy
        return Workers(make())
    logger.info("waiting for the other workers of TF_CONFIG, at most %.0f s", PEERS_TIMEOUT)
    watchdog.expect(PEERS_TIMEOUT, "the start of all workers")
    strategy = _connect(has_gpus=bool(gpus))
    preemption.install_handlers()  # TensorFlow took SIGTERM for itself
    return Workers(strategy, watchdog)


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
