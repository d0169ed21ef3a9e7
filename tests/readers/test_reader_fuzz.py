"""Damaged and strange input files: each is read rightly or refused by one short message.

Some files of each kind are tried, always the same ones. By hand, this tries new ones
for ten minutes:

    READER_FUZZ_SECONDS=600 python -m pytest tests/readers/test_reader_fuzz.py
"""

import contextlib
import csv
import functools
import gzip
import io
import itertools
import os
import re
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from quantification_files import sheet, uuid, write_gdc_folder

from tumorcam.cohort.selection import select
from tumorcam.errors import CohortError, InputError
from tumorcam.readers import annotation, inputs, markers
from tumorcam.settings import FaithfulnessSettings
from tumorcam.settings.config import config_from_tables

SECONDS = float(os.environ.get("READER_FUZZ_SECONDS", "0"))  # of all kinds together
N_EXAMPLES = 50  # of each kind without READER_FUZZ_SECONDS
N_BINARY = 8  # of those that are read in a process of their own
MAX_MESSAGE = 4000  # characters

SAMPLES = [f"S{i}" for i in range(8)]
GENES = [f"G{i}" for i in range(9)]
VALUES = np.random.default_rng(0).gamma(4, 2, (8, 9)).round(3)
TUMORS = ["ACC", "BRCA"] * 4
CONFIG = {
    "splits": {"folds": 2},
    "cohort": {"sample_types": [], "unlabelled": "drop", "duplicates": "drop"},
}
TABLE = pd.DataFrame({"sample": SAMPLES, "tumor": TUMORS, "patient": SAMPLES, "note": "a, b"})
PLACES = pd.DataFrame(
    {"symbol": GENES, "entrez": range(9), "chr": [*"12345678X"], "start": range(100, 1000, 100)}
)
MARKERS = pd.DataFrame({"gene": GENES[:4], "tumor": ["ACC", "BRCA", "ACC,BRCA", "OV"]})
GMT = b"ACC\tfrom a book\tG1\tG2\nTCGA-BRCA\t\tG3\tG4|5\n"


def as_text(frame: pd.DataFrame, separator: str = "\t", **options: object) -> bytes:
    return frame.to_csv(sep=separator, lineterminator="\n", **options).encode()


def genes_in_rows() -> pd.DataFrame:
    return pd.DataFrame(VALUES.T, index=pd.Index(GENES, name="gene"), columns=SAMPLES)


