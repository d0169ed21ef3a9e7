import dataclasses
import errno
import hashlib
import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from edited_files import edited
from made_up_run import finish_run
from markupsafe import Markup

from jobs import report, verify
from tumorcam.report import figures, page, tables
from tumorcam.report.classifier import summarise_classifier
from tumorcam.report.faithfulness import read_checks, summarise_checks
from tumorcam.report.results import read_run
from tumorcam.report.summary import summarise_ranking
from tumorcam.settings.config import config_toml
from tumorcam.storage import manifest
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

VOID = {"meta", "input", "br", "link", "img", "hr"}
NASTY = ['"quoted"', "$x_1$", "+G", "-G", "<script>alert(1)</script>", "=SUM(A1)", "@G"]


class Checker(HTMLParser):
    """Collects tags, links and IDs; fails where a tag is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.ids, self.scripts = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[k] for k in ("href", "src", "xlink:href") if k in values]
        self.ids += [values["id"]] if "id" in values else []
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def contents(config):
    """The bytes of each file of the report."""
    folder = config.folder / "report"
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert not checker.open
    return checker


def run_job(config, *extra):
    path = config.folder / "config.toml"
    path.write_text(config_toml(config), encoding="utf-8")
    return report.main([str(path), *extra])


def page_of(config):
    """The page without its drawings, whose making takes most of the time."""
    run = read_run(config)
    record = read_checks(run)
    names = [Path(name).stem for name in page.report_files(run) if name.endswith(".svg")]
    html = page.render_page(
        run,
        sorted(
            (summarise_ranking(run, ranking) for ranking in run.results.rankings()),
            key=lambda ranking: ranking.key != run.first_ranking,
        ),
        summarise_classifier(run),
        summarise_checks(record, run) if record else None,
        [page.PageFigure(name, name, Markup("<svg></svg>")) for name in names],
    )
    check(html)
    return html


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


@pytest.fixture
def nasty_cohort(tiny_cohort):
    """The tiny cohort with names that a page, a spreadsheet or a file system may trip over."""
    genes = np.array([*NASTY, *tiny_cohort.genes[len(NASTY) :]])
    assert sorted(genes) == list(genes)
    names = {"BRCA": "GBM/LGG", "READ": "../x"}
    samples = tiny_cohort.samples.assign(tumor=tiny_cohort.samples["tumor"].replace(names))
    return tiny_cohort._replace(genes=genes, samples=samples)


def test_the_page_tells_the_share_through_the_convolutions_where_there_is_a_skip(tiny_run):
    model = dataclasses.replace(tiny_run.model, skip="linear", image="row")
    html = page_of(finish_run(dataclasses.replace(tiny_run, model=model)))
    assert "The convolutions account for 25 % of the logits" in html
    assert "and Grad-CAM maps show the smaller part of it." in html
    assert "as one row" in html


def test_the_page_of_the_default_network_tells_no_share(config):
    html = page_of(config)
    assert "Through the convolutions" not in html and "as one row" not in html


def test_the_job_writes_every_file_that_it_announces(config, capsys):
    assert run_job(config, "--dry-run") == 0
    folder = config.folder / "report"
    lines = capsys.readouterr().out.splitlines()
    announced = [line.strip() for line in lines if line.startswith("  ")]
    assert not folder.exists()
    assert run_job(config) == 0
    written = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert written == set(announced) == set(page.report_files(read_run(config)))
    assert {"index.html", "BRCA.rnk", "figures/confusion.svg", "figures/example.png"} <= written


def test_the_page_is_well_formed_and_asks_for_nothing_from_elsewhere(config):
    run_job(config)
    html = (config.folder / "report" / "index.html").read_text()
    checker = check(html)
    links = [link for link in checker.links if not link.startswith("data:image/png;base64,")]
    assert not [link for link in links if re.match(r"[a-z]+:|//", link)]
    assert "url(http" not in html
    assert "@import" not in html
    folder = config.folder / "report"
    for link in links:
        if link.startswith(("#gene/", "#tumor/")):
            assert f'"{link.split("/")[1]}"' in html  # a name in the data of the page
        elif link.startswith("#"):
            assert link[1:] in checker.ids
        else:
            assert (folder / link).exists()


def test_the_page_says_what_a_reader_asks(config):
    html = page_of(config)
    for words in (
        "Gradient × input, contrast",
        "4 networks (2 replicates × 2 folds) learned to tell 4 tumor types apart",
        "Accuracy, COAD<br>and READ merged",
        "Logistic regression",
        "Precision@20",
        "The order of genes in own views of guided methods largely repeats the input",
        "Every tumor comes from two sources or more.",
        "8 × 8 × 4",
        "min_patients = 5",
        "models/r01-f01/model.h5",
    ):
        assert words in html


def test_the_page_says_how_many_pairs_each_ranking_calls(config):
    with edited(config.folder / "significance.h5") as file:
        attributes = file["gradient_x_input/contrast"].attrs
        for name, value in (("n_called", 1234), ("called_low", 1000.0), ("called_high", 1400.0)):
            attributes[name] = value
    html = page_of(config)
    assert "1,234 (tumor, gene) pairs are called at q_decoy ≤ 0.05" in html
    assert '<td class="n">1,234<br><span class="muted">1,000–1,400</span></td>' in html
    assert '<th class="n">Called</th>' in html


def test_only_a_page_that_calls_nothing_says_what_to_do(config):
    assert "<strong>Nothing is called.</strong>" in page_of(config)
    with edited(config.folder / "significance.h5") as file:
        file["gradient_x_input/contrast"].attrs["n_called"] = 20
    assert "Nothing is called" not in page_of(config)


def test_equal_runs_give_equal_bytes(config):
    folder = config.folder / "report"

    def digests():
        run_job(config)
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert digests() == digests()


class TestNastyNames:
    @pytest.fixture
    def tiny_cohort(self, nasty_cohort):
        return nasty_cohort

    def test_are_text_everywhere(self, config):
        assert run_job(config) == 0
        folder = config.folder / "report"
        html = (folder / "index.html").read_text()
        assert check(html).scripts == 5  # data, two libraries, tables, panels
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert {path.name for path in folder.glob("*.rnk")} == {
            "ACC.rnk", "COAD.rnk", "GBM_LGG.rnk", "x.rnk"
        }  # fmt: skip
        genes = pd.read_csv(folder / "genes.csv")["gene"]
        assert set(genes.unique()) >= {"'=SUM(A1)", "'-G", "'@G", "'+G", '"quoted"'}


def test_no_learned_gene_and_too_few_decoys_are_said_plainly(config):
    with edited(config.folder / "significance.h5") as file:
        group = file["gradient_x_input/contrast"]
        group["evidence"][...] = np.full((4, 36), b"none")
        group.attrs["too_few_decoys"], group.attrs["n_called"] = True, 0
        file["classification/recall"][1] = 0.2
    html = page_of(config)
    assert "No (tumor, gene) pair is called at q_decoy ≤ 0.05" in html
    assert "Too few decoys:" in html and "Place more decoys with" in html
    assert "with this score or more" in html and "knockoff+" not in html
    assert "Too often missed to be explained:</strong> BRCA" in html


def test_a_partial_run_says_so_in_every_output(tiny_run):
    config = finish_run(tiny_run, missing=["r00-f00-b0000", "r01-f01-b0001"])
    assert run_job(config) == 0
    folder = config.folder / "report"
    html = (folder / "index.html").read_text()
    assert "Partial:" in html and "2 shards were missing (such as r00-f00-b0000)" in html
    assert "2 of 2 replicates and 48 of 48 samples." in html
    assert "partial: 2 shards were missing" in (folder / "figures" / "genes.svg").read_text()
    for name in ("genes.csv", "decoys.csv"):
        assert pd.read_csv(folder / name)["partial"].all()
    assert pd.read_parquet(folder / "genes.parquet")["partial"].all()
    assert (folder / "BRCA.rnk").read_text().startswith("# partial: 2 shards were missing\n")
    assert bool(anndata.read_h5ad(folder / "ranking.h5ad").uns["partial"])


@pytest.mark.parametrize(
    ("prefix", "replicates", "parts"),
    [
        ("r00-", 1, "1 replicate × 2 folds"),
        ("r01-", 1, "1 replicate × 2 folds"),
        (("r00-f00", "r01-f00"), 2, "2 replicates × 1 fold"),
    ],
)
def test_without_a_replicate_or_a_fold_the_page_has_numbers(tiny_run, prefix, replicates, parts):
    names = [key.name for key in read_plan(RunFolder.of(tiny_run).plan).shards]
    config = finish_run(tiny_run, missing=[name for name in names if name.startswith(prefix)])
    run = read_run(config)
    n = summarise_classifier(run).scores.n.sum()
    assert (n == 48) == (replicates == 1)
    html = page_of(config)
    assert f"{replicates} of 2 replicates and {n} of 48 samples." in html
    assert f"2 of 4 networks ({parts}) learned" in html
    section = html[html.index('<section id="classifier">') : html.index("<h3>By tumor</h3>")]
    assert "nan" not in section and '<td class="n">–</td>' not in section
    assert 'id="figure-example"' in html


def test_a_run_without_example_truth_or_drops(tiny_run):
    explain = dataclasses.replace(tiny_run.explain, cubes=())
    html = page_of(finish_run(dataclasses.replace(tiny_run, explain=explain), with_truth=False))
    assert "No example:" in html
    assert 'href="#truth"' not in html


def test_an_unfinished_run_is_one_message_and_exit_code_1(tiny_run, capsys):
    assert run_job(tiny_run) == 1
    error = capsys.readouterr().err
    assert "significance.h5 does not exist; run `tumorcam reduce`" in error
    assert "Traceback" not in error
    assert not (tiny_run.folder / "report").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (page.fixed(-1234.567), "−1,234.57"),
        (page.fixed(float("nan")), "–"),
        (page.small(0.0234), "0.023"),
        (page.small(5.4e-10), "5e−10"),
        (page.small(0.0), "0.000"),
        (page.small(float("nan")), "–"),
        (page.percent(0.9665), "96.7 %"),
        (page.percent(float("nan")), "–"),
        (page.count(12345.0), "12,345"),
    ],
)
def test_numbers_are_written_as_readers_expect(text, expected):
    assert text == expected


class TestADecoyForEveryGene:
    @pytest.fixture
    def tiny_config(self, tiny_config):
        layout = dataclasses.replace(tiny_config.layout, decoys="all")
        return dataclasses.replace(tiny_config, layout=layout)

    def test_makes_knockoffs_of_which_no_more_can_be_had(self, config):
        with edited(config.folder / "significance.h5") as file:
            file["gradient_x_input/contrast"].attrs["too_few_decoys"] = True
        html = page_of(config)
        assert "Pairs called at a q_decoy" in html
        assert "Too few pairs:" in html and "Place more decoys with" not in html
        assert "with this score or more" not in html and "knockoff+" in html
        first = next(read_run(config).results.rankings())
        assert np.isfinite(first.margin).all()


class TestOneLayoutWithoutDecoys:
    @pytest.fixture
    def tiny_config(self, tiny_config):
        layout = dataclasses.replace(tiny_config.layout, decoys="none", replicates=1)
        return dataclasses.replace(tiny_config, layout=layout)

    def test_says_that_the_rate_is_unknown(self, config):
        assert run_job(config) == 0
        folder = config.folder / "report"
        html = (folder / "index.html").read_text(encoding="utf-8")
        check(html)
        assert "Without decoys nobody can tell" in html
        assert "Pairs called at a q_decoy" not in html
        assert "Ensemble of 2" not in html and "over draws of the decoys: " not in html
        assert (folder / "decoys.csv").read_text().count("\n") == 1


def test_the_list_of_files_is_written_last(config):
    run_job(config)
    listed = config.folder / "report" / "files.json"
    names = set(page.report_files(read_run(config))) - {"files.json"}
    content = manifest.read_manifest(listed)
    assert set(content.files) == names
    assert content.made_from["significance.h5"] == read_run(config).results.digest
    assert content.made_from["faithfulness.h5"] == ""
    times = [(listed.parent / name).stat().st_mtime_ns for name in names]
    assert listed.stat().st_mtime_ns >= max(times)


@pytest.mark.parametrize(
    ("module", "step"),
    [(tables, "write_genes_parquet"), (figures, "svg_text"), (page, "render_page")],
)
def test_a_report_that_fails_half_way_leaves_the_earlier_one(config, monkeypatch, module, step):
    assert run_job(config) == 0
    before = contents(config)

    def fail(*arguments, **options):
        raise OSError(errno.EMFILE, "Too many open files", "plugin.py")

    monkeypatch.setattr(module, step, fail)
    assert run_job(config) == 1
    assert contents(config) == before


def test_verify_deletes_the_folder_that_a_killed_report_left(config, capsys):
    assert run_job(config) == 0
    tag = f"local-0-{socket.gethostname()}-4194304"  # a process of this number cannot be
    left = config.folder / f".report.{tag}.part"
    left.mkdir()
    (left / "index.html").write_text("half")
    (left / f".genes.csv.{tag}.part").write_text("half")
    verify.main([str(config.folder)])
    assert "killed processes left 2 files, 8 bytes" in capsys.readouterr().out
    verify.main([str(config.folder), "--delete"])
    assert f"deleted {left}, which a killed process left" in capsys.readouterr().out
    assert not left.exists()


def test_what_cannot_be_read_or_replaced_leaves_the_report_as_it_was(config, capsys):
    assert run_job(config) == 0
    folder, before = config.folder / "report", contents(config)
    figure = folder / "figures" / "genes.png"
    figure.rename(folder / "moved.png")
    figure.mkdir()
    assert run_job(config) == 1
    assert f"{figure} is a folder; wanted a regular file; move it away" in capsys.readouterr().err
    figure.rmdir()
    (folder / "moved.png").rename(figure)
    (config.folder / "faithfulness.h5").write_bytes(b"cut")
    assert run_job(config) == 1
    said = capsys.readouterr().err
    assert "faithfulness.h5 is damaged" in said and "run `tumorcam faithfulness`" in said
    assert contents(config) == before


def test_the_own_scripts_stay_short():
    scripts = [page.asset(name) for name in ("tables.js", "explorer.js")]
    lines = [line for script in scripts for line in script.splitlines() if line.strip()]
    assert len(lines) <= 300
