"""How the files of a run came about: its jobs, machines, versions, input files and digests."""

import dataclasses
import platform
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tumorcam import __version__
from tumorcam.cluster.job_notes import DIRTY, JobNotes, package_versions, source_commit
from tumorcam.cluster.logs import STARTED, LogRecord
from tumorcam.errors import FileError
from tumorcam.storage import integrity
from tumorcam.storage.input_files import read_input_files
from tumorcam.storage.run_folder import RunFolder

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness")
NEW_STAGES = ("classify", "explain", "reduce")  # of new samples
NOT_RECORDED, NONE = "not recorded", "none"
REPORT_PACKAGES = (
    *("numpy", "scipy", "pandas", "h5py", "matplotlib", "anndata", "pyarrow", "openpyxl"),
)
MAX_TEXTS = 2  # commands, versions and machines of one stage in the table
MAX_INPUT_FILES = 20  # in the table
MAX_DIGESTED = 64 * 2**20  # bytes of a file up to which its own SHA-256 is computed for the page
DIVIDED = re.compile(r" --(?:model|share)(?: |=)\S+")  # what differs between processes of a stage
# An absolute path in a word, or one that leads upwards; the group is its last part
PLACE = re.compile(r"""(?:^|(?<=[\s=:,(\['"]))(?:~[^/]*|\.\.)?/(?:[^/'",\])]+/)*([^/'",\])]+)/?""")


@dataclass(frozen=True)
class Process:
    """A process as its log has it; `end` is None where the log has no end.

    `last` is its last sign of life: the end, or the start.
    """

    stage: str
    start: datetime
    end: datetime | None
    host: str
    notes: JobNotes

    @property
    def last(self) -> datetime:
        """When it ended, by the seconds that it counted or else by its last date."""
        if self.notes.seconds:
            return self.start + timedelta(seconds=self.notes.seconds)
        return self.end or self.start


@dataclass(frozen=True)
class StageRow:
    """A stage in the table: texts for the page, NOT_RECORDED where nobody noted it."""

    stage: str
    processes: str
    first_start: str
    last_end: str
    wall: str
    cpu_hours: str
    gpu_hours: str
    cpu: str
    gpu: str
    tensorflow: str
    source: str
    command: str
    packages: str


class FileRow(NamedTuple):
    """A file of the run: size, SHA-256 of its bytes (empty if it is large), content digest."""

    name: str
    size: int
    sha256: str
    content: str


class InputRow(NamedTuple):
    """A file of the input, as it was read."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What the page says of how the files of a run came about.

    Attributes
    ----------
    stages : list of StageRow
        The jobs.
    inputs : list of InputRow, or None
        The files that the cohort was read from; None where they are not recorded.
    files : list of FileRow
        The files that the report was made from.
    versions : mapping
        Versions of what wrote the report.
    """

    stages: list[StageRow]
    inputs: list[InputRow] | None
    files: list[FileRow]
    versions: Mapping[str, str]


def read_provenance(folder: RunFolder, paths: Iterable[Path], stages: Sequence[str]) -> Provenance:
    """The provenance of a run.

    Parameters
    ----------
    paths : iterable of Path
        The files that the report is made from.
    stages : sequence of str
        Names of the stages that the run has, such as "train".
    """
    return Provenance(
        stages=stage_rows(read_processes(folder.logs), stages),
        inputs=input_rows(folder),
        files=[file_row(folder, path) for path in paths],
        versions=page_versions(),
    )


def read_processes(logs: Path) -> list[Process]:
    """Every process that has a log in the folder, by start; what cannot be read is left out."""
    processes = []
    for path in sorted(logs.glob("*-*.log")):
        processes += _processes_of(path)
    return sorted(processes, key=lambda process: process.start)


def _processes_of(path: Path) -> list[Process]:
    stage, processes = path.name.partition("-")[0], list[Process]()
    try:
        with integrity.open_regular(path) as stream:
            lines = [line.decode(errors="replace") for line in stream if line.startswith(b"{")]
    except (FileError, OSError):
        return []
    for line in lines:
        record, notes = LogRecord.from_line(line), JobNotes.from_line(line)
        if record and record.state == STARTED:
            start = _date(record.date)
            if start:
                processes.append(Process(stage, start, None, record.host, JobNotes()))
        elif processes and notes:
            last = processes[-1]
            processes[-1] = dataclasses.replace(last, notes=last.notes.with_more(notes))
        elif processes and record:
            processes[-1] = dataclasses.replace(processes[-1], end=_date(record.date))
    return processes


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def stage_rows(processes: Sequence[Process], stages: Iterable[str]) -> list[StageRow]:
    """A row for each stage; interrupted and repeated processes add up."""
    return [
        _stage_row(stage, [process for process in processes if process.stage == stage])
        for stage in stages
    ]