SEEDS = {
    "genes x samples": [as_text(genes_in_rows()), as_text(genes_in_rows(), ",")],
    "samples x genes": [as_text(genes_in_rows().T, index_label="sample")],
    "decimal commas": [
        as_text(genes_in_rows(), ";", decimal=","),
        as_text(genes_in_rows().T, ";", decimal=","),
    ],
    "STAR file": [],
    "quoted matrix": [
        as_text(genes_in_rows(), ",", quoting=1),
        as_text(genes_in_rows().T, quoting=2),
    ],
    "samples table": [as_text(TABLE, index=False), as_text(TABLE, ",", index=False)],
    "annotation": [as_text(PLACES, index=False), as_text(PLACES, ",", quoting=1)],
    "table of markers": [as_text(MARKERS, index=False), as_text(MARKERS, ",", index=False)],
    "gmt": [GMT],
}
PIECES = [
    *(bytes([i]) for i in (0, 7, 9, 10, 11, 12, 13, 26, 27, 34, 39, 44, 59, 0x80, 0xFF)),
    *(text.encode() for text in ("\ufeff", "\u2028", "\x85", "１", "é", "e\u0301", "\U0001f9ec")),
    *b'"" "," \t\t ,, \n\n \r\n 1e999 -inf nan 0x10 1_0 1,5 -1 NA =1+1 S1 G1 ACC'.split(b" "),
    b"\xff\xfe", b"\x1f\x8b", b"\x89HDF\r\n\x1a\n", b"x" * 5000, b'"' + b"y" * 140_000, b"," * 5000,
]  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes of a file after one to four changes."""
    for _ in range(draw(st.integers(1, 4))):
        place, stop = sorted(draw(st.tuples(*[st.integers(0, max(0, len(whole) - 1))] * 2)))
        lines = whole.splitlines(keepends=True) or [b""]
        line = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from("flip cut insert insert double drop swap cell".split())):
            case "flip" if whole:
                bit = 1 << draw(st.integers(0, 7))
                whole = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
            case "cut":
                whole = whole[:place] + draw(st.sampled_from([b"", whole[stop:]]))
            case "insert":
                whole = whole[:place] + draw(st.sampled_from(PIECES)) + whole[place:]
            case "double":
                whole = b"".join([*lines[: line + 1], *lines[line:]])
            case "drop":
                whole = b"".join([*lines[:line], *lines[line + 1 :]])
            case "swap":
                old, new = draw(st.permutations([b"\t", b",", b";", b"\n", b"\r"]))[:2]
                whole = whole.replace(old, new, draw(st.sampled_from([1, 3, -1])))
            case "cell":
                cells = lines[line].split(b"\t")
                cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(PIECES))
                whole = b"".join([*lines[:line], b"\t".join(cells), *lines[line + 1 :]])
    return whole


@st.composite
def files(draw: st.DrawFn, kind: str) -> bytes:
    """A damaged file of a kind, plain or packed, which may be damaged once more when packed."""
    text = draw(mutations(draw(st.sampled_from(SEEDS[kind]))))
    match draw(st.sampled_from(["plain", "plain", "plain", "packed", "packed and damaged"])):
        case "packed":
            return gzip.compress(text)
        case "packed and damaged":
            return draw(mutations(gzip.compress(text)))
        case _:
            return text


def cells_at(content: bytes) -> dict[tuple[str, str], set[str]]:
    """The cells of a text matrix by the name of their row and column, in both orders."""
    if content.startswith(b"\x1f\x8b"):  # bytes after the end of the stream are left out
        try:
            content = zlib.decompressobj(31).decompress(content)
        except zlib.error:
            reject()  # of flags in the header of gzip; the tested reader ignores them
    lines = io.StringIO(content.decode("utf-8-sig"), newline=None).read().split("\n")
    cells: dict[tuple[str, str], set[str]] = {}
    if max(map(len, lines)) > csv.field_size_limit():
        reject()  # this reader has a limit that the tested one lacks
    for separator, signs in itertools.product("\t,; ", [("#", "!"), ()]):
        rows = [
            next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
            for line in lines
            if line.strip() and not line.startswith(signs)
        ]
        for n_above in range(min(3, len(rows))):  # damaged headers, or parts of them, above it
            add_cells(cells, rows[n_above], rows[n_above + 1 :])
        with contextlib.suppress(csv.Error):  # line breaks in quotes
            header, *rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
            add_cells(cells, header, rows)
    return cells


def add_cells(cells: dict[tuple[str, str], set[str]], header: list[str], rows: list) -> None:
    for row in rows:
        names = ["", *header] if len(row) == len(header) + 1 else header
        for (name, cell), label in itertools.product(zip(names, row, strict=False), row):
            for key in ((name.strip(), label.strip()), (label.strip(), name.strip())):
                cells.setdefault(key, set()).add(cell)


def selected(
    expression: Path, samples: Path | None = None, scale: str = "as_is", *, has_cells: bool = True
) -> None:
    """Read and select an input; the values that come out are those that stand in the matrix."""
    tables = CONFIG | {"input": {"expression": str(expression), "scale": scale}}
    tables["input"] |= {"samples": str(samples)} if samples else {}
    config = config_from_tables(tables, source="fuzz")
    given = inputs.open_inputs(config.input)
    matrix, selection = given.matrix, select(config, given)
    values = selection.expression.block(slice(0, len(selection.genes)))
    assert np.isfinite(values).all()
    assert set(selection.samples["tumor"]) <= set(given.samples["tumor"]) - {""}
    rows, columns = selection.samples["sample"].tolist(), selection.genes.tolist()
    if samples is None or not has_cells:
        return
    assert set(rows) <= set(matrix.samples) and set(columns) <= set(matrix.genes)
    cells = cells_at(expression.read_bytes())
    for (i, sample), (j, gene) in itertools.product(enumerate(rows), enumerate(columns)):
        if sample in SAMPLES and gene in GENES:
            texts = [cell.strip().replace(",", ".") for cell in cells[sample, gene]]
            numbers = {np.float32(text) for text in texts if is_number(text)}
            assert values[j, i] in numbers, (sample, gene)


def is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", cell, re.ASCII) is not None


def read(kind: str, path: Path, beside: Path) -> None:
    """Read a file of a kind as the jobs do."""
    match kind:
        case "samples table":
            selected(beside / "matrix.tsv", path, "log2")
        case "annotation":
            order = annotation.chromosome_order(path, np.array(GENES))
            assert sorted(order.tolist()) == list(range(9))
        case "table of markers" | "gmt":
            settings = FaithfulnessSettings(markers=str(path))
            is_marker = markers.read_markers(settings, np.array(["ACC", "BRCA"]), np.array(GENES))
            assert is_marker.shape == (2, 9) and is_marker.any()
        case "STAR file":
            selected(path.parent.parent, beside / "sheet.tsv", "counts", has_cells=False)
        case _:
            selected(path, beside / "samples.tsv")


def require_value_or_message(attempt: Callable[[], None]) -> None:
    """An attempt ends well, or by an InputError or CohortError of at most 4,000 characters."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            warnings.simplefilter("ignore", UserWarning)
            attempt()
    except (InputError, CohortError) as error:
        message = str(error)
        assert 20 < len(message) <= MAX_MESSAGE
        assert message.encode() and not set(message) & set("\0\x1b\n\r")


