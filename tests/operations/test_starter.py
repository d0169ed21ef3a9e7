import pytest

from tumorcam.config import load_config
from tumorcam.errors import ConfigError, InputError
from tumorcam.operations.starter import copy_folders, write_config


@pytest.mark.parametrize("name", ["my run.toml", "it's.toml", 'a"b.toml'])
def test_a_new_config_names_the_users_files(tmp_path, name):
    expression, samples = tmp_path / "my 'matrix\".tsv", tmp_path / "samples.tsv"
    expression.touch()
    samples.touch()
    path = tmp_path / name
    write_config(path, str(expression), str(samples), "counts")
    config = load_config(path)
    assert (config.input.expression, config.input.samples) == (str(expression), str(samples))
    assert config.run.name == path.stem and config.input.scale == "counts"
    assert config.cohort.sample_types == (), "also samples without a TCGA code"


def test_files_may_be_named_later(tmp_path):
    write_config(tmp_path / "a.toml", "", "", "log2")
    assert load_config(tmp_path / "a.toml").input.expression == ""


def test_nothing_is_overwritten_or_written_wrongly(tmp_path):
    path = tmp_path / "a.toml"
    with pytest.raises(
        InputError, match=r"matrix\.tsv is no file .* check --expression and --samples"
    ):
        write_config(path, str(tmp_path / "matrix.tsv"), "", "log2")
    with pytest.raises(ConfigError, match=r"a\.toml: input\.scale = 'squared'"):
        write_config(path, "", "", "squared")
    assert list(tmp_path.iterdir()) == []
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_config(path, "", "", "log2")
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
