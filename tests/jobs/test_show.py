import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import write_toml
from made_up_run import finish_run
from written_tables import check_file, columns_of_file

from jobs import show
from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain import views
from tumorcam.explain.explain import explain_shards
from tumorcam.explain.sample import ask, explain_sample, held_out_models, picks_table
from tumorcam.explain.shards import read_predictions
from tumorcam.explain.views import RankingKey
from tumorcam.report.dictionary import ANSWER_TABLES
from tumorcam.settings import METHODS
from tumorcam.settings.config import load_config
from tumorcam.significance.tables import read_significance
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n"


@pytest.fixture
def toml(trained_copy, tmp_path):
    return write_toml(trained_copy, tmp_path / "copy.toml")


def read(config):
    return read_cohort(config.folder / "cohort.h5", config)


def test_one_sample_becomes_a_table_and_two_pictures(trained_copy, toml, tmp_path, capsys):
    sample = read(trained_copy).sample[7]
    csv = tmp_path / "picks.csv"
    words = ["--sample", sample.lower(), "--target", "coad", "--cutoff", "0.2", "--csv", str(csv)]
    assert show.main([toml, *words]) == 0
    said = capsys.readouterr().out
    for word in (f"{sample} (", "Guided Grad-CAM for COAD", "of 36 genes", "of 18 decoys", "/2"):
        assert word in said
    picture = (
        trained_copy.folder / "report" / "show" / f"{sample}-COAD-guided_grad_cam-cutoff0.2-r00"
    )
    assert picture.with_name(f"{picture.name}.png").read_bytes().startswith(PNG)
    svg = picture.with_name(f"{picture.name}.svg").read_text(encoding="utf-8")
    named = [e.text for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    genes = [line.split()[0] for line in said.splitlines() if line.lstrip().startswith("GENE")]
    assert genes and all(any(gene in text for text in named) for gene in genes)
    check_file(csv, columns_of_file(ANSWER_TABLES, "show --sample"))
    table = pd.read_csv(csv)
    assert table["gene"].tolist() == genes
    assert set(table["sample"]) == {sample} and set(table["target"]) == {"COAD"}


@pytest.mark.parametrize("replicate", [0, 1])
def test_the_map_is_the_one_that_explain_wrote(toml, replicate):
    config = load_config(Path(toml))
    cohort = read(config)
    run = RunFolder.of(config)
    plan = read_plan(run.plan)
    shard = next(one for one in plan.shards if one.replicate == replicate and one.fold == 1)
    explain_shards(run, cohort, [shard], config, visible=False)
    path = run.shard(shard)
    predictions = read_predictions(path)
    with h5py.File(path) as file:
        samples, target = file["sample"].asstr()[...], file["target"][...]
        scale = file["guided_grad_cam/cube_scale"][...]
        cube = file["guided_grad_cam/cube"][...] * scale[:, np.newaxis, np.newaxis]
    for i in (0, len(samples) - 1):
        question = ask(cohort, samples[i], None, method="guided_grad_cam", cutoff=0.8)
        model = held_out_models(cohort, question.sample, replicate)[0]
        seen = explain_sample(RunFolder.of(config), cohort, config, question, model)
        assert (question.target, model) == (target[i], shard.model)
        np.testing.assert_allclose(seen.saliency, cube[i], rtol=2e-3, atol=1e-4 * cube[i].max())
        np.testing.assert_allclose(
            seen.probability, predictions.probability[i], rtol=1e-4, atol=1e-6
        )
        assert np.array_equal(seen.expression[:36], cohort.expression()[question.sample])


def test_decoys_carry_the_value_of_their_gene(toml):
    config = load_config(Path(toml))
    cohort = read(config)
    question = ask(cohort, cohort.sample[0], None, method="gradient_x_input", cutoff=1e-9)
    model = held_out_models(cohort, 0, 0)[0]
    seen = explain_sample(RunFolder.of(config), cohort, config, question, model)
    table = picks_table([seen], cohort.genes, cutoff=1e-9)
    assert table["decoy"].any()
    values = table.groupby("gene")[["expression", "standardised"]]
    assert (values.nunique() == 1).all(axis=None)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_unit_and_can_be_shown(trained_copy, toml, method, capsys):
    cohort = read(trained_copy)
    RunFolder.of(trained_copy).model(held_out_models(cohort, 0, 0)[0]).unlink()  # one is enough
    words = ["--sample", cohort.sample[0], "--method", method, "--replicate", "1"]
    assert show.main([toml, *words]) == 0
    assert views.UNITS[method] in capsys.readouterr().out


def test_models_not_trained_yet_are_left_out_but_not_the_one_shown(trained_copy, toml, capsys):
    cohort = read(trained_copy)
    second = held_out_models(cohort, 3, 1)[0]
    RunFolder.of(trained_copy).model(second).unlink()
    assert show.main([toml, "--sample", cohort.sample[3]]) == 0
    assert "1/1" in capsys.readouterr().out
    assert show.main([toml, "--sample", cohort.sample[3], "--replicate", "1"]) == 1
    assert "run `tumorcam train`" in capsys.readouterr().err


def test_a_dry_run_needs_no_model_and_writes_nothing(tiny_run, tiny_toml, capsys):
    sample = read(tiny_run).sample[0]
    assert show.main([tiny_toml, "--sample", sample, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert sample in said and "r00-f0" in said and ".png" in said
    assert not (tiny_run.folder / "report").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--sample", "TCGA-AA-00"], "'TCGA-AA-00' fits 48 samples"),
        (["--sample", "TCGA-AB-0011-01A"], "did you mean TCGA-AA-0011-01A"),
        (["--view", "own"], "--view goes with --gene or --tumor, not with --sample"),
        (["--top", "3"], "--top goes with --tumor, not with --sample"),
        (["--target", "KICH"], "ACC, BRCA, COAD, READ"),
        (["--cutoff", "0"], "above 0 and at most 1"),
        (["--replicate", "2"], "0 to 1"),
        (["--replicate", "-1"], "0 to 1"),
    ],
)
def test_wrong_questions_end_with_one_message(tiny_run, tiny_toml, words, wanted, capsys):
    assert show.main([tiny_toml, "--sample", read(tiny_run).sample[0], *words]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and wanted in last


@pytest.fixture
def finished(tiny_run, tmp_path):
    """The config file of a finished run whose threshold is one that its few decoys allow."""
    config = replace(tiny_run, significance=replace(tiny_run.significance, q_decoy=0.3))
    finish_run(config)
    return write_toml(config, tmp_path / "finished.toml")


def test_a_gene_and_a_tumor_need_no_tensorflow(finished):
    for words in (["--gene", "gene04"], ["--tumor", "brca"]):
        program = (
            "import sys\nfrom jobs import show\n"
            f"assert show.main({[finished, *words]!r}) == 0\n"
            "assert not {'tensorflow', 'keras'} & set(sys.modules)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT
        )
        assert ended.returncode == 0, ended.stderr
        assert "GENE04" in ended.stdout and "BRCA" in ended.stdout


def test_who_reads_the_first_lines_alone_gets_no_error(finished):
    """As with `| head`; the rest is longer than Python's buffer of standard output."""
    program = (
        "import sys\nfrom jobs import show\nfrom tumorcam.report import answers\n"
        "answers.answer = lambda *_: answers.plan('x' * 100_000)\n"
        f"sys.exit(show.main({[finished, '--gene', 'GENE04']!r}))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    child.stdout.close()
    assert (child.stderr.read(), child.wait(60)) == (b"", 1)
    child.stderr.close()


def test_method_and_view_choose_the_ranking(finished, capsys):
    assert show.main([finished, "--gene", "GENE04"]) == 0
    assert "learned in 1 of 4 tumors (Gradient × input, contrast)" in capsys.readouterr().out
    words = ["--gene", "GENE04", "--method", "guided_backprop", "--view", "own"]
    assert show.main([finished, *words]) == 0
    assert "tumors (Guided backpropagation, own)" in capsys.readouterr().out
    shown_first = ["--set", "report.method=guided_grad_cam", "--set", "report.view=own"]
    assert show.main([finished, "--tumor", "BRCA", *shown_first]) == 0
    assert "genes by evidence (Guided Grad-CAM, own)" in capsys.readouterr().out


def test_the_printed_table_is_written_with_all_digits(finished, tmp_path, capsys):
    path = tmp_path / "brca.csv"
    words = [finished, "--tumor", "BRCA", "--top", "5", "--csv", str(path)]
    assert show.main(words) == 0
    printed = capsys.readouterr().out
    check_file(path, columns_of_file(ANSWER_TABLES, "show --tumor"))
    table = pd.read_csv(path, float_precision="round_trip")
    assert len(table) == 5 and all(gene in printed for gene in table["gene"])
    assert f"wrote {path}" in printed
    config = load_config(Path(finished))
    results = read_significance(RunFolder.of(config).significance, read(config).digest)
    score = results.ranking(RankingKey("gradient_x_input", "contrast")).score[1]
    assert table["score"].tolist() == sorted(score, reverse=True)[:5]
    assert show.main(words) == 1
    last = capsys.readouterr()
    assert "is there already" in last.err and last.out == ""


def test_a_dry_run_of_a_gene_or_tumor_needs_no_tables(tiny_run, tiny_toml, tmp_path, capsys):
    path = tmp_path / "a.csv"
    assert show.main([tiny_toml, "--gene", "gene04", "--dry-run", "--csv", str(path)]) == 0
    text = "would print GENE04 in every tumor by Gradient × input, contrast, from "
    printed = capsys.readouterr().out
    assert text in printed and f"would write {path}" in printed and not path.exists()
    assert show.main([tiny_toml, "--tumor", "acc", "--top", "7", "--dry-run"]) == 0
    assert "would print the first 7 genes of ACC by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gene", "GENE99"], "no gene 'GENE99' among its 36; did you mean GENE"),
        (["--tumor", "KICH"], "it has ACC, BRCA, COAD, READ"),
        (["--tumor", "ACC", "--top", "0"], "--top is 0; wanted 1 gene or more"),
        (["--gene", "GENE04", "--top", "5"], "--top goes with --tumor, not with --gene"),
        (["--tumor", "ACC", "--cutoff", "0.5"], "--cutoff goes with --sample, not with --tumor"),
        (["--gene", "GENE04", "--method", "smooth_grad"], "smooth_grad/contrast was not computed"),
        (["--gene", "GENE04"], "significance.h5 does not exist; run `tumorcam reduce`"),
        (["--tumor", "ACC"], "significance.h5 does not exist; run `tumorcam reduce`"),
    ],
)
def test_other_questions_end_with_one_message(tiny_run, tiny_toml, words, message, capsys):
    assert show.main([tiny_toml, *words]) == 1
    ended = capsys.readouterr()
    assert message in ended.err.splitlines()[-1] and ended.out == ""