def fuzz(
    test: Callable[..., None], strategy: st.SearchStrategy, n_examples: int = N_EXAMPLES
) -> None:
    """Run a test on the examples of a strategy: the same ones, or new ones until time is up."""
    common = {
        "database": None,
        "suppress_health_check": list(HealthCheck),
        "phases": [Phase.generate, Phase.shrink] if SECONDS else [Phase.generate],
    }
    if not SECONDS:
        settings(max_examples=n_examples, derandomize=True, **common)(given(strategy)(test))()
        return
    end = time.monotonic() + SECONDS / (len(SEEDS) + 2)
    start = time.time_ns() % 2**32
    for i in itertools.count():
        if time.monotonic() > end:
            return
        seed(start + i)(settings(max_examples=n_examples, **common)(given(strategy)(test)))()


@pytest.mark.parametrize("kind", SEEDS)
def test_damaged_text_is_read_or_refused(tmp_path, kind):
    (tmp_path / "matrix.tsv").write_bytes(SEEDS["genes x samples"][0])
    (tmp_path / "samples.tsv").write_bytes(SEEDS["samples table"][0])
    path = tmp_path / ("file.gmt" if kind == "gmt" else "file.tsv")
    if kind == "STAR file":
        path = write_star_folder(tmp_path)

    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        require_value_or_message(lambda: read(kind, path, tmp_path))

    fuzz(attempt, files(kind))


def write_star_folder(folder: Path) -> Path:
    """A folder of the GDC with a sheet; one of its files, which may be damaged."""
    write_gdc_folder(folder / "gdc", 8)
    table = sheet([f"TCGA-AA-{i:04d}-01A" for i in range(8)])
    table["Project ID"] = [f"TCGA-{tumor}" for tumor in TUMORS]
    table.to_csv(folder / "sheet.tsv", sep="\t", index=False)
    path = next((folder / "gdc" / uuid(3)).glob("*.tsv"))
    SEEDS["STAR file"][:] = [path.read_bytes()]
    selected(folder / "gdc", folder / "sheet.tsv", "counts", has_cells=False)
    return path


