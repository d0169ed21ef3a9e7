"""The report of new samples: their calls, how far to trust each, and the genes behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.report import tables
from tumorcam.report.call_figures import call_figures
from tumorcam.report.call_results import (
    N_TOP,
    STRANGERS,
    Application,
    TopGenes,
    agreements,
    calibration_error,
    label_confusion,
    top_genes,
)
from tumorcam.report.call_tables import shift_table, top_gene_table, write_call_tables
from tumorcam.report.page import (
    PageFigure,
    dropped_rows,
    fact_rows,
    figure_files,
    page_environment,
    write_figure,
)
from tumorcam.report.provenance import (
    MAX_DIGESTED,
    MAX_INPUT_FILES,
    NEW_STAGES,
    Provenance,
    read_provenance,
)
from tumorcam.significance.classification import reliability_table
from tumorcam.significance.statistics import LEARNED
from tumorcam.storage import chain, hdf5, integrity, manifest

MAX_ROWS = 2000  # samples in the table of the page
MAX_PANELS = 300  # samples with a panel of their own
MAX_SHIFTED = 20  # genes in the table of shifts
FILES = {
    "index.html": "this page",
    "calls.csv": "one line a sample: call, probability, agreement, flags, top genes",
    "calls.parquet": "the same, every bit",
    "calls.tsv": "the same in the columns of a sample sheet of the GDC",
    "probabilities.csv": "the calibrated probability of every tumor, one line a sample",
    "top_genes.csv": f"the {N_TOP} genes with the highest saliency of each sample",
    "shift.csv": "how far each gene is shifted against the training cohort",
    "genes.csv": "every tumor, gene, method and view with all its numbers, over the new samples",
    "genes.parquet": "the same, every bit",
    manifest.FILE_NAME: "size and SHA-256 of every other file; `tumorcam verify` needs them",
}


@dataclass(frozen=True)
class Panel:
    """The panel of a sample: its row in the table of calls, and its top genes."""

    call: dict[str, Any]
    genes: list[dict[str, Any]]


def call_files(application: Application) -> list[str]:
    """Names of the files that `write_call_report` writes, relative to the report's folder."""
    names = ["calibration", "unlike", "missing"]
    names += ["confusion"] * bool(label_confusion(application)[1])
    names += ["shift"] * bool(application.calls.shift.genes["shift"].notna().any())
    described = tables.described_files(FILES, application.results)
    return [*described, *figure_files(names)]


def write_call_report(application: Application) -> None:
    """Write all files of the report, or leave an earlier one as it was.

    Raises
    ------
    FileError
        If a file that it reads is damaged, or something else than a file stands in place of one.
    """
    folder = application.folder
    listed, names = folder.report / manifest.FILE_NAME, call_files(application)
    for name in names:
        if (listed.parent / name).exists():
            integrity.require_regular(listed.parent / name)
    with hdf5.write_together(listed) as aside:
        genes = list(top_genes(application))
        calls = write_call_tables(aside, application, genes)
        tables.write_genes_csv(aside, application.results)
        tables.write_genes_parquet(aside / "genes.parquet", application.results)
        figures = [
            write_figure(aside / "figures", figure, partial=application.results.missing_shards)
            for figure in call_figures(application)
        ]
        page = render_calls(application, calls, genes, figures, names)
        hdf5.write_text(aside / folder.page.name, page)
        made_from = {folder.significance.name: application.results.digest}
        made_from |= chain.made_with(application.config, "report")
        written = [name for name in names if name != manifest.FILE_NAME]
        manifest.write_manifest(aside / manifest.FILE_NAME, written, made_from)
    n_unlike = int(application.calls.is_unlike.sum())
    logger.info("%d samples, %d unlike anything; %s written", len(calls), n_unlike, folder.page)


