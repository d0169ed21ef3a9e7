"""Exceptions of tumorcam: each says what was wrong, where, what was wanted, and what to do."""

MAX_QUOTED = 200  # characters of a text that a message quotes


class TumorcamError(Exception):
    """Base of every error that a user can act on; a job prints it and exits with 1."""


class ConfigError(TumorcamError, ValueError):
    """A config file or a `--set` override is wrong."""


class InputError(TumorcamError, ValueError):
    """A user's expression matrix or samples table is wrong."""


class CohortError(TumorcamError, ValueError):
    """The cohort cannot be split, filtered or laid out as asked."""


class ModelError(TumorcamError, ValueError):
    """A network or a model artifact cannot be used here."""


class ShardError(TumorcamError, ValueError):
    """A shard is damaged or belongs to another cohort, model or config."""


class FileError(TumorcamError, OSError):
    """A file of the run is missing, incomplete or damaged."""


class DamageError(FileError):
    """Data in a file is missing or damaged; `hdf5.open_file` adds what to do about it."""


class ClusterError(TumorcamError, RuntimeError):
    """The launcher, MPI or Slurm gives something else than it promised."""


class PreemptedError(TumorcamError, RuntimeError):
    """A signal asked the job to stop early: what is done is kept, and the same command goes on.

    `signal` is its name, such as SIGTERM.
    """

    def __init__(self, message: str, signal: str = "") -> None:
        super().__init__(message)
        self.signal = signal


def quoted(value: object) -> str:
    """The `repr` of a value, cut to 200 characters with a note of how many are left out."""
    text = repr(value)
    left_out = len(text) - MAX_QUOTED
    return f"{text[:MAX_QUOTED]}... ({left_out} more characters)" if left_out > 0 else text
