"""The rules of docs/design.md and of the house style that an `ast` can check."""

import ast
import configparser
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "tumorcam").rglob("*.py"))
JOBS = sorted((ROOT / "jobs").glob("*.py"))
WITHOUT_CONFIG = ("fetch", "inspect", "init")
STAGES = [
    path for path in JOBS if path.stem not in ("__init__", "__main__", "command", *WITHOUT_CONFIG)
]
SOURCES = [*CORE, *JOBS]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# The packages in the order of the data; each imports only from those before it.
ORDER = (
    "errors settings cluster storage readers cohort saliency training applied explain "
    "significance faithfulness report operations"
).split()
TENSORFLOW = {  # packages and modules in which a network runs
    "tumorcam.saliency",
    *(
        f"tumorcam.training.{name}"
        for name in ("network", "paths", "gradients", "initial_weights", "prediction")
    ),
    *(f"tumorcam.training.{name}" for name in ("loop", "optimizer", "checkpoints", "event_file")),
    *(f"tumorcam.training.{name}" for name in ("workers", "threads", "device_notes")),
    *(f"tumorcam.applied.{name}" for name in ("classify", "missing_genes", "networks", "ensemble")),
    *(f"tumorcam.explain.{name}" for name in ("explain", "devices", "sample")),
    "tumorcam.faithfulness.perturbation",
    *(f"tumorcam.operations.{name}" for name in ("selftest", "preflight", "probe_network")),
}
WITHOUT_TENSORFLOW = {
    f"jobs.{name}"
    for name in (
        "prepare report reduce status verify pipeline init inspect fetch compare enrich"
    ).split()
}
HOMES = {  # of files in HDF5: each has the record, its writer and its reader
    "tumorcam.cohort.cohort",
    "tumorcam.training.artifact",
    "tumorcam.training.baselines",
    *(f"tumorcam.applied.{name}" for name in "new_cohort reference predictions calls".split()),
    "tumorcam.explain.shards",
    "tumorcam.significance.bands",
    "tumorcam.significance.tables",
    "tumorcam.faithfulness.results",
}
OTHER_HDF5 = {  # other people's files, and a site's file system
    "tumorcam.readers.h5ad",
    *(
        f"tumorcam.readers.binary.{name}"
        for name in ("anndata_file", "frames", "hdf5_checks", "matrices")
    ),
    "tumorcam.report.ranking_h5ad",
    "tumorcam.operations.preflight",
}
HDF5_FUNCTIONS = set(
    "open_file create_file read_record write_record read_array array_shape create_dataset".split()
)
PET_WORDS = set("found wanted one known seen made shown each there told said".split())
ALIASES = {"np", "pd", "pl", "tf", "mpl", "pa", "pq"}  # that the libraries' own documents use
MAX_ENTRIES = 15  # of `ls tumorcam/`


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
            package = "jobs" if node.level else None  # the jobs have two names: see setup.cfg
            module = ".".join(filter(None, (package, node.module)))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def at_run_time(tree: ast.Module) -> ast.Module:
    """The module without what only type checkers import."""
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body, [])


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
    assert not tops & {"pickle", "jax", "torch"}  # the latter two: tests and benchmarks alone


def test_the_machine_with_an_accelerator_needs_one_file():
    """It has neither tumorcam nor TensorFlow; PyTorch and captum are imported where it has them."""
    tree = parse(ROOT / "benchmarks" / "accelerator" / "run.py")
    tops = {name.split(".")[0] for name in imported(tree)}
    assert tops - sys.stdlib_module_names == {"jax", "numpy", "torch", "captum"}


def test_jobs_that_run_on_a_login_node_never_reach_tensorflow():
    graph = {name_of(path): set(imported(at_run_time(parse(path)))) for path in SOURCES}
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


def test_a_listing_reads_as_the_pipeline():
    """Folders and files of tumorcam/, and nothing that a package list or the order lacks."""
    entries = {
        p for p in (ROOT / "tumorcam").iterdir() if p.name not in ("__pycache__", "py.typed")
    }
    assert len(entries) <= MAX_ENTRIES, sorted(entry.name for entry in entries)
    assert {entry.stem for entry in entries} == {"__init__", *ORDER}
    assert all((entry / "__init__.py").exists() for entry in entries if entry.is_dir())


def test_the_wheel_has_every_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    folders = {name_of(path) for path in CORE if path.name == "__init__.py"}
    beside = {"tumorcam.jobs", "tumorcam.configs", "tumorcam.slurm", "tumorcam.docs"}
    assert listed == folders | beside
    places = dict(line.split(" = ") for line in setup["options"]["package_dir"].split("\n") if line)
    assert places == {name: name.removeprefix("tumorcam.") for name in beside}
    assert all((ROOT / place).is_dir() for place in places.values())


@pytest.mark.parametrize("path", CORE, ids=ids(CORE))
def test_a_file_in_hdf5_has_one_home(path):
    """Elsewhere nobody opens one, so no name of a dataset stands anywhere else."""
    module = name_of(path)
    if module.startswith("tumorcam.storage") or module in HOMES:
        return
    tree = parse(path)
    if module not in OTHER_HDF5:
        assert not {name.split(".")[0] for name in imported(tree)} & {"h5py", "hdf5plugin"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            assert called not in HDF5_FUNCTIONS, f"{module}:{node.lineno} {called}"


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_names_of_values_say_what_they_are(path):
    def names(node: ast.AST) -> set[str | None]:
        return {getattr(node, key, None) for key in ("id", "arg", "attr")}

    pets = [
        f"line {node.lineno}: {word}"
        for node in ast.walk(parse(path))
        for word in names(node) & PET_WORDS
    ]
    assert not pets, pets


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_no_alias_hides_a_module(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            aliases = {alias.asname for alias in node.names} - {None}
            assert aliases <= ALIASES, aliases


@pytest.mark.parametrize("path", STAGES, ids=ids(STAGES))
def test_a_job_has_one_shape(path):
    """A body that returns its exit code, a COMMAND that names it, and a main of one line."""
    tree = parse(path)
    bodies = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    assert "main" in bodies and ast.unparse(bodies["main"].body[-1]).startswith(
        "return command.run("
    )
    command = next(
        n for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "COMMAND"
    )
    body = bodies[command.value.args[2].id]
    assert [ast.unparse(a.annotation) for a in body.args.args] == ["Job"]
    assert ast.unparse(body.returns) == "int"


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
    if path.stem not in ("__main__", "command"):
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
