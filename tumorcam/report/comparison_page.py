"""The page, the tables and the printed summary of a comparison of two runs."""

from pathlib import Path
from typing import Any

import pandas as pd

from tumorcam.readers.wording import plain
from tumorcam.report.comparison import Comparison
from tumorcam.report.csv_files import write_csv
from tumorcam.report.page import fixed, page_environment, percent, small
from tumorcam.report.provenance import page_versions
from tumorcam.report.rank_agreement import BOTH, ONLY_A, ONLY_B
from tumorcam.report.result_columns import (
    ACCURACY_COLUMNS,
    AGREEMENT_COLUMNS,
    COMPARED_GENE_COLUMNS,
    SETTING_COLUMNS,
    TOP_SIZES,
)
from tumorcam.report.result_folder import write_results
from tumorcam.report.run_accuracy import COUNTS
from tumorcam.report.tables import ALL_DIGITS
from tumorcam.storage import hdf5, manifest

COMMAND = "compare"
MAX_ROWS = 200  # learned genes of a tumor on the page
FILES = {
    "index.html": "this page",
    "accuracy.csv": "accuracy of each classifier in both runs, and on the samples in common",
    "changed_settings.csv": "each setting that differs",
    "agreement.csv": "one line a tumor: correlation, overlap of the tops, learned genes",
    "genes.csv": "every gene that either run calls learned, with its results in both",
    manifest.FILE_NAME: "size and SHA-256 of every other file, and what they were made from",
}


def comparison_sources(comparison: Comparison) -> dict[str, str]:
    """Names and digests of everything that the files of a comparison depend on."""
    sources = {"command": COMMAND, "ranking": comparison.key.name}
    for run in (comparison.a, comparison.b):
        sources |= {
            f"{run.label}/name": run.name,
            f"{run.label}/significance.h5": run.results.digest,
            f"{run.label}/baselines.h5": run.baselines.digest,
        }
    return sources


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write the page and the tables to a folder.

    Raises
    ------
    FileError
        If the folder has anything but the results of the same comparison.
    """
    names = [name for name in FILES if name != manifest.FILE_NAME]
    with write_results(folder, names, comparison_sources(comparison)) as aside:
        for name, table, columns in (
            ("accuracy.csv", comparison.accuracy, ACCURACY_COLUMNS),
            ("changed_settings.csv", comparison.settings, SETTING_COLUMNS),
            ("agreement.csv", comparison.agreement, AGREEMENT_COLUMNS),
            ("genes.csv", comparison.learned, COMPARED_GENE_COLUMNS),
        ):
            write_csv(aside / name, [table], columns, digits=ALL_DIGITS)
        hdf5.write_text(aside / "index.html", render_comparison(comparison))


def render_comparison(comparison: Comparison) -> str:
    """The page as HTML that loads nothing from elsewhere."""
    return page_environment().get_template("comparison.html").render(
        comparison=comparison,
        a=comparison.a,
        b=comparison.b,
        accuracy=comparison.accuracy.to_dict("records"),
        settings=comparison.settings.to_dict("records"),
        agreement=comparison.agreement.to_dict("records"),
        top_sizes=TOP_SIZES,
        tumors=_tumors(comparison),
        n_learned=learned_counts(comparison),
        max_rows=MAX_ROWS,
        descriptions=FILES,
        sources=comparison_sources(comparison),
        versions=page_versions(),
    )  # fmt: skip


def learned_counts(comparison: Comparison) -> dict[str, int]:
    """How many (tumor, gene) pairs both runs call learned, A alone, and B alone."""
    counts = comparison.learned["learned_in"].value_counts()
    return {kind: int(counts.get(kind, 0)) for kind in (BOTH, ONLY_A, ONLY_B)}


def comparison_text(comparison: Comparison) -> str:
    """What the command prints: the runs, accuracy, agreement, and learned genes."""
    a, b, counts = comparison.a, comparison.b, learned_counts(comparison)
    lines = [
        f"A: {plain(a.name)} ({a.config.folder}), {_sizes(len(a.cohort.genes), a.results.tumors)}",
        f"B: {plain(b.name)} ({b.config.folder}), {_sizes(len(b.cohort.genes), b.results.tumors)}",
        f"in common: {_sizes(len(comparison.genes.names), comparison.tumors.names)}, "
        f"{comparison.accuracy['common_samples'].max():,} samples; "
        f"{len(comparison.settings)} settings differ",
        *(f"note: {note}" for note in comparison.notes),
        "",
        *_accuracy_lines(comparison.accuracy),
        "",
        f"ranking: {comparison.key.title}; genes in common",
        *_agreement_lines(comparison.agreement),
        "",
        f"learned in both: {counts[BOTH]:,} (tumor, gene) pairs; in A only: {counts[ONLY_A]:,}; "
        f"in B only: {counts[ONLY_B]:,}",
    ]
    return "\n".join(lines)


def _sizes(n_genes: int, tumors: Any) -> str:
    return f"{n_genes:,} genes, {len(tumors):,} tumors"


def _accuracy_lines(table: pd.DataFrame) -> list[str]:
    heads = ("accuracy", "A", "B", "common A", "common B", "B - A", "only A", "only B", "p")
    lines = [f"{heads[0]:24}" + "".join(f"{head:>10}" for head in heads[1:])]
    for row in table.to_dict("records"):
        shares = [row[name] for name in ("accuracy_a", "accuracy_b", "common_a", "common_b")]
        cells = [*map(percent, shares), f"{100 * row['difference']:+.1f}"]
        cells += [*(fixed(row[name], 0) for name in COUNTS), small(row["p_value"])]
        lines.append(f"{row['classifier']:24}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def _agreement_lines(table: pd.DataFrame) -> list[str]:
    tops = "".join(f"{f'top {k}':>9}{'chance':>8}" for k in TOP_SIZES)
    lines = [f"{'tumor':20}{'genes':>7}{'rho':>7}{tops}{'only A':>8}{'only B':>8}{'both':>6}"]
    for row in table.to_dict("records"):
        pairs = [(row[f"overlap_{k}"], row[f"expected_{k}"]) for k in TOP_SIZES]
        cells = "".join(f"{fixed(n, 0):>9}{fixed(mean, 1):>8}" for n, mean in pairs)
        both = row["learned_both"]
        counts = f"{row['learned_a'] - both:>8}{row['learned_b'] - both:>8}{both:>6}"
        start = f"{plain(row['tumor']):20}{row['genes']:>7}{fixed(row['spearman'], 2):>7}"
        lines.append(start + cells + counts)
    return lines


def _tumors(comparison: Comparison) -> list[dict[str, Any]]:
    """For each tumor in common its learned genes, as the page lists them."""
    result = []
    for tumor in comparison.tumors.names.tolist():
        rows = comparison.learned[comparison.learned["tumor"] == tumor]
        counts = rows["learned_in"].value_counts()
        order = rows["learned_in"].map({ONLY_B: 0, ONLY_A: 1, BOTH: 2}).sort_values(kind="stable")
        first = rows.loc[order.index].head(MAX_ROWS).to_dict("records")
        result.append(
            {
                "tumor": tumor,
                "rows": first,
                "n": len(rows),
                **{key: int(counts.get(kind, 0))
                   for key, kind in (("both", BOTH), ("only_a", ONLY_A), ("only_b", ONLY_B))},
            }
        )  # fmt: skip
    return result
