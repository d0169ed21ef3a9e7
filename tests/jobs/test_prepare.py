"""The prepare job, in process: what it writes, skips and refuses."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from jobs import prepare
from tumorcam.cohort.cohort import read_cohort
from tumorcam.settings.config import load_config
from tumorcam.storage import integrity
from tumorcam.storage.plan import read_plan


def test_it_writes_the_cohort_the_plan_and_the_config(tiny_run, tiny_cohort):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    np.testing.assert_array_equal(cohort.expression(), tiny_cohort.log2)
    assert cohort.sample.tolist() == tiny_cohort.samples["sample"].tolist()
    plan = read_plan(tiny_run.folder / "plan.json")
    assert (plan.n_samples, plan.n_genes, plan.n_decoys, plan.side) == (48, 36, 18, 8)
    assert plan.cohort_digest == cohort.digest
    assert len(plan.models) == 4
    covered = dict.fromkeys(range(2), 0)
    for shard in plan.shards:
        covered[shard.fold] += shard.stop - shard.start
    assert [covered[f] for f in range(2)] == [2 * n for n in np.bincount(cohort.fold)]
    assert load_config(tiny_run.folder / "config.toml") == tiny_run
    integrity.check_seal(cohort.path)


def test_the_log_has_a_summary(tiny_run):
    text = (tiny_run.folder / "logs" / "prepare-0.log").read_text()
    assert "48 samples of 4 tumors, 36 genes and 18 decoys" in text
    assert "0 drops" in text
    assert "warning" not in text


def test_a_whole_cohort_is_kept_and_the_plan_written_again(tiny_run, tiny_toml):
    path, plan = tiny_run.folder / "cohort.h5", tiny_run.folder / "plan.json"
    before, text = path.stat().st_mtime_ns, plan.read_text()
    plan.unlink()
    assert prepare.main([tiny_toml]) == 0
    assert path.stat().st_mtime_ns == before
    assert plan.read_text() == text
    assert prepare.main([tiny_toml, "--set", "explain.block=3"]) == 0
    assert path.stat().st_mtime_ns == before
    assert len(read_plan(plan).shards) == 4 * 8


def test_it_is_the_same_bytes_again(tiny_run, tiny_toml):
    path = tiny_run.folder / "cohort.h5"
    digest = integrity.file_digest(path)
    path.unlink()
    assert prepare.main([tiny_toml]) == 0
    assert integrity.file_digest(path) == digest


def test_changed_input_is_prepared_anew(tiny_run, tiny_toml, tiny_files):
    expression, _ = tiny_files
    expression.write_text(expression.read_text().replace("GENE00", "NEW00"))
    assert prepare.main([tiny_toml]) == 0
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    assert cohort.genes[-1] == "NEW00"


def test_a_cohort_is_not_taken_from_its_models(tiny_run, tiny_toml, tiny_files, capsys):
    """Neither other settings nor other input may replace what models were trained with."""
    model = tiny_run.folder / "models" / "r00-f00" / "model.h5"
    model.parent.mkdir(parents=True)
    model.write_text("a model")
    before = (tiny_run.folder / "cohort.h5").read_bytes()
    assert prepare.main([tiny_toml, "--set", "cohort.genes=25"]) == 1
    said = capsys.readouterr().err
    assert "cohort.genes: 0 -> 25" in said and "tumorcam clean CONFIG --from prepare" in said
    expression, _ = tiny_files
    expression.write_text(expression.read_text().replace("GENE00", "NEW00"))
    assert prepare.main([tiny_toml]) == 1
    assert "the input files have changed" in capsys.readouterr().err
    assert (tiny_run.folder / "cohort.h5").read_bytes() == before


def test_a_half_written_cohort_is_made_anew(tiny_run, tiny_toml):
    path = tiny_run.folder / "cohort.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert prepare.main([tiny_toml]) == 0
    assert path.read_bytes() == whole


def test_a_dry_run_tells_the_sizes_and_writes_nothing(tiny_config, tiny_toml, capsys):
    assert prepare.main([tiny_toml, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "48 samples, 36 genes and 18 decoys on images of side 8, 4 models, 12 shards" in told
    assert "in all" in told and "arithmetic" in told
    assert max(map(len, told.splitlines()[-10:])) <= 100
    assert prepare.main([tiny_toml, "--dry-run", "--null", "2"]) == 0
    assert "12 models, 36 shards" in capsys.readouterr().out, "with null runs"
    assert not tiny_config.folder.exists()


def test_what_is_dropped_is_in_the_file_and_in_the_log(tiny_config, tiny_toml, tiny_files):
    expression, _ = tiny_files
    header, first, *rest = expression.read_text().splitlines()
    spoilt = first.rpartition("\t")[0] + "\tNA"
    expression.write_text("\n".join([header, spoilt, *rest, rest[-1]]) + "\n")
    arguments = ["--set", "cohort.bad_values=drop_genes", "--set", "cohort.duplicates=drop"]
    assert prepare.main([tiny_toml, *arguments]) == 0
    config = load_config(Path(tiny_toml), arguments[1::2])
    dropped = read_cohort(tiny_config.folder / "cohort.h5", config).dropped
    reasons = dropped.set_index("name")["reason"]
    assert sorted(reasons.index) == ["GENE00", "GENE35"]
    assert reasons["GENE00"].startswith("1 of 48 values are bad: is nan in sample TCGA-AA-")
    assert "repeated" in reasons["GENE35"]
    text = (tiny_config.folder / "logs" / "prepare-0.log").read_text()
    assert "dropped 2 genes, listed in cohort.h5" in text


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


def cut_line(path: Path, number: int, cells: int) -> None:
    lines = path.read_text().splitlines()
    lines[number] = "\t".join(lines[number].split("\t")[:cells])
    path.write_text("\n".join(lines) + "\n")


def truncated_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes())[:-9])


BAD_FILES = {
    "no expression": (
        lambda e, s: e.unlink(),
        "expression.tsv': no file or folder has this path; set input.expression to",
    ),
    "no samples": (lambda e, s: s.unlink(), "samples.tsv is no file"),
    "empty expression": (lambda e, s: e.write_text(""), "expression.tsv is empty"),
    "empty samples": (lambda e, s: s.write_text(""), "samples.tsv is empty"),
    "truncated": (lambda e, s: truncated_gzip(e), "is damaged: its packed stream is cut off"),
    "short row": (lambda e, s: cut_line(e, 7, 40), "line 8 has 40 cells; wanted 49"),
    "word": (
        lambda e, s: edit(e, "GENE07\t", "GENE07\tx"),
        "line 9, column 2 ('TCGA-AA-0004-01A'): 'x",
    ),
    "missing value": (
        lambda e, s: edit(e, "GENE00\t", "GENE00\t-"),
        "bad values: 1 negative values in 1 genes and 1 samples; gene GENE00 has 2% of its",
    ),
    "repeated gene": (lambda e, s: edit(e, "GENE01", "GENE00"), "repeated genes: 1, GENE00"),
    "repeated sample": (
        lambda e, s: edit(e, "TCGA-AA-0004-01B", "TCGA-AA-0004-01A"),
        "repeated samples: 1, TCGA-AA-0004-01A",
    ),
    "stranger": (
        lambda e, s: edit(e, "TCGA-AA-0004-01B", "TCGA-ZZ-0004-01A"),
        "TCGA-ZZ-0004-01A (not in the samples table); add them to the table, or set",
    ),
    "no tumor": (lambda e, s: edit(s, "\tCOAD\t", "\t\t"), "samples without tumor type: 1, TCGA"),
    "rare tumor": (lambda e, s: edit(s, "\tCOAD\t", "\tRARE\t"), "tumor RARE has 1 patients"),
    "other samples": (
        lambda e, s: s.write_text(s.read_text().replace("TCGA", "GTEX")),
        "add a column with the IDs as the matrix has them",
    ),
    "no tumor column": (
        lambda e, s: s.write_text(re.sub(r"\t(tumor|ACC|BRCA|COAD|READ)\t", "\t", s.read_text())),
        "set input.tumor_column to the one to classify by",
    ),
    "contradicting types": (
        lambda e, s: s.write_text(s.read_text().replace("\t01\t", "\t11\t")),
        "differ (barcode 01, column 11); set input.sample_type_column = ",
    ),
    "normals": (
        lambda e, s: [
            path.write_text(
                re.sub("-01(?=[AB])", "-11", path.read_text()).replace("\t01\t", "\t11\t")
            )
            for path in (e, s)
        ],
        "all are normal: set cohort.sample_types = []",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_one_clear_message(tiny_config, tiny_files, tiny_toml, capsys, name):
    spoil, message = BAD_FILES[name]
    spoil(*tiny_files)
    assert prepare.main([tiny_toml]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not (tiny_config.folder / "cohort.h5").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("input.expression=", "no synthesized cohort; set input.expression and input.samples"),
        ("input.samples=", "expression.tsv does not say which tumor type its samples have; set"),
        (
            "input.gene_column=symbol",
            "no gene column 'symbol'; its columns beside the samples are 'gene'",
        ),
        ("input.tumor_column=grade", "no column 'grade' as input.tumor_column says"),
        ("input.format=h5ad", "expression.tsv cannot be read as .h5ad"),
        ("cohort.genes=37", "36 usable genes, 36 of which vary; wanted 37"),
        ('cohort.tumors=["LAML"]', "names LAML, which no sample has"),
        ('cohort.tumors=["ACC"]', "wanted at least 2 tumors"),
        ('cohort.sources=["north"]', "there are: east, west"),
        ("splits.folds=13", "patients do not fill splits.folds = 13: 48, TCGA"),
        ('layout.decoy_genes=["TP53"]', "(first: TP53)"),
        ("layout.decoys=most", "wanted all, none or a share"),
    ],
)
def test_bad_settings_are_one_clear_message(tiny_toml, capsys, override, message):
    assert prepare.main([tiny_toml, "--set", override]) == 1
    assert message in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        prepare.main(["--help"])
    assert stopped.value.code == 0
    assert "tumorcam prepare configs/demo.toml --dry-run" in capsys.readouterr().out


def test_the_plan_is_json(tiny_run):
    assert (
        json.loads((tiny_run.folder / "plan.json").read_text())["encoding-type"] == "tumorcam-plan"
    )
