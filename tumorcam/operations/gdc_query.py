"""Which files of gene expression a server of the GDC lists for some projects."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tumorcam.errors import ServerError, quoted
from tumorcam.operations.gdc_server import GdcServer
from tumorcam.readers.wording import listed

STAR_COUNTS = "STAR - Counts"
EXPRESSION = "Gene Expression Quantification"
OPEN = "open"
PAGE_SIZE = 1000  # files an answer
NOTHING = "--"  # how the GDC writes a value that is not there
CASE_FIELDS = ("project.project_id", "submitter_id")
DESCRIPTIONS = ("tissue_type", "tumor_descriptor", "specimen_type", "preservation_method")
SAMPLE_FIELDS = ("submitter_id", "sample_type", *DESCRIPTIONS)
FIELDS = (
    *("file_id", "file_name", "md5sum", "file_size", "access", "state"),
    *("data_category", "data_type", "analysis.workflow_type"),
    *(f"cases.{name}" for name in CASE_FIELDS),
    *(f"cases.samples.{name}" for name in SAMPLE_FIELDS),
)
FILE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MD5 = re.compile(r"[0-9a-f]{32}")
FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,199}")  # no separator, no leading dot


@dataclass(frozen=True)
class Query:
    """What is asked for: open files of these projects, of one workflow and some sample types.

    Without sample types all are asked for.
    """

    projects: tuple[str, ...]
    workflow: str = STAR_COUNTS
    sample_types: tuple[str, ...] = ()

    @property
    def filters(self) -> dict[str, Any]:
        """The filters of the GDC's API."""
        values: dict[str, Sequence[str]] = {
            "cases.project.project_id": self.projects,
            "files.access": [OPEN],
            "files.data_type": [EXPRESSION],
            "files.analysis.workflow_type": [self.workflow],
        }
        if self.sample_types:
            values["cases.samples.sample_type"] = self.sample_types
        content = [
            {"op": "in", "content": {"field": field, "value": list(value)}}
            for field, value in values.items()
        ]
        return {"op": "and", "content": content}


@dataclass(frozen=True)
class GdcSample:
    """A sample that a file was made from; what the server does not say is `--`."""

    sample: str
    tissue_type: str = NOTHING
    tumor_descriptor: str = NOTHING
    specimen_type: str = NOTHING
    preservation_method: str = NOTHING


@dataclass(frozen=True)
class GdcCase:
    """A patient with the samples that a file was made from."""

    project: str
    case: str
    samples: tuple[GdcSample, ...]


@dataclass(frozen=True)
class GdcFile:
    """A file as the server lists it; `size` in bytes, `md5` as 32 hexadecimal digits."""

    file_id: str
    name: str
    md5: str
    size: int
    state: str
    category: str
    data_type: str
    cases: tuple[GdcCase, ...]


def list_files(server: GdcServer, query: Query, *, page_size: int = PAGE_SIZE) -> list[GdcFile]:
    """All files that a query asks for, sorted by file ID.

    Raises
    ------
    ServerError
        If the server cannot be asked, answers in another shape than the GDC's API, lists something
        that was not asked for or nothing for one of the projects, or if its list changes meanwhile.
    """
    files: dict[str, GdcFile] = {}
    total = -1
    while total < 0 or len(files) < total:
        place = f"{server.url}/files, from {len(files)}"
        question = {
            "filters": query.filters,
            "fields": ",".join(FIELDS),
            "format": "JSON",
            "from": len(files),
            "size": page_size,
            "sort": "file_id:asc",
        }
        answer = _Part(server.post("files", question), place)
        data = answer.part("data")
        now, hits = data.part("pagination").number("total"), data.parts("hits")
        if total not in (-1, now):
            raise _changed(f"{place}: it had {total} files, and now {now}")
        total = now
        page = [_file(hit, query) for hit in hits]
        repeated = [f.file_id for f in page if f.file_id in files]
        repeated += [name for name, n in Counter(f.file_id for f in page).items() if n > 1]
        if repeated:
            raise _changed(f"{place}: it lists {listed(repeated)} twice")
        files |= {file.file_id: file for file in page}
        if len(files) > total or (len(files) < total and not page):
            raise _changed(f"{place}: it lists {len(files)} files, but says that it has {total}")
    _require_projects(server, query, files.values())
    return sorted(files.values(), key=lambda file: file.file_id)


