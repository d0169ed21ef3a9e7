"""The files of the report: tables, figures and one web page that needs nothing else."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import tomli_w
from markupsafe import Markup

from tumorcam.cluster.logs import logger
from tumorcam.cohort.cohort import Cohort
from tumorcam.faithfulness.results import Faithfulness
from tumorcam.report import (
    faithfulness_figures,
    figures,
    learned,
    network_figures,
    provenance,
    ranking_figures,
    tables,
)
from tumorcam.report.answer import BAD, FAIR, GOOD, UNCHECKED, answer
from tumorcam.report.classifier import ClassifierSummary, summarise_classifier
from tumorcam.report.definitions import DEFINITIONS
from tumorcam.report.faithfulness import (
    CONTROL_NAMES,
    Checks,
    read_checks,
    summarise_checks,
    with_doubts,
)
from tumorcam.report.figure_columns import FIGURE_COLUMNS
from tumorcam.report.figures import CaptionedFigure
from tumorcam.report.gene_names import read_aliases
from tumorcam.report.page_data import json_text, page_data
from tumorcam.report.provenance import Provenance
from tumorcam.report.ranking_h5ad import write_ranking_h5ad
from tumorcam.report.results import Run
from tumorcam.report.summary import RankingSummary, summarise_ranking
from tumorcam.settings.config import config_tables
from tumorcam.significance.tables import Ranking
from tumorcam.storage import chain, hdf5, integrity, manifest

TEMPLATES = Path(__file__).parent
FIGURE_KINDS = ("svg", "png", "csv")
MAX_DROPPED_NAMES = 20  # for each reason
N_FIRST = 8  # genes of each tumor in the table of learned genes
LEVEL_WORDS = {GOOD: "passed", FAIR: "doubts", BAD: "failed", UNCHECKED: "not checked"}
FILES = {
    "index.html": "this page",
    "learned.csv": "open this first: the learned genes of every tumor by the ranking shown first",
    "learned.xlsx": "the learned genes of every method and view, for Excel, with its columns",
    "learned.gmt": "a gene set a tumor of its learned genes, for GSEA, by the ranking shown first",
    "genes.csv": "every tumor, gene, method and view with all its numbers (6 significant digits)",
    "genes.parquet": "the same in one file, every bit",
    "decoys.csv": "every decoy and where it would rank among the genes",
    "ranking.h5ad": "AnnData, tumors × genes, for scanpy; every method and view as layers",
    manifest.FILE_NAME: "size and SHA-256 of every other file; `tumorcam verify` needs them",
}


@dataclass(frozen=True)
class PageFigure:
    """The name, the caption and the SVG element of a figure on the page."""

    name: str
    caption: str
    svg: Markup


def report_files(run: Run) -> list[str]:
    """Names of the files that `write_report` writes, relative to the folder of the report."""
    names = ["confusion", "learning"] + ["example"] * (run.example is not None)
    names += ranking_figures.figure_names(run)
    names += faithfulness_figures.figure_names(read_checks(run))
    described = tables.described_files(FILES, run.results)
    return [*described, *tables.rank_list_names(run.results), *figure_files(names)]


def figure_files(names: Sequence[str]) -> list[str]:
    """The files of some figures, relative to the folder of the report."""
    return [f"figures/{name}.{kind}" for name in names for kind in FIGURE_KINDS]


def write_report(run: Run) -> None:
    """Write all files of the report, or leave an earlier one as it was.

    Raises
    ------
    CohortError
        If two tumors would share a file name.
    FileError
        If a file that it reads is damaged, or something else than a file stands in place of one.
    """
    listed, record = run.folder.report / manifest.FILE_NAME, read_checks(run)
    for name in report_files(run):
        if (listed.parent / name).exists():
            integrity.require_regular(listed.parent / name)
    with hdf5.write_together(listed) as aside:
        n_bytes = _write_files(run, record, aside)
    logger.info("%s written, %.1f MB", run.folder.page, n_bytes / 1e6)


def _write_files(run: Run, record: Faithfulness | None, folder: Path) -> int:
    """Write all files of the report to a folder; the bytes of the page."""
    results = run.results
    first = results.ranking(run.first_ranking)
    _write_tables(run, first, folder)
    rankings = [summarise_ranking(run, ranking) for ranking in results.rankings()]
    rankings.sort(key=lambda ranking: ranking.key != run.first_ranking)
    classifier = summarise_classifier(run)
    page_figures = [
        write_figure(folder / "figures", figure, partial=results.missing_shards)
        for figure in itertools.chain(
            ranking_figures.ranking_figures(run, first, rankings),
            network_figures.network_figures(run, classifier),
            faithfulness_figures.check_figures(record, run) if record else (),
        )
    ]
    checks = summarise_checks(record, run) if record else None
    page = render_page(run, rankings, classifier, checks, page_figures)
    hdf5.write_text(folder / run.folder.page.name, page)
    made_from = {
        run.folder.significance.name: results.digest,
        run.folder.faithfulness.name: record.digest if record else "",
    } | chain.made_with(run.config, "report")
    names = [name for name in report_files(run) if name != manifest.FILE_NAME]
    manifest.write_manifest(folder / manifest.FILE_NAME, names, made_from)
    return len(page.encode())


def _write_tables(run: Run, first: Ranking, folder: Path) -> None:
    """Write the tables; `first` is the ranking that comes first on the page."""
    results, level = run.results, run.config.significance.q_decoy
    learned.write_learned_csv(folder / "learned.csv", results, first)
    learned.write_learned_workbook(folder / "learned.xlsx", run)
    learned.write_gene_sets(folder / "learned.gmt", results, first, level=level)
    tables.write_rank_lists(folder, results, first)
    tables.write_genes_csv(folder, results)
    tables.write_genes_parquet(folder / "genes.parquet", results)
    tables.write_decoys_csv(folder, results)
    write_ranking_h5ad(folder / "ranking.h5ad", results, run.first_ranking)
    logger.info("tables written")


def render_page(
    run: Run,
    rankings: list[RankingSummary],
    classifier: ClassifierSummary,
    checks: Checks | None,
    page_figures: list[PageFigure],
) -> str:
    """The page as HTML that loads nothing from elsewhere; `rankings[0]` comes first."""
    annotation = run.config.report.annotation
    rankings = [with_doubts(ranking, checks) for ranking in rankings]
    data = page_data(
        run.cohort,
        run.results,
        run.first_ranking,
        top=run.config.report.top,
        aliases=read_aliases(Path(annotation), run.results.genes) if annotation else (),
    )
    return (
        page_environment()
        .get_template("page.html")
        .render(
            run=run,
            rankings=rankings,
            classifier=classifier,
            checks=checks,
            control_names=CONTROL_NAMES,
            answer=answer(run, rankings[0], classifier, checks),
            words=LEVEL_WORDS,
            definitions=DEFINITIONS,
            n_first=N_FIRST,
            run_data=Markup(json_text(data.content)),
            left_out=data.left_out,
            figures={figure.name: figure for figure in page_figures},
            low_recall=_low_recall(run),
            dropped=dropped_rows(run.cohort),
            tally=tally_rows(run.cohort),
            facts=fact_rows(run.cohort),
            counts=run.cohort.counts.to_dict("records"),
            provenance=_provenance(run, checks),
            max_input_files=provenance.MAX_INPUT_FILES,
            max_digested=provenance.MAX_DIGESTED,
            settings=_settings(run, checks),
            descriptions=tables.described_files(FILES, run.results),
            files=report_files(run),
        )
    )


def page_environment() -> jinja2.Environment:
    """What the pages are rendered with: everything is escaped, and an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fixed": fixed, "percent": percent, "small": small, "count": count}
    environment.globals["asset"] = asset
    return environment


