"""The page, the table and the printed summary of the tests of gene sets."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.readers.wording import plain
from tumorcam.report.csv_files import write_csv
from tumorcam.report.enrichment import (
    OVER_REPRESENTATION,
    PRERANK,
    EnrichmentPlan,
    enrichment_sources,
    tumor_enrichment,
    tumor_sets,
)
from tumorcam.report.page import page_environment
from tumorcam.report.provenance import page_versions
from tumorcam.report.result_columns import ENRICHMENT_COLUMNS
from tumorcam.report.result_folder import write_results
from tumorcam.report.tables import ALL_DIGITS
from tumorcam.storage import hdf5, manifest

LEVEL = 0.05  # of the FDR that the summary counts sets at
TOP = 15  # sets of each kind and tumor on the page
FILES = {
    "index.html": "this page",
    "enrichment.csv": "every tumor, set and test",
    manifest.FILE_NAME: "size and SHA-256 of every other file, and what they were made from",
}

Progress = Callable[[Iterable[int]], Iterable[int]]


class TumorTests(NamedTuple):
    """Tests of a tumor: `table` is from `tumor_enrichment`, the others count its genes and sets."""

    tumor: str
    n_background: int
    n_learned: int
    n_sets: int
    table: pd.DataFrame

    def of_kind(self, kind: str) -> pd.DataFrame:
        """The rows of one test, the smallest p-value first."""
        return self.table[self.table["kind"] == kind]

    def n_below(self, kind: str) -> int:
        """How many sets have an FDR at or below 0.05 by one test; positive NES alone for prerank.

        A negative NES says that the set stands at the low end of the ranking.
        """
        rows = self.of_kind(kind)
        is_up = (rows["nes"] > 0) if kind == PRERANK else True
        return int(((rows["fdr"] <= LEVEL) & is_up).sum())


def run_tests(plan: EnrichmentPlan, progress: Progress = iter) -> list[TumorTests]:
    """Both tests of every set in every tumor.

    Parameters
    ----------
    progress : function
        Passes on the indices of the tumors, and may print how far they are.
    """
    ranking = plan.results.ranking(plan.key)
    tests = []
    for tumor in progress(range(len(plan.results.tumors))):
        tested = tumor_sets(plan, ranking, tumor)
        tests.append(
            TumorTests(
                str(plan.results.tumors[tumor]),
                len(tested.background),
                len(tested.learned),
                len(tested.sets),
                tumor_enrichment(plan, ranking, tumor),
            )
        )
    return tests


def write_enrichment(plan: EnrichmentPlan, tests: list[TumorTests], folder: Path) -> None:
    """Write the page and the table to a folder.

    Raises
    ------
    FileError
        If the folder has anything but the results of the same tests.
    """
    names = [name for name in FILES if name != manifest.FILE_NAME]
    with write_results(folder, names, enrichment_sources(plan)) as aside:
        parts = (test.table for test in tests)
        write_csv(aside / "enrichment.csv", parts, ENRICHMENT_COLUMNS, digits=ALL_DIGITS)
        hdf5.write_text(aside / "index.html", render_enrichment(plan, tests))


def render_enrichment(plan: EnrichmentPlan, tests: list[TumorTests]) -> str:
    """The page as HTML that loads nothing from elsewhere."""
    kinds = (OVER_REPRESENTATION, PRERANK)
    return page_environment().get_template("enrichment.html").render(
        plan=plan,
        name=plan.config.run.name,
        tumors=[
            {
                "tests": test,
                "below": {kind: test.n_below(kind) for kind in kinds},
                "rows": {kind: test.of_kind(kind).head(TOP).to_dict("records") for kind in kinds},
            }
            for test in tests
        ],
        notes=[*plan.file.notes, *plan.matched.notes],
        partial=len(plan.results.missing_shards),
        smallest=1 / (plan.options.permutations + 1),
        top=TOP,
        level=LEVEL,
        descriptions=FILES,
        sources=enrichment_sources(plan),
        versions=page_versions(),
    )  # fmt: skip


def plan_text(plan: EnrichmentPlan) -> str:
    """What the command prints before the tests: the sets, how they match, and the ranking."""
    sizes = np.array([len(genes) for genes in plan.matched.members])
    options = plan.options
    n_sets = int(((sizes >= options.min_size) & (sizes <= options.max_size)).sum())
    lines = [
        f"{plain(str(plan.file.path))}: {len(sizes):,} sets; {n_sets:,} have "
        f"{options.min_size} to {options.max_size} genes of the run",
        *(f"note: {note}" for note in (*plan.file.notes, *plan.matched.notes)),
        f"ranking: {plan.key.title}; {options.permutations:,} permutations, seed {plan.seed}",
    ]
    return "\n".join(lines)


def results_text(tests: list[TumorTests]) -> str:
    """What the command prints of the tests: a line for each tumor."""
    heads = f"{'genes':>7}{'learned':>9}{'sets':>7}{'over':>6}{'prerank':>9}"
    lines = [f"{'tumor':20}{heads}  first set by learned genes"]
    for test in tests:
        first = test.of_kind(OVER_REPRESENTATION).head(1).to_dict("records")
        best = f"{plain(first[0]['set'])} (FDR {first[0]['fdr']:.2g})" if first else "-"
        lines.append(
            f"{plain(test.tumor):20}{test.n_background:>7}{test.n_learned:>9}{test.n_sets:>7}"
            f"{test.n_below(OVER_REPRESENTATION):>6}{test.n_below(PRERANK):>9}  {best}"
        )
    lines.append(f"over, prerank: sets with an FDR at or below {LEVEL} (prerank: high end alone)")
    return "\n".join(lines)
