"""The error messages that docs/faq.md quotes are those of the code; many are raised here."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tomli_w

from jobs import __main__ as command_line

ROOT = Path(__file__).parents[1]
VARYING = "…"
MIN_FRAGMENT = 12  # characters of a message that must be fixed
MESSAGES = {
    title: " ".join(text.split())
    for title, text in re.findall(
        r"^### ([^\n]+)\n\n```text\n(.*?)```",
        (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
}
TUMORS = ("BRCA", "COAD", "LUAD")
N_PATIENTS, N_GENES = 12, 60
SAMPLES = [f"TCGA-01-{i:04d}-01" for i in range(N_PATIENTS * len(TUMORS))]


def _text(node: ast.AST) -> str:
    """A text of the code, with … for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return VARYING if isinstance(node, ast.FormattedValue) else ""


def _texts_of_the_code() -> str:
    """All texts of the code but docstrings, one a line."""
    texts: list[str] = []
    for folder in ("tumorcam", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            nodes = (n for n in ast.walk(tree) if isinstance(n, ast.Constant | ast.JoinedStr))
            texts += [_text(node) for node in nodes if id(node) not in docs]
    return "\n".join(texts)


CODE = _texts_of_the_code()


def test_the_page_explains_enough_messages():
    assert len(MESSAGES) >= 20


def _matrix(**changes) -> pd.DataFrame:
    values = np.random.default_rng(1).gamma(2, 2, (N_GENES, len(SAMPLES))).round(4)
    genes = [f"GENE{i}" for i in range(N_GENES)]
    options = {"data": values, "index": genes, "columns": SAMPLES} | changes
    return pd.DataFrame(**options).rename_axis("gene")


def _table() -> pd.DataFrame:
    return pd.DataFrame({"sample": SAMPLES, "disease": np.repeat(TUMORS, N_PATIENTS)})


def _write(matrix: pd.DataFrame, table: pd.DataFrame) -> None:
    matrix.to_csv("matrix.tsv", sep="\t")
    table.to_csv("samples.tsv", sep="\t", index=False)


def _genes(*names: str) -> list[str]:
    return [*names, *(f"GENE{i}" for i in range(len(names), N_GENES))]


def _with_value(value: float) -> pd.DataFrame:
    matrix = _matrix()
    matrix.iloc[3, 4] = value
    return matrix


def _long(matrix: pd.DataFrame) -> pd.DataFrame:
    return matrix.reset_index().melt("gene", var_name="sample").set_index("gene")


def _plain_ids(matrix: pd.DataFrame, table: pd.DataFrame) -> None:
    names = [f"S{i}" for i in range(len(SAMPLES))]
    _write(matrix.set_axis(names, axis=1), table.assign(sample=names))


def _excel() -> None:
    Path("matrix.tsv").write_bytes(b"PK\3\4[Content_Types].xml xl/" + bytes(100))
    Path("matrix.tsv").rename("matrix.xlsx")


INPUTS: dict[str, tuple[Callable[[], object], list[str]]] = {
    "A key is unknown": (lambda: None, ["cohort.gene=5"]),
    "A value is of the wrong type or out of range": (lambda: None, ["cohort.genes=many"]),
    "Methods and cubes do not fit": (lambda: None, ['explain.methods=["gradient_x_input"]']),
    "The network does not fit the image": (
        lambda: None,
        ["model.filters=[4, 4, 4, 4, 4]", "model.padding=valid"],
    ),
    "A file is missing": (lambda: Path("samples.tsv").unlink(), []),
    "The file is of a kind that is not read": (_excel, ["input.expression=matrix.xlsx"]),
    "Samples and matrix do not fit each other": (
        lambda: _write(_matrix(columns=[f"x{i}" for i in range(len(SAMPLES))]), _table()),
        [],
    ),
    "Some samples are not in the table": (lambda: _write(_matrix(), _table()[:-3]), []),
    "No column is the tumor type": (
        lambda: _write(_matrix(), _table().assign(disease=range(len(SAMPLES)))),
        [],
    ),
    "Several columns may be the tumor type": (
        lambda: _write(_matrix(), _table().assign(cancer=TUMORS * N_PATIENTS)),
        [],
    ),
    "The sample types are not known": (lambda: _plain_ids(_matrix(), _table()), []),
    "The patients are not known": (
        lambda: _plain_ids(_matrix(), _table()),
        ["cohort.sample_types=[]"],
    ),
    "The values are on another scale": (lambda: None, ["input.scale=counts"]),
    "A gene occurs twice": (
        lambda: _write(_matrix(index=_genes("GENE5", "GENE5")), _table()),
        [],
    ),
    "Values are missing or negative": (lambda: _write(_with_value(-2), _table()), []),
    "Excel changed gene names": (
        lambda: _write(_matrix(index=_genes("1-Mar", "1-Sep", "2-Sep")), _table()),
        [],
    ),
    "The table is in long form": (lambda: _write(_long(_matrix()), _table()), []),
    "A tumor has too few patients": (lambda: None, ["splits.folds=20"]),
    "The disk is too small": (
        lambda: None,
        ["layout.replicates=1000", "layout.nulls=1000", "model.dense=[65536, 65536]"],
    ),
}
COMMANDS = {
    "The config is not there": ["prepare", "other.toml"],
    "An earlier stage is missing": ["reduce", "own.toml"],
}
OF_A_RUN = {
    "Files were made with other settings": ["reduce", "own.toml", "--set", "cohort.genes=36"],
    "A gene, tumor or sample is not in the run": ["show", "own.toml", "--gene", "TP53"],
    "Several samples begin alike": ["show", "own.toml", "--sample", "TCGA-01"],
}
CUT_OFF = "The download is cut off"
DAMAGED, OF_OLD_VERSION = "A file is damaged", "A file is of another version"
RAISED = {*INPUTS, *COMMANDS, *OF_A_RUN, CUT_OFF, DAMAGED, OF_OLD_VERSION}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small sound input and a config for it."""
    monkeypatch.chdir(tmp_path)
    _write(_matrix(), _table())
    tables = {
        "run": {"name": "own"},
        "input": {"expression": "matrix.tsv", "samples": "samples.tsv", "scale": "log2"},
        "cohort": {"genes": 49},
        "splits": {"folds": 2},
        "model": {"filters": [4], "dense": [8]},
    }
    Path("own.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")
    return tmp_path


def _require_message(title: str, printed: str) -> None:
    words = " ".join(printed.split())
    pattern = ".*".join(re.escape(part) for part in MESSAGES[title].split(VARYING))
    assert re.search(pattern, words), words


def _prepare(*overrides: str) -> int:
    words = [word for override in overrides for word in ("--set", override)]
    return command_line.main(["prepare", "own.toml", "--dry-run", *words])


def test_the_input_of_these_tests_is_sound(project):
    assert _prepare() == 0


@pytest.mark.parametrize("title", INPUTS)
def test_prepare_ends_with_the_quoted_message(title, project, capsys):
    spoil, overrides = INPUTS[title]
    spoil()
    assert _prepare(*overrides) == 1
    _require_message(title, capsys.readouterr().err)


@pytest.mark.parametrize("title", COMMANDS)
def test_other_commands_end_with_the_quoted_message(title, project, capsys):
    assert command_line.main(COMMANDS[title]) == 1
    _require_message(title, capsys.readouterr().err)


def test_a_download_that_is_cut_off_ends_with_the_quoted_message(project, capsys):
    _matrix().to_csv("matrix.tsv.gz", sep="\t")
    whole = Path("matrix.tsv.gz").read_bytes()
    Path("matrix.tsv.gz").write_bytes(whole[: len(whole) // 2])
    assert _prepare("input.expression=matrix.tsv.gz") == 1
    _require_message(CUT_OFF, capsys.readouterr().err)


@pytest.fixture
def prepared(project: Path) -> Path:
    """The cohort file of a run in that folder."""
    assert command_line.main(["prepare", "own.toml"]) == 0
    return project / "runs" / "own" / "cohort.h5"


@pytest.mark.parametrize("title", OF_A_RUN)
def test_commands_on_a_run_end_with_the_quoted_message(title, prepared, capsys):
    assert command_line.main(OF_A_RUN[title]) == 1
    _require_message(title, capsys.readouterr().err)


def test_a_damaged_file_ends_with_the_quoted_message(prepared, capsys):
    content = bytearray(prepared.read_bytes())
    content[-1] ^= 1
    prepared.write_bytes(content)
    assert command_line.main(["reduce", "own.toml"]) == 1
    _require_message(DAMAGED, capsys.readouterr().err)


def test_a_file_of_another_program_ends_with_the_quoted_message(prepared, capsys):
    with h5py.File(prepared, "w") as file:
        file["values"] = np.arange(10_000)
    assert command_line.main(["reduce", "own.toml"]) == 1
    _require_message(OF_OLD_VERSION, capsys.readouterr().err)


@pytest.mark.parametrize("title", sorted(MESSAGES.keys() - RAISED))
def test_every_other_quoted_message_is_one_of_the_code(title):
    fragments = [part.strip(" ;,") for part in MESSAGES[title].split(VARYING)]
    assert max(map(len, fragments)) >= MIN_FRAGMENT
    assert [part for part in fragments if part and part not in CODE] == []
