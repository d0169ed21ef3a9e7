"""Gene sets of a user's file, tested on the rankings of a finished run."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import ConfigError, InputError
from tumorcam.explain.views import RankingKey
from tumorcam.readers.files import file_digest, is_file
from tumorcam.readers.gmt import GeneSetFile, read_gene_sets
from tumorcam.readers.wording import plain
from tumorcam.report.result_columns import ENRICHMENT_COLUMNS
from tumorcam.report.results import read_results, require_ranking
from tumorcam.report.set_matching import MatchedSets, match_sets
from tumorcam.settings.config import Config
from tumorcam.significance.set_tests import over_representation, prerank, require_gseapy
from tumorcam.significance.statistics import benjamini_hochberg
from tumorcam.significance.tables import Ranking, Significance
from tumorcam.storage.run_folder import RunFolder

OVER_REPRESENTATION, PRERANK = "over-representation", "prerank"
LEARNED = "learned"
GENES_BETWEEN = "; "  # separates genes in a cell
MAX_PERMUTATIONS = 1_000_000
COLUMNS = tuple(column.name for column in ENRICHMENT_COLUMNS)


@dataclass(frozen=True)
class EnrichmentOptions:
    """What the user may choose.

    Attributes
    ----------
    method, view : str
        The ranking; empty for the one that the report shows first.
    permutations : int
        Of prerank, 100 to 1,000,000.
    min_size, max_size : int
        How many genes of a tumor's background a set must have at least and at most.
    gene_table : Path or None
        A table with the names of genes in the run and in the file; None for `layout.annotation`.
    """

    method: str = ""
    view: str = ""
    permutations: int = 1000
    min_size: int = 10
    max_size: int = 500
    gene_table: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers; ConfigError if one is out of range."""
        if not 100 <= self.permutations <= MAX_PERMUTATIONS:
            msg = (
                f"--permutations is {self.permutations}; wanted 100 to {MAX_PERMUTATIONS:,}, such "
                "as 1000"
            )
            raise ConfigError(msg)
        if not 1 <= self.min_size <= self.max_size:
            msg = (
                f"--min-size is {self.min_size} and --max-size {self.max_size}; wanted a smallest "
                "size of 1 or more, and a largest size that is not below it"
            )
            raise ConfigError(msg)


@dataclass(frozen=True)
class EnrichmentPlan:
    """What will be tested: the run's tables, the sets as its genes, and the options.

    `gene_table` is the table that names were looked up in, None without. `seed` is the seed of the
    run, from which each tumor has one of its own.
    """

    config: Config
    cohort: Cohort
    results: Significance
    key: RankingKey
    file: GeneSetFile
    matched: MatchedSets
    gene_table: Path | None
    options: EnrichmentOptions

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config.run.seed


class TumorSets(NamedTuple):
    """Background of a tumor, its learned genes, and the sets that are tested.

    `background` and `learned` (genes,) int are indices of the run's genes; `sets` (sets,) int those
    of the sets, and `members` their genes as indices in the background.
    """

    background: np.ndarray
    learned: np.ndarray
    sets: list[int]
    members: list[np.ndarray]


def plan_enrichment(
    config: Config, cohort: Cohort, path: Path, options: EnrichmentOptions
) -> EnrichmentPlan:
    """Read the tables of a finished run and a file of gene sets, and match their genes.

    Raises
    ------
    ConfigError
        If gseapy is missing, or the ranking was not computed.
    FileError
        If the run is not finished.
    InputError
        If a file cannot be read, or too few of its genes are genes of the run for any test.
    """
    require_gseapy()
    results = read_results(RunFolder.of(config), cohort, config)
    key = RankingKey(options.method or config.report.method, options.view or config.report.view)
    require_ranking(results, key)
    file = read_gene_sets(path)
    table = options.gene_table or annotation(config)
    matched = match_sets(file, cohort.genes, ~cohort.is_entrapped, table)
    sizes = np.array([len(genes) for genes in matched.members])
    is_tested = (sizes >= options.min_size) & (sizes <= options.max_size)
    if not is_tested.any():
        msg = (
            f"no set of {plain(str(path))} can be tested: its sets have {sizes.min()} to "
            f"{sizes.max()} genes of the run, wanted {options.min_size} to {options.max_size}; "
            f"set --min-size or --max-size, or keep more genes in the run. {matched.notes[0]}"
        )
        raise InputError(msg)
    return EnrichmentPlan(config, cohort, results, key, file, matched, table, options)