def render_calls(
    application: Application,
    calls: pd.DataFrame,
    genes: Sequence[TopGenes],
    figures: list[PageFigure],
    files: list[str],
) -> str:
    """The page as HTML that loads nothing from elsewhere.

    `calls` is the table of calls and `genes` are its top genes; `figures` are shown and `files`
    are linked.
    """
    cohort, reference = application.cohort, application.reference
    order = _order_of_interest(application)
    rows = calls.iloc[order[:MAX_ROWS]].to_dict("records")
    labels = [row for row in agreements(application) if row.n]
    before, after = (
        calibration_error(reliability_table(probability, application.trained.tumor))
        for probability in (reference.calibration.before, reference.calibration.after)
    )
    return page_environment().get_template("calls.html").render(
        application=application,
        cohort=cohort,
        calls=calls,
        rows=rows,
        panels=_panels(application, calls, genes, order[:MAX_PANELS]),
        counts=_counts(application),
        agreements=labels,
        strangers=next((row for row in labels if row.name == STRANGERS), None),
        calibration_before=before,
        calibration_after=after,
        false_alarms=_false_alarms(application),
        shifted=shift_table(application).head(MAX_SHIFTED).to_dict("records"),
        missing=_missing(application),
        genes=_genes(application),
        ranking=application.first_ranking.title,
        facts=fact_rows(cohort),
        dropped=dropped_rows(cohort),
        tally=[],
        figures={figure.name: figure for figure in figures},
        files=files,
        descriptions=tables.described_files(FILES, application.results),
        provenance=_provenance(application),
        max_input_files=MAX_INPUT_FILES,
        max_digested=MAX_DIGESTED,
    )  # fmt: skip


def _order_of_interest(application: Application) -> np.ndarray:
    """All samples: those that are unlike anything first, then by ascending probability."""
    calls = application.calls
    probability = calls.calibrated[np.arange(len(calls.call)), calls.call]
    return np.lexsort((probability, ~calls.is_unlike))


def _panels(
    application: Application, calls: pd.DataFrame, genes: Sequence[TopGenes], chosen: np.ndarray
) -> list[Panel]:
    """The panels of some samples, in their order."""
    is_chosen = np.isin(np.arange(len(calls)), chosen)
    rows_of: dict[str, Any] = {}
    for block in genes:
        part = TopGenes(*(values[is_chosen[block.sample]] for values in block))
        table = top_gene_table(application, part)
        rows_of |= {str(name): rows.to_dict("records") for name, rows in table.groupby("sample")}
    rows: Any = calls.iloc[chosen].to_dict("records")
    return [Panel(row, rows_of[row["sample"]]) for row in rows]


def _counts(application: Application) -> list[dict[str, Any]]:
    """How many samples are called each tumor, and how many of them count in its table."""
    calls, cohort = application.calls, application.cohort
    return [
        {
            "tumor": tumor,
            "called": int((calls.call == index).sum()),
            "unlike": int(((calls.call == index) & calls.is_unlike).sum()),
            "explained": int((cohort.tumor == index).sum()),
            "patients": int(application.results.n[index]),
            "recall": float(calls.recall[index]),
        }
        for index, tumor in enumerate(cohort.tumors.tolist())
        if (calls.call == index).any() or (cohort.tumor == index).any()
    ]


def _false_alarms(application: Application) -> list[dict[str, Any]]:
    """The share of each tumor's held-out samples of the run that would be flagged."""
    reference, trained = application.reference, application.trained
    share = reference.false_alarm(reference.distance)
    is_flagged = share <= application.config.apply.false_alarms
    return [
        {
            "tumor": tumor,
            "n": int((trained.tumor == index).sum()),
            "share": float(is_flagged[trained.tumor == index].mean()),
        }
        for index, tumor in enumerate(trained.tumors.tolist())
    ]


def _missing(application: Application) -> dict[str, Any]:
    """How many genes are missing, and the accuracy on the run's own samples with so many."""
    share = application.missing_share
    curve = application.reference.missing
    expected = np.interp(share.max(), curve["share"], curve["accuracy"])
    return {
        "of_all": int((application.new.genes["missing"] == 1).sum()),
        "largest": float(share.max()),
        "expected": float(expected),
        "full": float(curve["accuracy"].iloc[0]),
        "samples": int(curve["samples"].iloc[0]),
    }


def _genes(application: Application) -> list[dict[str, Any]]:
    """The first genes of each tumor that new samples are explained for."""
    results = application.results
    table = tables.gene_table(results, results.ranking(application.first_ranking))
    top = application.config.report.top
    return [
        {
            "tumor": tumor,
            "n": int(rows["n"].iloc[0]),
            "n_learned": int((rows["evidence"] == LEARNED).sum()),
            "rows": rows.head(top).to_dict("records"),
        }
        for tumor, rows in table.groupby("tumor", sort=False)
        if rows["n"].iloc[0]
    ]


def _provenance(application: Application) -> Provenance:
    """The jobs of the new samples, and the digests of the files that the report was made from."""
    folder = application.folder
    paths = [folder.config, folder.plan, folder.cohort, folder.significance, folder.calls]
    return read_provenance(folder, paths, NEW_STAGES)