def _stage_row(stage: str, processes: Sequence[Process]) -> StageRow:
    ended = [process for process in processes if process.end]
    counted = [process for process in ended if process.notes.seconds]
    n_open = len(processes) - len(ended)
    open_words = f" ({n_open} without an end)" if n_open else ""
    notes = [process.notes for process in processes]
    last = max((process.last for process in ended), default=None)
    has_notes = any(note.cpu for note in notes)
    return StageRow(
        stage=stage,
        processes=f"{len(processes):,}{open_words}" if processes else NOT_RECORDED,
        first_start=_time(processes[0].start) if processes else NOT_RECORDED,
        last_end=_time(last) if last else NOT_RECORDED,
        wall=_hours(wall_seconds(ended)) if ended else NOT_RECORDED,
        cpu_hours=_sum_of(counted, processes, _cpu_seconds),
        gpu_hours=_sum_of(counted, processes, gpu_seconds),
        cpu=_texts(f"{note.cpu}, {note.cores} cores" for note in notes if note.cpu),
        gpu=_texts(
            (model for note in notes for model in note.gpus.values()),
            default=NONE if has_notes else NOT_RECORDED,
        ),
        tensorflow=_texts(
            (note.versions["TensorFlow"] for note in notes if "TensorFlow" in note.versions),
            default="not used" if has_notes else NOT_RECORDED,
        ),
        source=_texts(_source_words(note) for note in notes if note.commit),
        command=_texts(command_words(note.command) for note in notes if note.command),
        packages=_texts(_version_words(note.versions) for note in notes if note.versions),
    )


def wall_seconds(processes: Iterable[Process]) -> float:
    """Seconds in which at least one of the processes ran."""
    return _union((process.start, process.last) for process in processes)


def _cpu_seconds(processes: Iterable[Process]) -> float:
    return sum(process.notes.cpu_seconds for process in processes)


def gpu_seconds(processes: Iterable[Process]) -> float:
    """Seconds for which GPUs were held; a GPU that several processes share counts once."""
    spans: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
    for process in processes:
        for gpu in process.notes.gpus:
            spans.setdefault((process.host, gpu), []).append((process.start, process.last))
    return sum(map(_union, spans.values()))


def _union(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds that are in at least one of the spans."""
    seconds, reach = 0.0, datetime.min
    for start, end in sorted(spans):
        seconds += max(0.0, (end - max(start, reach)).total_seconds())
        reach = max(reach, end)
    return seconds


def _sum_of(
    counted: Sequence[Process],
    processes: Sequence[Process],
    seconds: Callable[[Sequence[Process]], float],
) -> str:
    """The hours of the processes that counted them, and how many did; never 0 for an unknown."""
    if not counted:
        return NOT_RECORDED
    hours = _hours(seconds(counted))
    if len(counted) == len(processes):
        return hours
    return f"{hours} (recorded for {len(counted):,} of {len(processes):,})"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.3g}"


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def _texts(texts: Iterable[str], *, default: str = NOT_RECORDED) -> str:
    """The different texts, the first of them in full."""
    distinct = list(dict.fromkeys(texts))
    first = "; ".join(distinct[:MAX_TEXTS])
    n_more = len(distinct) - MAX_TEXTS
    return f"{first}; and {n_more} more" if n_more > 0 else first or default


def _source_words(notes: JobNotes) -> str:
    return f"{notes.versions.get('tumorcam', 'unknown version')}, {commit_words(notes.commit)}"


def commit_words(commit: str) -> str:
    """A commit as a reader needs it: cut, and with a word on changes that were not committed."""
    if not re.fullmatch(rf"[0-9a-f]{{40}}(?:{DIRTY})?", commit):
        return commit
    changed = " with changes that were not committed" if commit.endswith(DIRTY) else ""
    return f"commit {commit[:12]}{changed}"


def _version_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items() if name != "tumorcam")


def command_words(command: str) -> str:
    """A command line without what differs between the processes of a stage, and without places."""
    return " ".join(map(without_places, shlex.split(DIVIDED.sub("", command))))


def without_places(text: str) -> str:
    """The text with the last part alone of each absolute path, since folders name their users."""
    return PLACE.sub(r"…/\1", text)


def settings_without_places(value: Any) -> Any:
    """Settings, of which each text that is an absolute path has its last part alone."""
    if isinstance(value, Mapping):
        return {key: settings_without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [settings_without_places(inner) for inner in value]
    is_place = isinstance(value, str) and value.startswith(("/", "~", ".."))
    return f"…/{Path(value).name}" if is_place else value


def page_versions() -> dict[str, str]:
    """The versions of tumorcam, Python and the packages that the report was made with."""
    versions = {"tumorcam": f"{__version__} ({commit_words(source_commit())})"}
    return versions | {"Python": platform.python_version()} | package_versions(REPORT_PACKAGES)


def input_rows(folder: RunFolder) -> list[InputRow] | None:
    """The files that the cohort was read from; None where they are not recorded."""
    attributes = integrity.read_header(folder.cohort).attributes
    record = read_input_files(folder.input_files, str(attributes.get("input_digest")))
    if record is None:
        return None
    return [InputRow(f"…/{Path(path).name}", digest) for path, digest in record.files.items()]


def file_row(folder: RunFolder, path: Path) -> FileRow:
    """Size and digests of a file of the run; FileError as `integrity.read_header`."""
    size = integrity.require_regular(path).st_size
    is_hdf5 = path.suffix == ".h5"
    content = str(integrity.read_header(path).attributes["digest"]) if is_hdf5 else ""
    sha256 = integrity.file_digest(path) if size <= MAX_DIGESTED else ""
    return FileRow(str(path.relative_to(folder.root)), size, sha256, content)
