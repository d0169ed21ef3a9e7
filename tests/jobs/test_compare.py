import dataclasses

import pytest
from compared_runs import loosened, second_run
from conftest import write_toml
from made_up_run import finish_run

from jobs import compare


@pytest.fixture
def runs(tiny_run, tmp_path):
    """Run folders of A and B."""
    config = finish_run(loosened(tiny_run))
    write_toml(config, config.folder / "config.toml")
    other = second_run(tmp_path / "b")
    return str(config.folder), str(other.folder)


def test_two_runs_are_compared_in_the_folder_of_b(runs, tmp_path, capsys):
    assert compare.main([*runs, "--dry-run"]) == 0
    folder = tmp_path / "b" / "run" / "compare" / "tiny"
    assert f"would write {folder}" in capsys.readouterr().out and not folder.exists()
    assert compare.main([*runs]) == 0
    output = capsys.readouterr().out
    assert f"wrote {folder / 'index.html'}" in output and "learned in both" in output
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert compare.main([*runs]) == 0  # the same comparison may be written again
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_another_ranking_has_a_folder_of_its_own(runs, tmp_path, capsys):
    assert compare.main([*runs, "--view", "own"]) == 0
    (folder,) = (tmp_path / "b" / "run" / "compare").iterdir()
    assert folder.name.startswith("tiny-") and folder.name.endswith("-own")
    assert compare.main([*runs, "--out", str(folder)]) == 1
    assert "differs in ranking" in capsys.readouterr().err


def test_a_folder_of_the_user_is_not_touched(runs, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    assert compare.main([*runs, "--out", str(tmp_path / "mine")]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["index.html"]


def test_a_config_may_be_given_in_place_of_a_folder(runs, tiny_run, tmp_path, capsys):
    toml = write_toml(loosened(tiny_run), tmp_path / "a.toml")
    assert compare.main([toml, runs[1], "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "index.html").exists()


def test_faults_are_one_message(runs, tmp_path, capsys):
    assert compare.main([runs[0], runs[0]]) == 1
    assert "A and B are the same run" in capsys.readouterr().err
    assert compare.main([runs[0], str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err
    (tmp_path / "b" / "run" / "significance.h5").unlink()
    assert compare.main([*runs]) == 1
    error = capsys.readouterr().err
    assert "tumorcam reduce" in error and "this is run B" in error and "Traceback" not in error


def test_new_samples_are_no_run_to_compare(runs, tiny_run, tmp_path, capsys):
    own = dataclasses.replace(tiny_run.run, folder=str(tmp_path / "applied"))
    settings = dataclasses.replace(tiny_run.apply, run="../..")
    applied = dataclasses.replace(loosened(tiny_run), apply=settings, run=own)
    toml = write_toml(applied, tmp_path / "applied.toml")
    assert compare.main([runs[0], toml]) == 1
    assert "(run B) has new samples" in capsys.readouterr().err
    assert compare.main([toml, runs[0]]) == 1
    assert "(run A) has new samples" in capsys.readouterr().err
