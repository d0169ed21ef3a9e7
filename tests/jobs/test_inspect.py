"""The inspect command: what it says of someone's files, and that it writes nothing."""

import pandas as pd
import pytest

from jobs import inspect


def test_it_says_what_is_understood_and_what_a_run_would_be(tiny_files, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    words = ["--set", "splits.folds=2", "--set", f"run.folder={tmp_path / 'run'}"]
    assert inspect.main([*map(str, tiny_files), *words]) == 0
    said = capsys.readouterr().out
    expression, samples = tiny_files
    assert f"expression: {expression}\nsamples: {samples}\n" in said
    for topic in ("format:", "orientation:", "tumor column:", 'input.scale = "log2"'):
        assert topic in said
    assert "48 samples, 36 genes and" in said
    assert sorted(tmp_path.iterdir()) == before, "nothing is written"


def test_the_order_of_the_files_does_not_matter(tiny_files, capsys):
    said = []
    for files in (tiny_files, tiny_files[::-1]):
        inspect.main([*map(str, files)])
        said.append(capsys.readouterr().out.split("\n")[:2])
    assert said[0] == said[1]


def test_a_samples_table_may_be_named(tiny_files, capsys):
    assert inspect.main([str(tiny_files[0]), "--samples", str(tiny_files[1])]) == 0
    assert f"samples: {tiny_files[1]}" in capsys.readouterr().out


def test_what_prepare_would_refuse_is_said_after_the_facts(tiny_files, capsys):
    table = pd.read_csv(tiny_files[1], sep="\t", dtype=str)
    table = table[table["patient"] != table["patient"].iloc[0]]
    table.to_csv(tiny_files[1], sep="\t", index=False)
    assert inspect.main([*map(str, tiny_files)]) == 1
    said = capsys.readouterr().out
    assert "prepare would stop: samples of the matrix that the samples table lacks: 2" in said
    assert said.index("orientation:") < said.index("prepare would stop")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.tsv"], "absent.tsv': no file or folder has this path"),
        (["MATRIX"], "set input.samples to a table"),
        (["MATRIX", "SAMPLES", "--set", "input.scale=squared"], "input.scale = 'squared'"),
        (["MATRIX", "SAMPLES", "--set", "input.scal=log2"], "input.scal"),
        (["MATRIX", "--samples", "absent.tsv"], "absent.tsv is no file"),
    ],
)
def test_what_cannot_be_read_is_one_message(tiny_files, capsys, words, message):
    names = {"MATRIX": str(tiny_files[0]), "SAMPLES": str(tiny_files[1])}
    assert inspect.main([names.get(word, word) for word in words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error
