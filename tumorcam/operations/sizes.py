"""The sizes of a run on which its cost depends."""

import math
from dataclasses import dataclass

import numpy as np

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.layout import choose_decoys
from tumorcam.cohort.selection import MAX_GENES, Selection
from tumorcam.errors import TumorcamError
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder

INPUT_GENES = 20_000  # of a matrix that nobody has read yet: about the protein-coding ones


@dataclass(frozen=True)
class Sizes:
    """Numbers of samples, genes, decoys and tumors, and of genes in the input matrix.

    `source` says in words where they come from.
    """

    n_samples: int
    n_genes: int
    n_decoys: int
    n_tumors: int
    n_input_genes: int
    source: str = ""

    @property
    def n_columns(self) -> int:
        """Genes, present decoys and chance decoys."""
        return self.n_genes + 2 * self.n_decoys

    def side(self, config: Config) -> int:
        """The side of the image, in pixels."""
        return math.ceil(math.sqrt(self.n_genes + self.n_decoys)) * config.layout.spacing

    @property
    def text(self) -> str:
        """Such as `10,500 samples of 33 tumors, 11,449 genes and as many decoys, from ...`."""
        return (
            f"{self.n_samples:,} samples of {self.n_tumors} tumors, {self.n_genes:,} genes and "
            f"{self.n_decoys:,} decoys, {self.source}"
        )


def sizes_of_cohort(config: Config, cohort: Cohort) -> Sizes:
    """The sizes of a run whose cohort.h5 is there."""
    return Sizes(
        n_samples=len(cohort.sample),
        n_genes=len(cohort.genes),
        n_decoys=len(cohort.decoy_gene),
        n_tumors=len(cohort.tumors),
        n_input_genes=max(len(cohort.genes), _input_genes(config)),
        source="as in cohort.h5",
    )


def sizes_of_selection(config: Config, selection: Selection) -> Sizes:
    """The sizes of a run on a selection that has no decoys yet."""
    n_genes = len(selection.genes)
    return Sizes(
        n_samples=len(selection.samples),
        n_genes=n_genes,
        n_decoys=_n_decoys(config, selection.genes),
        n_tumors=selection.samples["tumor"].nunique(),
        n_input_genes=max(n_genes, _input_genes(config)),
        source="as in the input",
    )


def sizes_of_config(config: Config, samples: int = 0, tumors: int = 0, genes: int = 0) -> Sizes:
    """The sizes of a run before prepare, from what the user names and from the settings.

    `samples`, `tumors` and `genes` are their numbers; 0 takes those of `[synthesize]`, and for
    genes `cohort.genes`, at most as many as the matrix has.
    """
    made_up = config.synthesize
    n_tumors = tumors or len(config.cohort.tumors) or len(made_up.tumors)
    at_most = _input_genes(config)
    square = math.isqrt(min(at_most, MAX_GENES)) ** 2
    n_genes = genes or min(config.cohort.genes or square, at_most)
    return Sizes(
        n_samples=samples or n_tumors * made_up.samples_per_tumor,
        n_genes=n_genes,
        n_decoys=len(config.layout.decoy_genes) or _n_decoys(config, np.arange(n_genes)),
        n_tumors=n_tumors,
        n_input_genes=max(n_genes, _input_genes(config)),
        source="as asked for" if samples else "as in [synthesize]",
    )


def sizes_of(config: Config, samples: int = 0, tumors: int = 0, genes: int = 0) -> Sizes | None:
    """The sizes of a run; None where neither a cohort, nor the settings, nor the user tells them.

    `samples`, `tumors` and `genes` are as in `sizes_of_config`, and count before cohort.h5.
    """
    if not (samples or tumors or genes):
        try:
            return sizes_of_cohort(config, read_cohort(RunFolder.of(config).cohort, config))
        except TumorcamError:  # prepare has not run yet, or has to run again
            pass
    if config.input.expression and not samples:
        return None
    return sizes_of_config(config, samples, tumors, genes)


def _n_decoys(config: Config, genes: np.ndarray) -> int:
    names = config.layout.decoy_genes if genes.dtype.kind == "U" else ()
    rng = np.random.default_rng(0)  # which changes not how many there are
    decoys = choose_decoys(genes, decoys=config.layout.decoys, decoy_genes=names, rng=rng)
    return len(decoys)


def _input_genes(config: Config) -> int:
    """Genes of the input matrix, as far as the settings tell."""
    return INPUT_GENES if config.input.expression else config.synthesize.genes
