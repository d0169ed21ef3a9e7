"""The files of the report: tables, figures and one web page that needs nothing else."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import tomli_w
from markupsafe import Markup

from tumorcam.cluster.logs import logger
from tumorcam.cohort.cohort import Cohort
from tumorcam.faithfulness.results import Faithfulness
from tumorcam.report import faithfulness_figures, figures, provenance, tables
from tumorcam.report.classifier import ClassifierSummary, summarise_classifier
from tumorcam.report.faithfulness import (
    CONTROL_NAMES,
    Checks,
    read_checks,
    summarise_checks,
    with_doubts,
)
from tumorcam.report.figures import CaptionedFigure
from tumorcam.report.provenance import Provenance
from tumorcam.report.results import Run
from tumorcam.report.summary import RankingSummary, summarise_ranking
from tumorcam.settings.config import config_tables
from tumorcam.significance.tables import Ranking
from tumorcam.storage import chain, hdf5, integrity, manifest

TEMPLATES = Path(__file__).parent
MAX_DROPPED_NAMES = 20  # for each reason
FILES = {
    "index.html": "this page",
    "genes.csv": "every tumor, gene, method and view with all its numbers (6 significant digits)",
    "genes.parquet": "the same, every bit",
    "decoys.csv": "every decoy and where it would rank among the genes",
    "ranking.h5ad": "AnnData, tumors × genes; score and q_decoy of every method and view as layers",
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
    names = ["confusion", "learning", "decoys", "genes"] + ["example"] * (run.example is not None)
    names += faithfulness_figures.figure_names(read_checks(run))
    images = [f"figures/{name}.{kind}" for name in names for kind in ("svg", "png")]
    return [*FILES, *tables.rank_list_names(run.results), *images]


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
    tables.write_rank_lists(folder, results, first)
    tables.write_genes_csv(folder / "genes.csv", results)
    tables.write_genes_parquet(folder / "genes.parquet", results)
    tables.write_decoys_csv(folder / "decoys.csv", results)
    tables.write_ranking_h5ad(folder / "ranking.h5ad", results, run.first_ranking)
    logger.info("tables written")
    rankings = [summarise_ranking(run, ranking) for ranking in results.rankings()]
    rankings.sort(key=lambda ranking: ranking.key != run.first_ranking)
    classifier = summarise_classifier(run)
    page_figures = [
        write_figure(folder / "figures", figure, partial=results.missing_shards)
        for figure in itertools.chain(
            _ranking_figures(run, first, rankings),
            _network_figures(run, classifier),
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


def render_page(
    run: Run,
    rankings: list[RankingSummary],
    classifier: ClassifierSummary,
    checks: Checks | None,
    page_figures: list[PageFigure],
) -> str:
    """The page as HTML that loads nothing from elsewhere; `rankings[0]` comes first."""
    return (
        page_environment()
        .get_template("page.html")
        .render(
            run=run,
            rankings=[with_doubts(ranking, checks) for ranking in rankings],
            classifier=classifier,
            checks=checks,
            control_names=CONTROL_NAMES,
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
            descriptions=FILES,
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
    return environment


def fixed(value: float, digits: int = 2) -> str:
    """The number with fixed decimals and a true minus sign; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:,.{digits}f}".replace("-", "−")


def small(value: float) -> str:
    """A p- or q-value: three decimals, or a power of ten below 0.001; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.0e}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share as per cent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def count(value: float) -> str:
    """A whole number with separators between thousands."""
    return f"{int(value):,}"


def _ranking_figures(
    run: Run, first: Ranking, rankings: list[RankingSummary]
) -> Iterator[CaptionedFigure]:
    """The figures of the rankings; `first` is the one that comes first on the page."""
    top = figures.heat_map_genes(first.rank)
    curves: dict[str, dict[str, Any]] = {}
    for ranking in rankings:
        curves.setdefault(ranking.key.method, {})[ranking.key.view] = ranking.decoy_curve
    yield CaptionedFigure(
        "genes",
        f"Top {figures.HEAT_MAP_GENES} genes of every tumor by {first.key.title}. Colour: score "
        "as a share of the gene's largest absolute score; dots: graded learned.",
        figures.heat_map_figure(
            first.score[:, top],
            first.is_learned[:, top],
            run.results.tumors.tolist(),
            run.results.genes[top].tolist(),
        ),
    )
    yield CaptionedFigure(
        "decoys",
        "Number of (tumor, gene) pairs that can be called, and number of those that are false by "
        "the estimate from the decoys. Pairs are called up to the last point at which "
        "the line is not above the dashed one.",
        figures.decoy_figure(curves, run.config.significance.q_decoy),
    )


def _network_figures(run: Run, classifier: ClassifierSummary) -> Iterator[CaptionedFigure]:
    yield CaptionedFigure(
        "confusion",
        f"Held-out samples by true and called tumor, by the ensemble of {run.n_replicates} "
        "replicates. Numbers are samples.",
        figures.confusion_figure(classifier.scores.confusion, run.results.tumors.tolist()),
    )
    yield CaptionedFigure(
        "learning",
        f"Learning curves of all {len(run.networks)} networks; rings mark the epoch kept.",
        figures.learning_figure(run.networks.values()),
    )
    if run.example is not None:
        yield CaptionedFigure(
            "example",
            f"Sample {run.example.sample}, held out and correctly called {run.example.tumor} by "
            f"network {run.example.model} (probability {run.example.probability:.2f}). Each pixel "
            f"is a gene; the {figures.N_RINGS} with the highest saliency are ringed and named.",
            figures.example_figure(run.example),
        )


def write_figure(folder: Path, drawing: CaptionedFigure, *, partial: Sequence[str]) -> PageFigure:
    """Write a figure to a folder, marked where shards are missing; what the page shows of it."""
    name, caption, figure = drawing
    if partial:
        figure.text(0, 0, f"partial: {len(partial)} shards were missing", color="red")
    svg = figures.write_picture(folder / name, figure, name=name, description=caption)
    return PageFigure(name, caption, Markup(svg))  # matplotlib escapes the text within


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