def _changed(what: str) -> ServerError:
    return ServerError(f"{what}; the list seems to change while it is read: run the command again")


def _require_projects(server: GdcServer, query: Query, files: Iterable[GdcFile]) -> None:
    """Refuse projects without any file, which are misspelled as a rule."""
    listing = {case.project for file in files for case in file.cases}
    absent = [project for project in query.projects if project not in listing]
    if absent:
        of_types = f", of samples {listed(query.sample_types)}" if query.sample_types else ""
        msg = (
            f"{server.url} lists no open file of {EXPRESSION} ({query.workflow}{of_types}) for the "
            f"project {listed(absent)}; check how it is spelled (as in TCGA-BRCA; "
            "https://portal.gdc.cancer.gov lists all), and --workflow and --sample-type"
        )
        raise ServerError(msg)


@dataclass(frozen=True)
class _Part:
    """A part of an answer that must be an object with values of certain types, and its place."""

    value: Any
    place: str

    def part(self, name: str) -> "_Part":
        """An object in it."""
        return _Part(self._get(name, dict, "an object"), f"{self.place}: {name}")

    def parts(self, name: str) -> "list[_Part]":
        """A list of objects in it."""
        values = self._get(name, list, "a list")
        return [_Part(value, f"{self.place}: {name}[{i}]") for i, value in enumerate(values)]

    def number(self, name: str) -> int:
        """A whole number in it, 0 or more."""
        value = self._get(name, int, "a whole number")
        if value < 0 or isinstance(value, bool):
            raise self.fault(name, value, "a whole number of 0 or more")
        return int(value)

    def text(self, name: str, pattern: re.Pattern[str] | None = None, what: str = "") -> str:
        """A text in it that is not empty and of a pattern."""
        value = self._get(name, str, what or "a text").strip()
        if not (pattern.fullmatch(value) if pattern else value.isprintable() and value):
            raise self.fault(name, value, what or "a text of printable characters")
        return str(value)

    def text_or_nothing(self, name: str) -> str:
        """A text in it; `--` where it has none."""
        is_object = isinstance(self.value, dict)
        return NOTHING if is_object and self.value.get(name) in (None, "") else self.text(name)

    def fault(self, name: str, value: object, what: str) -> ServerError:
        """The error for a value that is not what the API promises."""
        msg = (
            f"{self.place}: {name} is {quoted(value)}; wanted {what}, as the GDC's API has it: "
            "check --server; nothing was written"
        )
        return ServerError(msg)

    def _get(self, name: str, kind: type, what: str) -> Any:
        if not isinstance(self.value, dict):
            raise ServerError(
                f"{self.place} is {quoted(self.value)}; wanted an object with {name}, as the API "
                "of the GDC has it: check --server"
            )
        value = self.value.get(name)
        if not isinstance(value, kind):
            raise self.fault(name, value, what)
        return value


def _file(hit: _Part, query: Query) -> GdcFile:
    """The file of a hit, which must be one that was asked for."""
    file = GdcFile(
        file_id=hit.text("file_id", FILE_ID, "a UUID in lower case"),
        name=hit.text("file_name", FILE_NAME, "a plain name of letters, digits and . _ + -"),
        md5=hit.text("md5sum", MD5, "an MD5 sum of 32 digits"),
        size=hit.number("file_size"),
        state=hit.text("state"),
        category=hit.text("data_category"),
        data_type=hit.text("data_type"),
        cases=tuple(_case(case) for case in hit.parts("cases")),
    )
    if not file.cases:
        raise hit.fault("cases", [], "a case at least")
    if hit.text("access") != OPEN:
        raise hit.fault("access", hit.text("access"), f"{OPEN!r}, which was asked for")
    if file.data_type != EXPRESSION:
        raise hit.fault("data_type", file.data_type, f"{EXPRESSION!r}, which was asked for")
    if not {case.project for case in file.cases} & set(query.projects):
        projects = [case.project for case in file.cases]
        raise hit.fault("project_id", projects, f"one of {list(query.projects)}")
    return file


def _case(case: _Part) -> GdcCase:
    samples = tuple(
        GdcSample(sample.text("submitter_id"), *map(sample.text_or_nothing, DESCRIPTIONS))
        for sample in case.parts("samples")
    )
    if not samples:
        raise case.fault("samples", [], "a sample at least")
    return GdcCase(case.part("project").text("project_id"), case.text("submitter_id"), samples)
