"""From a selection to the content of a cohort file: folds, decoys and layouts."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.cohort import layout, splits
from tumorcam.cohort.cohort import (
    ENTRAPPED,
    CohortFile,
    CohortGenes,
    CohortLayouts,
    CohortSamples,
)
from tumorcam.cohort.layout import GeneLayout
from tumorcam.cohort.selection import Selection
from tumorcam.readers import annotation
from tumorcam.settings.config import Config
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues


def prepare_cohort(selection: Selection, config: Config) -> CohortFile:
    """A selection with its entrapped genes, held-out folds, decoys and layouts.

    Parameters
    ----------
    selection : Selection
        From `selection.select`.
    config : Config
        Its sections run, cohort, splits and layout.

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
    is_entrapped = choose_entrapped(len(selection.genes), config)
    selection = entrap(selection, is_entrapped, config)
    layouts = make_layouts(selection, decoy_gene, config)
    return CohortFile(
        expression=selection.expression,
        decoy_expression=permuted_genes(
            selection.expression, decoy_gene, config.rng("decoy permutations")
        ),
        tumors=tumors,
        samples=CohortSamples(**columns, tumor_index=tumor_index.astype(np.int16), fold=fold),
        genes=CohortGenes(
            np.where(is_entrapped, np.char.add(selection.genes, ENTRAPPED), selection.genes),
            selection.variance,
            is_entrapped,
        ),
        layouts=CohortLayouts(
            side=layouts[0].side,
            pixel=np.stack([of_network.pixel for of_network in layouts]).reshape(
                config.layout.replicates, config.splits.folds, -1
            ),
            decoy_gene=decoy_gene,
        ),
        dropped=selection.dropped,
        facts=selection.facts,
        counts=selection.counts,
        tally=selection.tally,
    )


def choose_entrapped(n_genes: int, config: Config) -> np.ndarray:
    """(genes,) bool: the share `cohort.entrapment` of the genes, drawn at random."""
    n_entrapped = math.ceil(config.cohort.entrapment * n_genes)
    return config.rng("entrapment").permutation(n_genes) < n_entrapped


def entrap(selection: Selection, is_entrapped: np.ndarray, config: Config) -> Selection:
    """A selection in which some genes say nothing about tumors beyond chance.

    Their values are permuted over all samples, each gene by a permutation of its own. They are
    genes ever after, with decoys of their own, so that the share of them among the called pairs
    measures false calls on a real cohort (Wen et al. 2025, doi:10.1038/s41592-025-02719-x).
    """
    if not is_entrapped.any():
        return selection
    rng = config.rng("entrapment permutations")
    expression = StoredValues(selection.expression.folder)
    for genes, band in selection.expression.bands():
        for row in np.flatnonzero(is_entrapped[genes]):
            band[row] = rng.permutation(band[row])
        expression.add_genes(band)
    return dataclasses.replace(selection, expression=expression)


def permuted_genes(
    expression: StoredValues, genes: np.ndarray, rng: np.random.Generator
) -> StoredValues:
    """(given genes, samples): the expression of some genes, permuted over all samples.

    Each gene has a permutation of its own. It is associated with tumors by chance alone, as a gene
    that says nothing about tumors is.

    Parameters
    ----------
    genes : (given genes,) int
        Indices.
    """
    permuted = StoredValues(expression.folder)
    step = max(1, BAND_VALUES // max(1, expression.shape[1]))
    bands = (genes[start : start + step] for start in range(0, max(1, len(genes)), step))
    for band in ahead(lambda genes: _permuted(expression.rows(genes), rng), bands):
        permuted.add_genes(band)
    return permuted


def _permuted(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.permutation(row) for row in rows]) if len(rows) else rows


def make_layouts(selection: Selection, decoy_gene: np.ndarray, config: Config) -> list[GeneLayout]:
    """The layout of each network, the folds of a replicate side by side.

    What its place on the image does to a gene then differs between the patients of the folds, too,
    and averages out.

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
        layout.spread_out(make_layout(config.rng("layout", replicate, fold)), config.layout.spacing)
        for replicate in range(config.layout.replicates)
        for fold in range(config.splits.folds)
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
