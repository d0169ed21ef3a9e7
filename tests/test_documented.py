"""Every public module, class and function says what it is; the library's functions say all."""

import ast
import doctest
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_run import finish_run

import tumorcam

ROOT = Path(__file__).parents[1]
SOURCES = [*sorted((ROOT / "tumorcam").rglob("*.py")), *sorted((ROOT / "jobs").glob("*.py"))]
FUNCTIONS = sorted(tumorcam.LIBRARY)
BARE = re.compile(  # types that do not say what a value is
    r"\b(str|int|float|bool|bytes|object|Any|ndarray|Tensor|Series|DataFrame|Sequence|Iterable"
    r"|Iterator|Mapping|list|dict|tuple|set|Callable)\b"
)
ELSEWHERE = re.compile(r"[Pp]arameters|arguments|(?:\b[Aa]s|as in|as for|those of) `")
ERRORS_ELSEWHERE = re.compile(r"errors?,? (?:as|are|and)|[Aa]s(?: in| for)? `", re.IGNORECASE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def public(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """Public classes and functions of a module, and the functions of these classes, by name."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def arguments(function: ast.FunctionDef) -> list[ast.arg]:
    every = function.args
    return [
        argument
        for argument in (*every.posonlyargs, *every.args, *every.kwonlyargs)
        if argument.arg not in ("self", "cls")
    ]


def unnamed(function: ast.FunctionDef) -> list[str]:
    """Arguments of bare types on which the docstring has no word."""
    text = (ast.get_docstring(function) or "").lower()
    if ELSEWHERE.search(text):
        return []
    return [
        argument.arg
        for argument in arguments(function)
        if BARE.search(ast.unparse(argument.annotation))
        and not any(word[:4] in text for word in argument.arg.lower().split("_") if len(word) > 1)
        and f"`{argument.arg}`" not in text
    ]


def raised(function: ast.FunctionDef) -> set[str]:
    """Names of the errors that a function itself raises."""
    calls = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc]
    names = {ast.unparse(call.func if isinstance(call, ast.Call) else call) for call in calls}
    return {name.split(".")[-1] for name in names}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_public_thing_has_a_summary(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = {"the module": tree, **dict(public(tree))}
    if path.read_text(encoding="utf-8").strip():
        first = {name: (ast.get_docstring(nodes[name]) or "").split("\n\n")[0] for name in nodes}
        ends = tuple(".:;?…")
        assert not [name for name in first if len(first[name]) < 10 or first[name][-1] not in ends]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_arguments_are_described(path):
    """One argument may be what the summary is about; any further one is named or listed."""
    for name, node in public(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert len(unnamed(node)) < 2, f"{name}: {unnamed(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_errors_are_described(path):
    for name, node in public(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) or ""
        if isinstance(node, ast.FunctionDef) and (errors := raised(node)):
            is_described = "Raises\n" in text or any(
                error.lower() in text.lower() for error in errors
            )
            assert is_described or ERRORS_ELSEWHERE.search(text), f"{name}: {errors}"


def section(text: str, title: str) -> str:
    """The part of a docstring below a NumPy heading; empty if it has none."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_the_library_have_all_sections(name):
    function = getattr(tumorcam, name)
    text = inspect.getdoc(function)
    listed = re.findall(r"^(\w+) : \S", section(text, "Parameters"), re.MULTILINE)
    assert listed == list(inspect.signature(function).parameters)
    for title in ("Returns", "Raises", "Examples"):
        assert section(text, title).strip(), title
    hints = function.__annotations__
    assert set(hints) == {*listed, "return"}
    if name != "gene_significance":
        assert re.search(r"doi:|arXiv:", section(text, "References"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_of_the_library_work(name, tiny_run, tmp_path, monkeypatch):
    if name == "gene_significance":
        shutil.copytree(finish_run(tiny_run).folder, tmp_path / "runs" / "demo")
        monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(tumorcam, name), name, globs={})
    results = doctest.DocTestRunner().run(example)
    assert results.failed == 0 and results.attempted >= 3
