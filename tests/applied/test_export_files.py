import dataclasses

import pytest

from tumorcam.applied.export_files import (
    model_bytes,
    model_keys,
    script_text,
    unit_text,
    write_names,
)
from tumorcam.cohort.cohort import read_cohort
from tumorcam.settings.config import Config
from tumorcam.settings.inputs import SCALES
from tumorcam.storage.run_folder import RunFolder


def config_of(scale, normalisation="cpm"):
    given = dataclasses.replace(Config().input, scale=scale, normalisation=normalisation)
    return dataclasses.replace(Config(), input=given)


@pytest.mark.parametrize(
    ("scale", "unit"),
    [
        ("tpm", "Values are log2(x + 1), where x is TPM."),
        (
            "log2",
            "Values are log2(x + 1), where x is of the same kind as in the input that the run was "
            "trained on.",
        ),
        (
            "counts",
            "Values are log2(x + 1), where x is counts per million reads, normalised as "
            "input.normalisation = tmm says.",
        ),
        (
            "as_is",
            "Values are not transformed; they are of the same kind as in the input that the run "
            "was trained on.",
        ),
    ],
)
def test_the_unit_is_that_of_the_run(scale, unit):
    assert unit_text(config_of(scale, "tmm")) == unit


@pytest.mark.parametrize("scale", SCALES)
def test_the_script_is_python_and_refuses_what_the_scale_excludes(scale):
    text = script_text(config_of(scale))
    compile(text, "use.py", "exec")
    limits = "np.isinf(values)" if scale == "as_is" else "(values < 0) | (values > 35)"
    assert f"({limits}).any()" in text and "<FAULT>" not in text
    assert unit_text(config_of(scale)).startswith("Values are ")


def test_bytes_are_those_of_all_networks(tiny_run):
    cohort = read_cohort(RunFolder.of(tiny_run).cohort, tiny_run)
    assert [key.name for key in model_keys(cohort)] == ["r00-f00", "r00-f01", "r01-f00", "r01-f01"]
    convolutions = (9 + 1) * 16 + (9 * 16 + 1) * 16
    n_units = 16 * (cohort.layouts[0].side // 4) ** 2
    dense = (n_units + 1) * 8 + (8 + 1) * 4
    pixels = cohort.layouts[0].side ** 2
    a_network = 4 * (convolutions + dense) + 8 * 36 + 8 * pixels
    assert model_bytes(cohort, tiny_run) == 4 * a_network


def test_names_stand_one_a_line(tiny_run, tmp_path):
    cohort = read_cohort(RunFolder.of(tiny_run).cohort, tiny_run)
    genes, tumors = write_names(tmp_path, cohort)
    assert genes.read_bytes().decode() == "".join(f"{gene}\n" for gene in cohort.genes)
    assert tumors.read_bytes() == b"ACC\nBRCA\nCOAD\nREAD\n"