def asset(name: str) -> Markup:
    """A script of this package, which stands in the page as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def fixed(value: float, digits: int = 2) -> str:
    """The number with fixed decimals and a true minus sign; a dash for NaN.

    `value` is written with `digits` decimals.
    """
    return "–" if math.isnan(value) else f"{value:,.{digits}f}".replace("-", "−")


def small(value: float) -> str:
    """A p- or q-value: three decimals, or a power of ten below 0.001; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.0e}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share as per cent; a dash for NaN.

    `value` is a share from 0 to 1, written with `digits` decimals.
    """
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def count(value: float) -> str:
    """A whole number with separators between thousands."""
    return f"{int(value):,}"


def write_figure(folder: Path, drawing: CaptionedFigure, *, partial: Sequence[str]) -> PageFigure:
    """Write a figure and its data to a folder; what the page shows of it.

    The figure and its data are marked where shards are missing.
    """
    name, caption, figure, data = drawing
    if partial:
        mark = f"partial: {len(partial)} shards were missing"
        with mpl.rc_context(figures.STYLE):
            figure.suptitle(mark, x=0.01, ha="left", fontsize="medium", fontweight="bold")
    svg = figures.write_picture(folder / name, figure, name=name, description=caption)
    columns = FIGURE_COLUMNS[name]
    figures.write_data(folder / f"{name}.csv", data, columns, partial=bool(partial))
    # matplotlib escapes the text within
    return PageFigure(name, caption, Markup(figures.screen_svg(svg, figure)))


def _low_recall(run: Run) -> list[str]:
    low = run.results.classification.recall < run.config.significance.recall
    return [str(name) for name in run.results.tumors[low]]


def dropped_rows(cohort: Cohort) -> list[dict[str, Any]]:
    """A row for each kind and reason: the number of names, and the first of them."""
    return [
        {
            "kind": kind,
            "reason": reason,
            "n": len(rows),
            "names": rows["name"].tolist()[:MAX_DROPPED_NAMES],
        }
        for (kind, reason), rows in cohort.dropped.groupby(["kind", "reason"])
    ]


def tally_rows(cohort: Cohort) -> list[dict[str, Any]]:
    """What became of all genes and samples of the input; empty where nobody counted them."""
    rows = [] if cohort.tally is None else cohort.tally.to_dict("records")
    return [{str(name): cell for name, cell in row.items()} for row in rows]


def fact_rows(cohort: Cohort) -> list[dict[str, str]]:
    """What was understood of the input, without the folders of its files."""
    return [
        {str(name): provenance.without_places(str(cell)) for name, cell in row.items()}
        for row in cohort.facts.to_dict("records")
    ]


def _provenance(run: Run, checks: Checks | None) -> Provenance:
    """The jobs of the run, and the digests of each file that the report was made from."""
    folder = run.folder
    paths = [folder.config, folder.plan, folder.cohort, folder.significance, folder.baselines]
    paths += [folder.model(key) for key in run.networks]
    paths += [folder.faithfulness] * (checks is not None)
    stages = [
        stage
        for stage in provenance.STAGES
        if not (stage == "synthesize" and run.config.input.expression)
        and not (stage == "faithfulness" and checks is None)
    ]
    return provenance.read_provenance(folder, paths, stages)


def _settings(run: Run, checks: Checks | None) -> str:
    """The settings that the results depend on, as TOML, read from the files with the results."""
    made_with = chain.settings_of({chain.CONFIG: run.results.config})
    if checks is not None:
        made_with |= chain.settings_of({chain.CONFIG: checks.record.config})
    tables = made_with | {"report": config_tables(run.config)["report"]}
    return tomli_w.dumps(provenance.settings_without_places(tables))
