"""The rules of docs/design.md and of the house style that an `ast` can check."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "tumorcam").rglob("*.py"))
JOBS = sorted((ROOT / "jobs").glob("*.py"))
SOURCES = [*CORE, *JOBS]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Packages in the order of the data: each imports only from those before it.
ORDER = (
    "errors settings config cluster storage readers cohort saliency training explain significance "
    "faithfulness report operations"
).split()
TENSORFLOW = {  # packages and modules in which a network runs
    "tumorcam.saliency",
    *(f"tumorcam.training.{name}" for name in ("network", "loop", "workers", "checkpoints")),
    *(f"tumorcam.explain.{name}" for name in ("explain", "devices", "sample")),
    "tumorcam.faithfulness.perturbation",
    *(f"tumorcam.operations.{name}" for name in ("selftest", "preflight")),
}
WITHOUT_TENSORFLOW = {"jobs.report", "jobs.reduce", "jobs.status", "jobs.verify", "jobs.pipeline"}


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what a tree imports; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def place(module: str) -> int:
    """Position in ORDER of tumorcam.NAME or of anything inside it."""
    name = module.split(".")[1]
    assert name in ORDER, f"{module} is new: give it a place in ORDER and in docs/design.md"
    return ORDER.index(name)


def is_in(module: str, places: set[str]) -> bool:
    """Whether a module is one of these or lies in one of them."""
    return any(module == place or module.startswith(place + ".") for place in places)


def is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def code_lines(node: ast.AST, text: str) -> int:
    """Lines of a node that are neither blank, comment nor docstring."""
    lines = text.splitlines()
    start, stop = getattr(node, "lineno", 1), getattr(node, "end_lineno", len(lines))
    skipped = {
        number
        for inner in ast.walk(node)
        if is_docstring(inner)
        for number in range(inner.lineno, inner.end_lineno + 1)
    }
    return sum(
        bool(lines[number - 1].strip()) and not lines[number - 1].strip().startswith("#")
        for number in range(start, stop + 1)
        if number not in skipped
    )


@pytest.mark.parametrize("path", CORE, ids=ids(CORE))
def test_a_core_module_imports_only_from_its_left(path):
    module = name_of(path)
    names = set(imported(parse(path)))
    assert not [name for name in names if name.split(".")[0] == "jobs"]
    if module == "tumorcam":
        return
    for name in names:
        if name.startswith("tumorcam.") and name != "tumorcam.__version__":
            same_package = name.split(".")[1] == module.split(".")[1]
            assert same_package or place(name) < place(module), f"{module} imports {name}"


def test_packages_have_no_cycles():
    graph = {
        name_of(path): {n for n in imported(parse(path)) if n.startswith("tumorcam.")}
        for path in CORE
    }
    edges = {
        module: {other for other in graph if other != "tumorcam" and other != module
                 and any(n == other or n.startswith(other + ".") for n in names)
                 and not module.startswith(other + ".")}
        for module, names in graph.items()
    }  # fmt: skip
    while edges:
        leaves = [module for module, others in edges.items() if not others & edges.keys()]
        assert leaves, f"import cycle among {sorted(edges)}"
        for module in leaves:
            del edges[module]


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_heavy_imports_stand_where_they_belong(path):
    module = name_of(path)
    tops = {name.split(".")[0] for name in imported(parse(path))}
    if not is_in(module, TENSORFLOW):
        assert not tops & {"tensorflow", "keras"}
    if module != "tumorcam.cluster.ranks":
        assert "mpi4py" not in tops
    assert "pickle" not in tops


def test_jobs_that_run_on_a_login_node_never_reach_tensorflow():
    graph = {name_of(path): set(imported(parse(path))) for path in SOURCES}
    for job in WITHOUT_TENSORFLOW & graph.keys():
        seen, todo = set(), {job}
        while todo:
            module = todo.pop()
            seen.add(module)
            todo |= {
                other
                for other in graph
                for name in graph[module]
                if name == other or name.startswith(other + ".")
            } - seen
        assert not [module for module in seen if is_in(module, TENSORFLOW)], job


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_the_environment_is_read_in_one_place(path):
    if name_of(path) in ("tumorcam", "tumorcam.cluster.launcher"):
        return
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("environ", "getenv", "putenv", "environb")


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_imports_stand_at_the_top_but_for_a_jobs_core(path):
    tree = parse(path)
    for function in functions(tree):
        imports = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert path.parent.name == "jobs" or not imports, f"{path.name}:{function.name}"


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_modules_do_no_work_when_imported(path):
    def is_work(node: ast.stmt) -> bool:
        return isinstance(node, ast.For | ast.While | ast.With) or (
            isinstance(node, ast.Expr) and not is_docstring(node)
        )

    if name_of(path) != "tumorcam":  # sets HDF5_USE_FILE_LOCKING before h5py is imported
        assert not [ast.unparse(node) for node in parse(path).body if is_work(node)]


@pytest.mark.parametrize("path", JOBS, ids=ids(JOBS))
def test_jobs_are_thin(path):
    text = path.read_text(encoding="utf-8")
    assert code_lines(ast.parse(text), text) <= 80
    for name in imported(ast.parse(text)):
        assert not name.startswith("jobs.") or name.startswith("jobs.command")


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=ids([*SOURCES, *TESTS]))
def test_files_are_short_and_named_after_something(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_functions_are_short_documented_and_typed(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree) or not text.strip(), "a module says what it is"
    inner = {f for outer in functions(tree) for f in functions(outer) if f is not outer}
    for function in functions(tree):
        where = f"{path.name}:{function.name}"
        assert code_lines(function, text) <= 60, where
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        untyped = [a.arg for a in named if a.annotation is None and a.arg not in ("self", "cls")]
        assert not untyped and function.returns is not None, f"{where} {untyped}"
        if not function.name.startswith("_") and function not in inner:
            assert ast.get_docstring(function), f"{where} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_nothing_executable_is_loaded_from_files(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called.split(".")[-1] not in ("load_model", "eval", "exec", "read_pickle")
