"""What `tumorcam show` is asked: its options, and the answer of the finished tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.lookup import find_gene, find_tumor
from tumorcam.errors import ConfigError
from tumorcam.explain.views import RankingKey, ranking_keys, require_key
from tumorcam.readers.wording import plain
from tumorcam.report.gene_columns import Answer
from tumorcam.report.gene_text import gene_answer
from tumorcam.report.tumor_text import require_top, tumor_answer
from tumorcam.settings import METHODS
from tumorcam.settings.config import Config
from tumorcam.significance.tables import Significance

OPTIONS: dict[str, dict[str, Any]] = {  # of each question, with their defaults
    "sample": {"target": None, "cutoff": 0.8, "replicate": 0},
    "gene": {"view": None},
    "tumor": {"view": None, "top": 20},
}


@dataclass(frozen=True)
class TableQuestion:
    """A question about one gene or one tumor, by one ranking.

    `kind` is gene or tumor, `index` that of the gene or tumor in the cohort, `name` its name. `top`
    is the number of genes of a tumor.
    """

    kind: str
    index: int
    name: str
    key: RankingKey
    top: int

    @property
    def description(self) -> str:
        """What is asked, such as "the 20 first genes of BRCA by Gradient × input, contrast"."""
        what = f"{plain(self.name)} in every tumor"
        if self.kind == "tumor":
            what = f"the first {self.top} genes of {plain(self.name)}"
        return f"{what} by {self.key.title}"


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a question: those given, and the defaults of others.

    Parameters
    ----------
    given : mapping
        All options by name, None where they are not given, and one of sample, gene and tumor. Those
        that other commands also have are left as they are.

    Raises
    ------
    ConfigError
        If one is given that goes with another question.
    """
    kind = next(name for name in OPTIONS if given[name] is not None)
    every = {name for options in OPTIONS.values() for name in options}
    extra = sorted(name for name in every - OPTIONS[kind].keys() if given[name] is not None)
    if extra:
        owners = " or ".join(f"--{other}" for other in OPTIONS if extra[0] in OPTIONS[other])
        raise ConfigError(f"--{extra[0]} goes with {owners}, not with --{kind}; leave it out")
    defaults = OPTIONS[kind] | ({"method": METHODS[0]} if kind == "sample" else {})
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def plan(text: str) -> Answer:
    """What a dry run says instead of an answer: what would be done."""
    return Answer(f"would {text}", None)


def ask(cohort: Cohort, config: Config, options: Mapping[str, Any]) -> TableQuestion:
    """The question about a gene or a tumor.

    Parameters
    ----------
    options : mapping
        From `options_of`. Without a method or view, that which the page shows first is taken.

    Raises
    ------
    ConfigError
        If not exactly one gene or tumor fits, or the config does not compute the ranking, or the
        number of genes is below 1.
    """
    key = RankingKey(
        options["method"] or config.report.method, options["view"] or config.report.view
    )
    require_key(key, ranking_keys(config.explain.methods), "explain.methods")
    if options["gene"] is not None:
        gene = find_gene(cohort, options["gene"])
        return TableQuestion("gene", gene, str(cohort.genes[gene]), key, top=0)
    require_top(options["top"])
    tumor = find_tumor(cohort, options["tumor"])
    return TableQuestion("tumor", tumor, str(cohort.tumors[tumor]), key, options["top"])


def answer(cohort: Cohort, results: Significance, question: TableQuestion) -> Answer:
    """The answer of the tables of a cohort; see `gene_answer` and `tumor_answer`."""
    if question.kind == "gene":
        return gene_answer(cohort, results, question.key, question.index)
    return tumor_answer(cohort, results, question.key, question.index, top=question.top)
