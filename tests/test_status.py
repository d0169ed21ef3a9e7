import pytest
from stub_run import expected, flip_bit, write_stubs

from jobs import status
from tumorcam.config import Config, config_toml

N_SHARDS = 10  # of the tiny run: 2 replicates x 2 folds x 24 samples in blocks of 10


@pytest.fixture
def config_file(tiny_config: Config, tmp_path):
    path = tmp_path / "tiny config.toml"
    path.write_text(config_toml(tiny_config), encoding="utf-8")
    return str(path)


def rows(text: str) -> dict[str, list[int]]:
    """Stage -> whole, missing, broken."""
    words = [line.split() for line in text.splitlines() if not line.startswith((" ", "/"))]
    return {w[0]: [int(n) for n in w[1:]] for w in words if len(w) == 4 and w[1].isdigit()}


def test_a_complete_run_exits_with_0(tiny_run, config_file, capsys):
    write_stubs(tiny_run)
    assert status.main([config_file]) == 0
    said = capsys.readouterr().out
    assert all(missing == broken == 0 for _, missing, broken in rows(said).values())
    assert list(rows(said)) == [
        "cohort", "models", "shards", "significance", "faithfulness", "report"
    ]  # fmt: skip
    assert "sbatch" not in said


def test_gaps_exit_with_3_and_say_how_to_fill_them(tiny_run, config_file, capsys):
    files = write_stubs(tiny_run)
    files[2].path.unlink()
    shard = next(file for file in files if file.stage == "shards")
    shard.path.write_bytes(b"no HDF5")
    assert status.main([config_file, "--set", "run.threads_per_rank=2"]) == 3
    said = capsys.readouterr().out
    assert rows(said)["models"] == [4, 1, 0]
    assert rows(said)["shards"][2] == 4, "one damaged, three of the lost model"
    assert f"broken: {shard.path} cannot be read" in said
    command = f"sbatch --array=1 slurm/train.sh '{config_file}' --set run.threads_per_rank=2"
    assert f"\n  {command}\n" in said


def test_many_faults_are_counted(tiny_run, config_file, capsys):
    for file in write_stubs(tiny_run):
        if file.kind and file.stage != "cohort":
            file.path.write_bytes(b"")
    assert status.main([config_file]) == 3
    said = capsys.readouterr().out
    assert said.count("broken: ") == 10 and "\nand " in said


def test_before_prepare_all_is_to_do(config_file, capsys):
    assert status.main([config_file]) == 3
    said = capsys.readouterr().out
    assert rows(said)["cohort"] == [0, 1, 0]
    assert "sbatch --array=0-4 slurm/train.sh" in said
    assert said.index("slurm/prepare.sh") < said.index("slurm/train.sh")


@pytest.mark.parametrize(("lost", "text"), [([], ""), ([0, 1, 2, 4], "0-2,4")])
def test_the_train_array_alone_for_scripts(tiny_run, config_file, capsys, lost, text):
    models = [file.path for file in write_stubs(tiny_run) if file.stage == "models"]
    for task in lost:
        models[task].unlink()
    assert status.main([config_file, "--train-array"]) == 0
    assert capsys.readouterr().out == f"{text}\n"


def test_deep_finds_what_a_glance_does_not(tiny_run, config_file, capsys):
    path = next(file.path for file in write_stubs(tiny_run) if file.stage == "shards")
    flip_bit(path)
    assert status.main([config_file]) == 0
    assert status.main([config_file, "--deep"]) == 3
    assert "damaged" in capsys.readouterr().out


def test_a_learning_curve_at_a_glance(tiny_run, config_file, capsys):
    assert status.main([config_file, "--curve", "r01-f00"]) == 0
    assert "no epoch is finished yet" in capsys.readouterr().out
    history = tiny_run.folder / "models" / "r01-f00" / "history.csv"
    history.parent.mkdir(parents=True)
    header = "epoch,training_loss,validation_loss,validation_accuracy,learning_rate,seconds\n"
    history.write_text(f"{header}0,1.5,1.2,0.4,0.001,3.0\n1,1.0,1.1,0.6,0.001,3.0\n")
    assert status.main([config_file, "--curve", "r01-f00"]) == 0
    assert "r01-f00: 2 epochs" in capsys.readouterr().out


def test_an_unknown_model_is_one_message(capsys, tiny_run, config_file):
    assert status.main([config_file, "--curve", "r09-f00"]) == 1
    assert "known: r00-f00, r00-f01, r01-f00, r01-f01" in capsys.readouterr().err


def test_a_dry_run_looks_at_nothing(tiny_run, config_file, capsys):
    assert status.main([config_file, "--dry-run"]) == 0
    assert "would look at" in capsys.readouterr().out
    assert len(expected(tiny_run)) > N_SHARDS
