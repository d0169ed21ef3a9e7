"""Exceptions of tumorcam: each says what was wrong, where, what was wanted, and what to do."""

import errno

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
    """A file of the run is missing, incomplete, damaged, unreadable or of other settings."""


class MissingError(FileError):
    """A file does not exist."""


class DamageError(FileError):
    """The bytes of a file were read and are not what was written."""


class UnreadableError(FileError):
    """A file cannot be read here and now, which says nothing about what is in it."""


class StaleError(FileError):
    """A sound file was made with other settings, or from other files, than the present ones."""


class ServerError(TumorcamError, OSError):
    """A server on the network cannot be reached, or answers with something else than was asked."""


class TransientError(ServerError):
    """A request failed in a way that may pass: trying again is worth it.

    `seconds` is the wait that the server asked for, 0 if it did not.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class ClusterError(TumorcamError, RuntimeError):
    """The launcher, MPI or Slurm gives something else than it promised."""


ADVICE = {  # of errno
    errno.ENOSPC: "free some space and rerun",
    errno.EDQUOT: "the quota is used up: free some space and rerun",
    errno.EACCES: "see to its permissions",
    errno.EPERM: "see to its permissions",
    errno.EROFS: "the file system is read-only: use another run.folder",
    errno.ENAMETOOLONG: "use shorter names",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "the disk or its server is at fault; see the system's log",
    errno.ESTALE: "the file server is at fault; rerun",
}
MAX_MESSAGE = 4_000  # characters


def foreseeable(error: BaseException) -> str:
    """The message for an error that a user can act on; empty for any other."""
    if isinstance(error, TumorcamError):
        return _cut("\n".join([str(error), *getattr(error, "__notes__", [])]))
    if isinstance(error, OSError) and error.errno is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        what = " and ".join(names) or "a file or a device"
        advice = ADVICE.get(error.errno, "see to this path, then rerun")
        return _cut(f"{what}: {error.strerror}; {advice}")
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return (
            f"not enough memory ({_cut(str(error))[:200]}); give the job more, or lower "
            "explain.batch_size, or training.micro_batch or cohort.genes, which needs a new run"
        )
    if isinstance(error, ValueError) and "null byte" in str(error):
        return f"a path holds a null byte ({error}); correct it"
    if isinstance(error, UnicodeEncodeError):
        return (
            f"a name cannot be written as text ({error.reason}: {error.object!r:.200}); rename it"
        )
    return ""


def _cut(text: str) -> str:
    """The text, without its middle where it is too long to read."""
    if len(text) <= MAX_MESSAGE:
        return text
    half = MAX_MESSAGE // 2
    return f"{text[:half]} ... {len(text) - 2 * half:,} characters ... {text[-half:]}"


class PreemptedError(TumorcamError, RuntimeError):
    """A signal asked the job to stop early: what is done is kept, and the same command goes on.

    `signal` is its name, such as SIGTERM.
    """

    def __init__(self, message: str, signal: str = "") -> None:
        super().__init__(message)
        self.signal = signal


def quoted(value: object) -> str:
    """The value as Python writes it, for a message: at most 200 characters of it.

    Parameters
    ----------
    value : object
        What a user gave. A long value ends in the number of characters that are left out, as in
        `'aaa'… (4800 more characters)`.
    """
    if isinstance(value, str):
        head = value[:MAX_QUOTED]
        while len(repr(head)) > MAX_QUOTED:  # also escapes take several characters
            head = head[:-1]
        return repr(head) + _rest(len(value) - len(head))
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # deep nesting, or an integer of very many digits
        return f"<{type(value).__name__} too large to show>"
    return text[:MAX_QUOTED] + _rest(len(text) - MAX_QUOTED)


def _rest(n_characters: int) -> str:
    return f"… ({n_characters} more characters)" if n_characters > 0 else ""
