import dataclasses
import json

import pytest
from compared_runs import loosened, renamed, second_run, with_tumors, without_genes
from made_up_run import finish_run

from tumorcam.errors import ConfigError, FileError, MissingError
from tumorcam.report.comparison import compare_runs, settings_table
from tumorcam.storage.run_folder import RunFolder


@pytest.fixture
def config(tiny_run):
    return finish_run(loosened(tiny_run))


def test_two_seeds_share_all_but_the_numbers(config, tmp_path):
    result = compare_runs(config, second_run(tmp_path / "b"))
    assert result.tumors.names.tolist() == ["ACC", "BRCA", "COAD", "READ"]
    assert len(result.genes.names) == 36 and result.accuracy["common_samples"].tolist() == [48] * 3
    assert "run.seed" in result.settings["setting"].tolist()
    assert (result.agreement["learned_both"] > 0).all()  # the drivers are the same
    assert result.notes == []


def test_other_genes_are_named_with_the_reason(config, tmp_path):
    result = compare_runs(config, second_run(tmp_path / "b", change=lambda c: without_genes(c, 3)))
    assert len(result.genes.names) == 25  # on an image of 5 x 5 pixels
    assert not set(result.genes.names) & {"GENE00", "GENE01", "GENE02"}
    lost = result.learned[~result.learned["b_has_gene"]]
    assert {"GENE00", "GENE01", "GENE02"} <= set(lost["gene"])  # drivers of ACC
    assert lost["learned_in"].eq("A only").all()
    assert lost["absence"].str.startswith("B: ").all()


def test_other_tumors_are_named_and_left_out(config, tmp_path):
    def change(cohort):
        return with_tumors(cohort, {"READ": "SKCM"})

    result = compare_runs(config, second_run(tmp_path / "b", change=change))
    assert result.tumors.names.tolist() == ["ACC", "BRCA", "COAD"]
    assert set(result.learned["tumor"]) <= {"ACC", "BRCA", "COAD"}
    text = " ".join(result.notes)
    assert "Run A alone has the tumors READ." in text and "tumors SKCM." in text
    assert "different questions" in text and "12 samples have another tumor" in text
    assert result.accuracy["common_samples"].tolist() == [36] * 3


def test_a_run_is_not_compared_with_itself(config, tmp_path):
    (tmp_path / "link").symlink_to(config.folder)
    linked = dataclasses.replace(
        config, run=dataclasses.replace(config.run, folder=str(tmp_path / "link"))
    )
    for other in (config, linked):
        with pytest.raises(ConfigError, match="A and B are the same run"):
            compare_runs(config, other)


def test_an_unfinished_run_is_named(config, tmp_path):
    other = second_run(tmp_path / "b")
    RunFolder.of(other).significance.unlink()
    with pytest.raises(MissingError, match="tumorcam reduce") as error:
        compare_runs(config, other)
    assert error.value.__notes__ == ["`tumorcam compare` needs two finished runs; this is run B"]
    RunFolder.of(config).cohort.unlink()
    with pytest.raises(FileError) as error:
        compare_runs(config, other)
    assert "this is run A" in error.value.__notes__[0]


def test_runs_without_a_tumor_or_gene_in_common_are_refused(config, tmp_path):
    tumors = {name: f"{name}2" for name in ("ACC", "BRCA", "COAD", "READ")}
    other = second_run(tmp_path / "b", change=lambda cohort: with_tumors(cohort, tumors))
    with pytest.raises(ConfigError, match=r"no tumor in common by name: run A has ACC.*ACC2"):
        compare_runs(config, other)
    names = {f"GENE{i:02d}": f"X{i:02d}" for i in range(36)}
    other = second_run(tmp_path / "c", change=lambda cohort: renamed(cohort, names))
    with pytest.raises(ConfigError, match=r"no gene in common by name: run A has GENE00.*X00"):
        compare_runs(config, other)


def test_the_ranking_is_the_first_of_a_unless_asked(config, tmp_path):
    other = second_run(tmp_path / "b")
    assert compare_runs(config, other).key == (config.report.method, config.report.view)
    result = compare_runs(config, other, method="guided_grad_cam", view="own")
    assert result.key == ("guided_grad_cam", "own")
    with pytest.raises(ConfigError, match=r"smooth_grad/\w+ is not in both runs: run A has"):
        compare_runs(config, other, method="smooth_grad")


def test_settings_that_differ_are_listed_with_both_values():
    first = json.dumps({"run": {"seed": 1}, "layout": {"decoys": "0.5", "side": 3}})
    second = json.dumps({"run": {"seed": 2}, "layout": {"decoys": "0.5"}, "apply": {"x": [1]}})
    assert settings_table(first, second).to_numpy().tolist() == [
        ["apply.x", "–", "[1]"], ["layout.side", "3", "–"], ["run.seed", "1", "2"]
    ]  # fmt: skip
    assert settings_table(first, first).empty
