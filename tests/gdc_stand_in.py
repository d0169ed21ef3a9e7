"""A server on this machine that speaks the GDC's API, and fails as a test wishes."""

import contextlib
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tumorcam.operations.gdc_server import GdcServer, Patience

STAR_SUFFIX = ".rna_seq.augmented_star_gene_counts.tsv"
QUICK = Patience(attempts=3, first=0.001, longest=0.002, connect=5, read=5, unsaid=0)
GENES = [(f"ENSG{i:011d}.1", f"SYM{i}") for i in range(8)]
HEADER = (
    "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\tstranded_second\t"
    "tpm_unstranded\tfpkm_unstranded\tfpkm_uq_unstranded"
)


def star_text(number: int) -> bytes:
    """A small file of STAR counts; gene i of file n has 10 (n + 1) (i + 1) reads."""
    rows = [f"{name}\t\t\t7\t7\t7\t\t\t" for name in ("N_unmapped", "N_ambiguous")]
    for i, (gene, symbol) in enumerate(GENES):
        reads = 10 * (number + 1) * (i + 1)
        rows.append(f"{gene}\t{symbol}\tprotein_coding\t{reads}\t{reads}\t0\t1.5\t0.5\t0.5")
    return ("# gene-model: GENCODE v36\n" + "\n".join([HEADER, *rows]) + "\n").encode()


def hit_of(number: int, content: bytes, project: str = "TCGA-BRCA") -> dict[str, Any]:
    """What the server lists of a file."""
    patient = f"TCGA-AA-{number:04d}"
    is_normal = number % 5 == 4
    return {
        "id": (file_id := str(uuid.UUID(int=number + 2**100))),
        "file_id": file_id,
        "file_name": f"{uuid.UUID(int=number + 2**90)}{STAR_SUFFIX}",
        "md5sum": hashlib.md5(content).hexdigest(),
        "file_size": len(content),
        "access": "open",
        "state": "released",
        "data_category": "Transcriptome Profiling",
        "data_type": "Gene Expression Quantification",
        "analysis": {"workflow_type": "STAR - Counts"},
        "cases": [
            {
                "submitter_id": patient,
                "project": {"project_id": project},
                "samples": [
                    {
                        "submitter_id": f"{patient}-{'11A' if is_normal else '01A'}",
                        "sample_type": "Solid Tissue Normal" if is_normal else "Primary Tumor",
                        "tissue_type": "Normal" if is_normal else "Tumor",
                        "tumor_descriptor": "Not Applicable" if is_normal else "Primary",
                        "specimen_type": "Solid Tissue",
                        "preservation_method": None,
                    }
                ],
            }
        ],
    }


Rule = Callable[["Handler", int], bool]


@dataclass
class StandIn:
    """The state of the server: its files, what was asked of it, and how it fails.

    `rules` are functions of the handler and of how often this place was asked for before; the
    first that returns True has answered.
    """

    hits: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)  # the method and path
    headers: list[dict[str, str]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    url: str = ""

    def add(self, number: int, project: str = "TCGA-BRCA", content: bytes = b"") -> str:
        """Let it list a file; its ID."""
        content = content or star_text(number)
        hit = hit_of(number, content, project)
        self.hits.append(hit)
        self.contents[hit["file_id"]] = content
        return hit["file_id"]

    def client(self, **options: Any) -> GdcServer:
        return GdcServer(self.url, QUICK, **options)

    def downloads(self) -> list[str]:
        """The file IDs that were asked for, in the order of the requests."""
        paths = [path for method, path in self.requests if method == "GET"]
        return [path.removeprefix("/data/") for path in paths if path.startswith("/data/")]

    def listing(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question at /files, as the API has it."""
        hits = [hit for hit in self.hits if _passes(hit, question["filters"])]
        hits.sort(key=lambda hit: hit["file_id"])
        start, size = question["from"], question["size"]
        page = hits[start : start + size]
        pagination = {
            "count": len(page),
            "total": len(hits),
            "size": size,
            "from": start,
            "sort": question["sort"],
            "page": start // size + 1,
            "pages": -(-len(hits) // size),
        }
        return {"data": {"hits": page, "pagination": pagination}, "warnings": {}}


def _passes(hit: dict[str, Any], filters: dict[str, Any]) -> bool:
    values = {
        "cases.project.project_id": [case["project"]["project_id"] for case in hit["cases"]],
        "files.access": [hit["access"]],
        "files.data_type": [hit["data_type"]],
        "files.analysis.workflow_type": [hit["analysis"]["workflow_type"]],
        "cases.samples.sample_type": [
            sample["sample_type"] for case in hit["cases"] for sample in case["samples"]
        ],
    }
    assert filters["op"] == "and"
    return all(
        part["op"] == "in" and set(part["content"]["value"]) & set(values[part["content"]["field"]])
        for part in filters["content"]
    )


class Handler(BaseHTTPRequestHandler):
    """Answers as the API does, unless a rule of the stand-in answers first."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stand_in: StandIn
    question: dict[str, Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.question = json.loads(body)
        self.stand_in.questions.append(self.question)
        if self._starts():
            self.json(self.stand_in.listing(self.question))

    def do_GET(self) -> None:
        if not self._starts():
            return
        content = self.stand_in.contents.get(self.file_id)
        if content is None:
            self.answer(404, b'{"message": "no such file"}')
            return
        start = self.start
        if start is None:
            self.answer(200, content)
        elif start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            last = len(content) - 1
            head = {"Content-Range": f"bytes {start}-{last}/{len(content)}"}
            self.answer(206, content[start:], head)

    @property
    def file_id(self) -> str:
        return self.path.removeprefix("/data/")

    @property
    def start(self) -> int | None:
        """The first byte that is asked for; None for the whole file."""
        text = self.headers.get("Range")
        return int(text.removeprefix("bytes=").removesuffix("-")) if text else None

    def json(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(
        self, code: int, body: bytes, headers: dict[str, str] | None = None, *, missing: int = 0
    ) -> None:
        """Send an answer that lacks its last `missing` bytes; then the connection ends."""
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body[: len(body) - missing])
        self.close_connection = self.close_connection or missing > 0

    def _starts(self) -> bool:
        """Note a request; whether no rule has answered it."""
        n_before = self.stand_in.requests.count((self.command, self.path))
        self.stand_in.requests.append((self.command, self.path))
        self.stand_in.headers.append(dict(self.headers))
        return not any(rule(self, n_before) for rule in self.stand_in.rules)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(n_files: int = 0) -> Iterator[StandIn]:
    """A server that lists some files of TCGA-BRCA."""
    stand_in = StandIn()
    for number in range(n_files):
        stand_in.add(number)
    handler = type("BoundHandler", (Handler,), {"stand_in": stand_in})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