@pytest.mark.parametrize("words", [[], ["--gene", "A", "--tumor", "B"], ["--gene"]])
def test_exactly_one_question_is_asked(tiny_toml, words):
    with pytest.raises(SystemExit) as ended:
        show.main([tiny_toml, *words])
    assert ended.value.code == 2


def test_no_picture_replaces_another_one(trained_copy, toml, capsys):
    """A second question has files of its own; the same one has the same files."""
    sample = str(read(trained_copy).sample[7])
    folder = trained_copy.folder / "report" / "show"

    def pictures(*words):
        assert show.main([toml, "--sample", sample, *words]) == 0
        text = capsys.readouterr().out
        return text, {path.name: path.read_bytes() for path in folder.iterdir()}

    text, first = pictures()
    assert len(first) == 2 and f"see {folder}/{sample}-" in text
    for words in (
        ["--target", "coad"],
        ["--cutoff", "0.3"],
        ["--method", "gradient_x_input"],
        ["--replicate", "1"],
    ):
        _, later = pictures(*words)
        assert first.items() <= later.items() and len(later) == len(first) + 2
        first = later
    assert pictures("--target", "COAD")[1] == first
    name = next(name for name in first if "-COAD-" in name and name.endswith(".svg"))
    (folder / name).write_text("<svg>of another model</svg>", encoding="utf-8")
    text, later = pictures("--target", "coad")
    assert (folder / name).read_text(encoding="utf-8") == "<svg>of another model</svg>"
    assert later[name.replace(".svg", "-2.svg")] == first[name]
    assert f"{name[:-4]}-2.png and .svg ({name[:-4]} is there already" in text
    assert pictures("--target", "coad")[1] == later
