import pytest

from jobs import explain, prepare, train
from tumorcam.cluster import resources
from tumorcam.errors import ConfigError
from tumorcam.operations import cost
from tumorcam.operations.sizes import Sizes
from tumorcam.settings.config import Config, config_from_tables


def test_the_cost_of_a_known_run():
    """By hand: 100 samples, 36 genes and as many decoys on 9 x 9 pixels, 2 x 3 models, one null."""
    tables = {
        "layout": {"replicates": 2, "nulls": 1},
        "splits": {"folds": 3},
        "model": {"filters": [8], "dense": [4]},
        "explain": {"methods": ["gradient", "grad_cam"], "cubes": ["gradient"], "batch_size": 10},
    }
    config = config_from_tables(tables, source="test")
    of_run = cost.cost_of(config, Sizes(100, n_genes=36, n_decoys=36, n_tumors=3, n_input_genes=0))
    weights = (3 * 3 * 8 + 8) + (5 * 5 * 8 * 4 + 4) + (4 * 3 + 3)  # 9 pixels become 5
    assert of_run.cohort == 4 * 100 * 72 + 4 * 6 * 72
    assert of_run.models == 4 * weights * 6 * 2
    assert of_run.shards == 2 * 100 * (2 * 2 * (36 + 72) + 81) * 2 * 2
    assert of_run.training == 4 * 100 * 72 * 2 // 3, "features of the samples outside a fold"
    assert of_run.train == 5 * 4 * weights + 16 * 4 * 81 * 8
    assert of_run.explain == 4 * weights + 10 * 4 * 81 * 8
    assert of_run.disk == of_run.cohort + of_run.models + of_run.shards


def test_what_cannot_fit_the_disk_is_refused_before_work(tiny_toml, tiny_config, capsys):
    words = ["--set", "layout.replicates=1000", "--set", "model.dense=[65536]"]
    for dry in ([], ["--dry-run"]):
        assert prepare.main([tiny_toml, *words, "--set", "layout.nulls=1000", *dry]) == 1
        said = capsys.readouterr().err
        assert "the run takes up to" in said and "GiB free" in said
        assert not (tiny_config.folder / "cohort.h5").exists()


@pytest.mark.parametrize(
    ("job", "setting"),
    [
        (prepare, "cohort.genes"),
        (train, "training.micro_batch"),
        (explain, "explain.batch_size"),
    ],
)
def test_what_cannot_fit_the_memory_is_refused_before_work(
    trained_copy, capsys, monkeypatch, job, setting
):
    run = trained_copy.folder
    for path in (run / "cohort.h5", run / "models" / "r00-f00" / "model.h5"):
        if (job, path.name) in ((prepare, "cohort.h5"), (train, "model.h5")):
            path.unlink()
    monkeypatch.setattr(cost, "memory_limits", lambda slurm_bytes: {"Slurm": 500})
    words = ["--model", "r00-f00"] if job is train else []
    assert job.main([str(run / "config.toml"), *words]) == 1
    said = capsys.readouterr().err
    assert "memory" in said and "(Slurm)" in said and setting in said


def test_without_any_limit_all_is_allowed(monkeypatch):
    monkeypatch.setattr(cost, "memory_limits", lambda slurm_bytes: {})
    cost.require_bytes(2**60, launch(), settings="")
    monkeypatch.setattr(cost, "memory_limits", lambda slurm_bytes: {"the cgroup": 2**59})
    with pytest.raises(ConfigError, match=r"536,870,912\.0 GiB"):
        cost.require_bytes(2**60, launch(), settings="")


def launch():
    return cost.Launch({})


def test_the_default_run_of_tcga_fits_a_laptop():
    sizes = Sizes(10_000, n_genes=11_449, n_decoys=11_449, n_tumors=33, n_input_genes=20_000)
    of_run = cost.cost_of(Config(), sizes)
    assert of_run.prepare < 2**30 and of_run.train < 2**32
    assert resources.size_text(of_run.cohort).endswith("GiB")
