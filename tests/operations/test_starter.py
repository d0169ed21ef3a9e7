"""The config that a new user starts from, and the copies of batch scripts."""

from pathlib import Path

import pytest

from tumorcam.errors import ConfigError, InputError
from tumorcam.operations.starter import Choices, choices_of, copy_folders, write_config
from tumorcam.readers.matrix import Fact
from tumorcam.settings import CohortSettings
from tumorcam.settings.config import load_config


@pytest.mark.parametrize("name", ["my run.toml", "it's.toml", 'a"b.toml'])
def test_a_new_config_names_the_users_files(tmp_path, name):
    expression, samples = tmp_path / "my 'matrix\".tsv", tmp_path / "samples.tsv"
    expression.touch()
    samples.touch()
    path = tmp_path / name
    write_config(path, Choices([str(expression)], [str(samples)], "counts"))
    config = load_config(path)
    assert (config.input.expression, config.input.samples) == ((str(expression),), (str(samples),))
    assert config.run.name == path.stem and config.input.scale == "counts"
    assert config.cohort == CohortSettings(), "its comments show other settings, it has none"


def test_several_files_are_a_list(tmp_path):
    names = [str(tmp_path / name) for name in ("a 'b\".tsv", "c.tsv")]
    for name in names:
        Path(name).touch()
    write_config(tmp_path / "a.toml", Choices(names, names[:0], "log2"))
    config = load_config(tmp_path / "a.toml")
    assert (config.input.expression, config.input.samples) == (tuple(names), ())


def test_files_may_be_named_later(tmp_path):
    write_config(tmp_path / "a.toml", Choices([], [], "log2"))
    assert load_config(tmp_path / "a.toml").input.expression == ()


def test_what_was_understood_becomes_settings_with_their_reasons(tmp_path):
    """The last fact of a setting counts; a reason cannot end its comment."""
    facts = [
        Fact("tumor column", "b", "wrong", setting="input.tumor_column", value="b"),
        Fact("tumor column", "x", '9 types\nof ] "9"', "b, c", "input.tumor_column", 'x "y" \\'),
        Fact("normals", "kept", "they are many", "", "cohort.normals", "class"),
        Fact("scale", "tpm", "sums of a million", "", "input.scale", "tpm"),
        Fact("orientation", "genes in rows", "no setting"),
    ]
    path = tmp_path / "a.toml"
    write_config(path, choices_of([], [], "tpm", facts))
    config = load_config(path)
    assert (config.input.tumor_column, config.cohort.normals) == ('x "y" \\', "class")
    assert config.input.scale == "tpm"
    lines = path.read_text().splitlines()
    assert any('9 types of ] "9"; b, c' in line for line in lines)
    assert any("tpm" in line and "sums of a million" in line for line in lines)


def test_nothing_is_overwritten_or_written_wrongly(tmp_path):
    path = tmp_path / "a.toml"
    absent = str(tmp_path / "matrix.tsv")
    with pytest.raises(InputError, match=r"matrix\.tsv': no file or folder has this path"):
        write_config(path, Choices([absent], [], "log2"))
    with pytest.raises(InputError, match=r"matrix\.tsv is no file .* check the files"):
        write_config(path, Choices([], [absent], "log2"))
    with pytest.raises(ConfigError, match=r"a\.toml: input\.scale = 'squared'"):
        write_config(path, Choices([], [], "squared"))
    assert list(tmp_path.iterdir()) == []
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_config(path, Choices([], [], "log2"))
    assert path.read_text() == "mine"


def test_copies_leave_a_sites_own_settings(tmp_path):
    source, target = tmp_path / "wheel" / "slurm", tmp_path / "project"
    (source / "__pycache__").mkdir(parents=True)
    target.mkdir()
    for name in ("train.sh", "site.env"):
        (source / name).write_text(f"new {name}")
    assert copy_folders([source], target) == [
        target / "slurm" / "site.env", target / "slurm" / "train.sh"
    ]  # fmt: skip
    (target / "slurm" / "site.env").write_text("mine")
    (target / "slurm" / "train.sh").unlink()
    assert copy_folders([source], target) == [target / "slurm" / "train.sh"]
    assert (target / "slurm" / "site.env").read_text() == "mine"
    assert (target / "slurm" / "train.sh").read_text() == "new train.sh"