def test_damaged_parquet_is_read_or_refused(tmp_path):
    (tmp_path / "samples.tsv").write_bytes(SEEDS["samples table"][0])
    path = tmp_path / "matrix.parquet"
    genes_in_rows().reset_index().to_parquet(path)
    whole = path.read_bytes()
    selected(path, tmp_path / "samples.tsv", has_cells=False)

    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        require_value_or_message(lambda: selected(path, tmp_path / "samples.tsv", has_cells=False))

    fuzz(attempt, mutations(whole), N_BINARY)


STORED = {"dense": np.array, "csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}
ARRAYS = {
    "text": np.array(["a", "b"], dtype=h5py.string_dtype()),
    "bytes": np.array([b"\xff\xfe", b"a\0b"], dtype="S4"),
    "complex": np.ones((8, 9), dtype=complex),
    "infinite": np.full((8, 9), np.inf),
    "negative": np.full(20, -1),
    "large": np.full(10, 2**62),
    "flat": np.ones(72),
    "deep": np.ones((8, 9, 2)),
    "none": np.ones((0, 9)),
    "scalar": np.float64(1),
    "compound": np.zeros(8, dtype=[("a", "f4"), ("b", "S3")]),
    "empty": h5py.Empty("f4"),
}
SHAPES = [(10**12, 10**12), (10**12,), (2**31, 9), (8, 2**40), (10**7, 10**4)]
ATTRIBUTES = ["", "array", "csr_matrix", "dataframe", 7, [10**12, 9], [-1, -1], [2.5], ["a", "a"]]


@st.composite
def edits(draw: st.DrawFn) -> list[Callable[[h5py.File], None]]:
    """One to three changes of the objects and attributes of an .h5ad file."""
    changes: list[Callable[[h5py.File], None]] = []
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, 200))
        kind = draw(st.sampled_from("delete array shape group attribute attribute link".split()))
        array = draw(st.sampled_from([*ARRAYS.values()]))
        shape, value = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(ATTRIBUTES))
        chunks = draw(st.sampled_from([None, True]))
        changes.append(functools.partial(edit, number, kind, array, shape, value, chunks))
    return changes


def edit(number, kind, array, shape, value, chunks, file) -> None:
    """Change one object of the file, chosen by a number."""
    names: list[str] = []
    file.visit(names.append)
    names = [name for name in names if name.split("/")[0] in ("X", "obs", "var")]
    if not names:
        return
    name = names[number % len(names)]
    keys = sorted(file[name].attrs)
    if kind == "attribute" and keys:
        file[name].attrs[keys[number % len(keys)]] = value
        return
    attributes = dict(file[name].attrs)
    del file[name]
    match kind:
        case "array":
            file[name] = array
        case "shape":
            file.create_dataset(name, shape, "f4", chunks=chunks)
        case "group":
            file.create_group(name)
        case "link":
            file[name] = h5py.ExternalLink("/dev/zero", "/x")
    if kind in ("array", "shape", "group"):
        for key, attribute in attributes.items():
            file[name].attrs[key] = attribute


def test_damaged_h5ad_is_read_or_refused(tmp_path):
    obs, var = TABLE.set_index("sample"), pd.DataFrame(index=GENES)
    obs["tumor"] = pd.Categorical(obs["tumor"])
    whole = {}
    for kind, store in STORED.items():
        path = tmp_path / f"{kind}.h5ad"
        anndata.AnnData(store(VALUES), obs=obs, var=var).write_h5ad(path)
        selected(path)
        whole[kind] = path.read_bytes()
    path = tmp_path / "damaged.h5ad"

    def attempt(example: tuple[str, list[Callable[[h5py.File], None]]]) -> None:
        kind, changes = example
        path.write_bytes(whole[kind])
        with h5py.File(path, "r+") as file:
            for change in changes:
                change(file)
        require_value_or_message(lambda: selected(path))

    fuzz(attempt, st.tuples(st.sampled_from([*STORED]), edits()), N_BINARY)
