import subprocess
import sys

import pytest
from stub_run import flip_bit, write_stubs

from jobs import verify
from tumorcam import processes
from tumorcam.config import Config, config_toml


@pytest.fixture
def finished(tiny_run: Config, tmp_path):
    """The config file and the expected files of a finished run."""
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(tiny_run), encoding="utf-8")
    return str(path), write_stubs(tiny_run)


def test_a_sound_run_has_no_faults(finished, capsys):
    config_file, files = finished
    assert verify.main([config_file]) == 0
    assert capsys.readouterr().out == f"{len(files)} files, 0 faults\n"


def test_each_fault_is_printed_with_file_and_remedy(finished, capsys):
    config_file, files = finished
    shards = [file.path for file in files if file.stage == "shards"]
    flip_bit(shards[0])
    shards[1].unlink()
    assert verify.main([config_file]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{shards[0]} is damaged") and "rerun" in said[0]
    assert said[1] == f"{shards[1]} does not exist; run jobs.explain"
    assert said[-1] == f"{len(files)} files, 2 faults"


def test_without_a_plan_there_is_one_message(tiny_config, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(tiny_config), encoding="utf-8")
    assert verify.main([str(path)]) == 1
    assert "run jobs.prepare" in capsys.readouterr().err


def test_a_dry_run_says_how_much_would_be_read(finished, capsys):
    config_file, files = finished
    files[-1].path.unlink()
    assert verify.main([config_file, "--dry-run"]) == 0
    assert f"would read {len(files) - 1} of {len(files)} files" in capsys.readouterr().out


@pytest.mark.mpi
@pytest.mark.parametrize("size", [1, 3])
def test_ranks_share_the_files_and_agree_on_the_exit_code(finished, size):
    config_file, files = finished
    command = [processes.find_mpiexec(), "-n", str(size), sys.executable, "-m", "mpi4py"]
    command += ["-m", "jobs.verify", config_file]
    sound = subprocess.run(command, capture_output=True, text=True)
    assert (sound.returncode, sound.stdout) == (0, f"{len(files)} files, 0 faults\n"), sound.stderr
    for file in files[5:9]:
        flip_bit(file.path)
    faulty = subprocess.run(command, capture_output=True, text=True)
    assert faulty.returncode == 1
    assert faulty.stdout.count("is damaged") == 4
    assert faulty.stdout.endswith(f"{len(files)} files, 4 faults\n")