def annotation(config: Config) -> Path | None:
    """The table of `layout.annotation`, where it is set and still there."""
    path = Path(config.layout.annotation)
    return path if config.layout.annotation and is_file(path) else None


def enrichment_sources(plan: EnrichmentPlan) -> dict[str, str]:
    """Names and digests of everything that the files of the tests depend on."""
    options, table = plan.options, plan.gene_table
    return {
        "command": "enrich",
        "run": plan.config.run.name,
        "significance.h5": plan.results.digest,
        "gene sets": plan.file.path.name,
        "SHA-256 of the gene sets": plan.file.digest,
        "SHA-256 of the gene table": file_digest(table) if table else "",
        "ranking": plan.key.name,
        "seed": str(plan.seed),
        "permutations": str(options.permutations),
        "size of sets": f"{options.min_size} to {options.max_size}",
    }


def tumor_sets(plan: EnrichmentPlan, ranking: Ranking, tumor: int) -> TumorSets:
    """The background of a tumor, and the sets that have enough of its genes.

    The background is all testable genes of the tumor; entrapped ones are not among them.
    """
    is_testable = ~np.isnan(ranking.q_value[tumor]) & ~np.isnan(ranking.score[tumor])
    background = np.flatnonzero(is_testable & ~plan.cohort.is_entrapped)
    place = np.full(len(plan.cohort.genes), -1)
    place[background] = np.arange(len(background))
    sets, members = [], []
    for i, genes in enumerate(plan.matched.members):
        inside = place[genes]
        inside = inside[inside >= 0]
        if plan.options.min_size <= len(inside) <= plan.options.max_size:
            sets.append(i)
            members.append(inside)
    learned = background[ranking.evidence[tumor, background] == LEARNED]
    return TumorSets(background, learned, sets, members)


def tumor_seed(plan: EnrichmentPlan, tumor: str) -> int:
    """The seed of a tumor's permutations, which depends on the run's seed and the tumor alone."""
    return int(plan.config.rng("enrich", tumor).integers(2**31))


def tumor_enrichment(plan: EnrichmentPlan, ranking: Ranking, tumor: int) -> pd.DataFrame:
    """Both tests of every set in one tumor: a row for each, with the columns COLUMNS.

    `size` counts the genes of the set in the tumor's background, `file_size` those in the file.
    `overlap` and `genes` are the learned genes of the set, or its leading genes in prerank. `fdr`
    is over the sets of this tumor. The row with the smallest p-value of each kind comes first.
    """
    tested, genes = tumor_sets(plan, ranking, tumor), plan.cohort.genes
    name, score = str(plan.results.tumors[tumor]), ranking.score[tumor, tested.background]
    is_learned = np.isin(tested.background, tested.learned)
    over = over_representation(is_learned, tested.members)
    order = prerank(
        score, tested.members, permutations=plan.options.permutations, seed=tumor_seed(plan, name)
    )
    inside = [members[is_learned[members]] for members in tested.members]
    inside = [members[np.argsort(-score[members], kind="stable")] for members in inside]
    common = {
        "tumor": name,
        "set": [plan.matched.names[i] for i in tested.sets],
        "size": [len(members) for members in tested.members],
        "file_size": [plan.matched.file_sizes[i] for i in tested.sets],
    }
    listed = [
        [GENES_BETWEEN.join(genes[tested.background[members]]) for members in lists]
        for lists in (inside, order.leading)
    ]
    tables = [
        pd.DataFrame(common).assign(
            kind=OVER_REPRESENTATION, overlap=over.overlap, nes=np.nan, odds_ratio=over.odds_ratio,
            p_value=over.p_value, fdr=benjamini_hochberg(over.p_value), genes=listed[0],
        ),
        pd.DataFrame(common).assign(
            kind=PRERANK, overlap=[len(members) for members in order.leading], nes=order.nes,
            odds_ratio=np.nan, p_value=order.p_value, fdr=order.fdr, genes=listed[1],
        ),
    ]  # fmt: skip
    tables[0] = tables[0].sort_values(
        ["p_value", "odds_ratio", "set"], ascending=[True, False, True]
    )
    strength = -tables[1]["nes"].abs()
    tables[1] = (
        tables[1].assign(strength=strength).sort_values(["p_value", "fdr", "strength", "set"])
    )
    return pd.concat([table.loc[:, list(COLUMNS)] for table in tables], ignore_index=True)
