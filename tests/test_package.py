"""What a user finds when he imports the package: names, help and types, and no TensorFlow."""

import ast
import importlib
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tumorcam

PACKAGE = Path(tumorcam.__file__).parent
OF_A_NEW_PROCESS = """
import sys, tumorcam
listed = dir(tumorcam)
loaded = [name for name in ("tensorflow", "keras", "pandas", "h5py") if name in sys.modules]
print(*[name for name in listed if not name.startswith("_")], "|", *loaded)
"""


def test_the_listing_names_all_functions_and_imports_nothing_heavy():
    run = [sys.executable, "-c", OF_A_NEW_PROCESS]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    names, _, loaded = output.partition("|")
    assert set(names.split()) == {*tumorcam.LIBRARY, "LIBRARY"}
    assert loaded.strip() == ""


@pytest.mark.parametrize("module", ["operations.work_left", "operations.inspection"])
def test_looking_at_a_run_imports_no_statistics(module):
    """They take a second, which is half of what `status` takes."""
    code = f"import sys, tumorcam.{module}\nprint({{'scipy.stats', 'sklearn'}} & {{*sys.modules}})"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "set()\n"


def test_a_star_import_brings_the_functions():
    names = {}
    exec("from tumorcam import *", names)
    assert {*tumorcam.LIBRARY, "__version__"} == names.keys() - {"__builtins__"}
    assert all(callable(names[name]) for name in tumorcam.LIBRARY)


def test_type_checkers_see_each_function():
    """The names imported under TYPE_CHECKING, `__all__` and LIBRARY are the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    names = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names == tumorcam.LIBRARY
    assert set(tumorcam.__all__) == {*names, "__version__"}
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", sorted(tumorcam.LIBRARY))
def test_help_shows_the_arguments_and_what_they_mean(name):
    text = pydoc.render_doc(getattr(tumorcam, name), renderer=pydoc.plaintext)
    assert f"{name}(" in text and "Parameters" in text and "Raises" in text


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tumorcam' has no attribute 'grad_cams'"):
        _ = tumorcam.grad_cams


def test_the_example_of_the_documentation_works():
    page = (PACKAGE.parent / "docs" / "api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(block, names)
    shapes = {name: names[name].shape for name in ("own", "pairs", "every")}
    assert shapes == {"own": (5, 28, 28), "pairs": (5, 2, 28, 28), "every": (5, 10, 28, 28)}


def test_the_documentation_has_an_entry_for_each_function():
    page = (PACKAGE.parent / "docs" / "api.md").read_text(encoding="utf-8")
    entries = re.findall(r"^::: tumorcam\.(\w+)$", page, re.MULTILINE)
    assert sorted(entries) == sorted(tumorcam.LIBRARY)


def test_the_documentation_names_each_layer_and_activation():
    page = (PACKAGE.parent / "docs" / "api.md").read_text(encoding="utf-8").lower()
    layers = importlib.import_module("tumorcam.saliency.layers")
    kinds = [kind.__name__ for kind in (*layers.LINEAR, *layers.ACTIVATION_LAYERS)]
    stems = {re.sub(r"(?<=ing)[12]d$", "", kind.lower()) for kind in kinds}
    assert sorted(stem for stem in stems if f"`{stem}" not in page) == []
    activations = importlib.import_module("tumorcam.saliency.activations")
    rules = [rule for rule in activations.ACTIVATIONS.values() if hasattr(rule, "name")]
    names = {rule.name.replace("_", " ") for rule in rules}
    assert sorted(name for name in names if name not in page) == []
