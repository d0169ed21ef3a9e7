"""From a selection to the content of a cohort file: folds, decoys and layouts."""

import functools
from collections.abc import Callable

import numpy as np

from tumorcam.cohort import layout, splits
from tumorcam.cohort.cohort import CohortFile, CohortGenes, CohortLayouts, CohortSamples
from tumorcam.cohort.layout import GeneLayout
from tumorcam.cohort.selection import Selection
from tumorcam.config import Config
from tumorcam.readers import annotation


def prepare_cohort(selection: Selection, config: Config) -> CohortFile:
    """A selection with its held-out folds, decoys and layouts.

    Parameters
    ----------
    selection : Selection
        From `selection.select`.
    config : Config
        Its sections run, splits and layout.

    Raises
    ------
    CohortError
        If a tumor has fewer patients than there are folds, or a gene that `layout.decoy_genes`
        names is not in the selection.
    InputError
        If the layout needs a gene annotation table and there is none, or it has other genes.
    """
    columns = {str(name): cells.to_numpy(str) for name, cells in selection.samples.items()}
    tumors, tumor_index = np.unique(columns["tumor"], return_inverse=True)
    fold = splits.patient_folds(
        columns["patient"], tumor_index, n_folds=config.splits.folds, rng=config.rng("folds")
    )
    decoy_gene = layout.choose_decoys(
        selection.genes,
        decoys=config.layout.decoys,
        decoy_genes=config.layout.decoy_genes,
        rng=config.rng("decoys"),
    )
    layouts = make_layouts(selection, decoy_gene, config)
    return CohortFile(
        expression=selection.expression,
        decoy_expression=permuted_columns(
            selection.expression, decoy_gene, config.rng("decoy permutations")
        ),
        tumors=tumors,
        samples=CohortSamples(**columns, tumor_index=tumor_index.astype(np.int16), fold=fold),
        genes=CohortGenes(selection.genes, selection.variance),
        layouts=CohortLayouts(
            side=layouts[0].side,
            pixel=np.stack([replicate.pixel for replicate in layouts]),
            decoy_gene=decoy_gene,
        ),
        dropped=selection.dropped,
    )


def permuted_columns(
    expression: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(samples, decoys) float32: the expression of each decoy's gene, permuted over all samples.

    Each decoy has a permutation of its own. Such a column is associated with tumors by chance
    alone, as a gene that says nothing about tumors is.
    """
    permuted = np.empty((len(expression), len(decoy_gene)), dtype=np.float32)
    for decoy, gene in enumerate(decoy_gene):
        permuted[:, decoy] = rng.permutation(expression[:, gene])
    return permuted


def make_layouts(selection: Selection, decoy_gene: np.ndarray, config: Config) -> list[GeneLayout]:
    """The layout of each replicate, as the section layout of the config asks for it.

    Parameters
    ----------
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.

    Raises
    ------
    CohortError
        If the image is too small for the decoys to stand apart from the genes that they copy.
    InputError
        If the layout needs a gene annotation table and there is none, or it has other genes.
    """
    make_layout = _layout_function(selection, decoy_gene, config)
    return [
        layout.spread_out(make_layout(config.rng("layout", replicate)), config.layout.spacing)
        for replicate in range(config.layout.replicates)
    ]


def _layout_function(
    selection: Selection, decoy_gene: np.ndarray, config: Config
) -> Callable[[np.random.Generator], GeneLayout]:
    """The function that makes a layout of the configured kind from a random generator."""
    match config.layout.kind:
        case "variance":
            return functools.partial(layout.variance_layout, selection.variance, decoy_gene)
        case "chromosome":
            path = annotation.annotation_files(config.layout)[0]
            order = annotation.chromosome_order(path, selection.genes)
            return functools.partial(layout.chromosome_layout, order, decoy_gene)
        case "coexpression":
            tree = layout.coexpression_tree(selection.expression)
            return functools.partial(layout.coexpression_layout, tree, decoy_gene)
        case _:
            return functools.partial(layout.random_layout, len(selection.genes), decoy_gene)
