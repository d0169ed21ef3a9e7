"""Logits of held-out samples some of whose genes are deleted, replaced or alone inserted."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tumorcam.cluster.logs import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import place_genes
from tumorcam.cohort.layout import GeneLayout
from tumorcam.config import Config
from tumorcam.explain.explain import read_run_model
from tumorcam.faithfulness.deletion import CHANGES, DONOR, INSERTION, Block, Responses
from tumorcam.faithfulness.gene_sets import GeneSets, random_genes
from tumorcam.storage.plan import ModelKey
from tumorcam.training.network import TrainedModel

BATCH = 256  # images; always full, so that no bit depends on who computes which samples


def respond(
    folder: Path,
    cohort: Cohort,
    wanted: dict[int, Block],
    sets: GeneSets,
    config: Config,
    *,
    shown: bool = True,
) -> Iterator[tuple[int, Responses]]:
    """How the networks respond to every changed copy of the samples of some blocks, one by one.

    Parameters
    ----------
    wanted : dict
        Blocks by their number in the run; those of one model stand together.

    Yields
    ------
    tuple
        A block's number and responses.

    Raises
    ------
    FileError, ModelError
        If a model is missing, damaged, or belongs to another cohort.
    """
    traced: dict[ModelKey, TracedModel] = {}  # the last one alone
    for number, block in progress(wanted.items(), "faithfulness", "blocks", visible=shown):
        if block.model not in traced:
            trained = read_run_model(folder, cohort, block.model, config)
            traced = {block.model: TracedModel(trained)}
        yield number, respond_block(cohort, block, traced[block.model], sets, config)


class TracedModel:
    """A model of a run whose network is traced once."""

    def __init__(self, trained: TrainedModel) -> None:
        self.scaler, self.layout = trained.scaler, trained.layout
        self._forward = tf.function(lambda images: trained.network(images, training=False))

    def logits(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """(rows, tumors) float32 logits of the rows of all parts, computed in full batches.

        Parameters
        ----------
        parts : iterable of (rows, genes + decoys) float32
            Standardised; the last batch is filled up with zeros, whose logits are left out.
        """
        found = []
        for features in full_batches(parts, BATCH):
            missing = BATCH - len(features)
            filled = np.pad(features, [(0, missing), (0, 0)]) if missing else features
            logits = self._forward(tf.constant(place_genes(filled, self.layout)))
            found.append(logits.numpy()[: len(features)])
        return np.concatenate(found)


def respond_block(
    cohort: Cohort, block: Block, traced: TracedModel, sets: GeneSets, config: Config
) -> Responses:
    """Responses of one model to all changed copies of a block's samples."""
    own = cohort.tumor[block.rows]
    features = traced.scaler.standardise(cohort.expression(block.rows))
    donors = donor_samples(cohort, block.rows, config)
    several, which = np.unique(donors, return_inverse=True)
    donated = traced.scaler.standardise(cohort.expression(several))[which]

    def copies() -> Iterator[np.ndarray]:
        for i, sample in enumerate(cohort.sample[block.rows].tolist()):
            of_random = [
                [order[:k] for k in sets.sizes]
                for order in random_genes(sample, len(cohort.genes), config)
            ]
            genes = [*sets.of_tumor(own[i]), *of_random]
            yield changed_copies(features[i], donated[i], genes, traced.layout)

    logits = traced.logits(copies())
    return Responses.of_logits(logits.reshape(len(own), -1, logits.shape[1]), own)


def changed_copies(
    sample: np.ndarray,
    donor: np.ndarray,
    genes: Sequence[Sequence[np.ndarray]],
    gene_layout: GeneLayout,
) -> np.ndarray:
    """A sample as it is, blank, and with each set of genes changed in each way.

    A decoy is another pixel than its gene: it keeps the sample's value when its gene is deleted or
    replaced, and is 0, the training mean, where genes are inserted into a blank image.

    Parameters
    ----------
    sample, donor : (genes,) float32
        Standardised values of the sample and of the one whose values replace it.
    genes : sequence of sequences of (k,) int
        For each set its genes, an array a size.

    Returns
    -------
    (2 + changes x sets x sizes, genes + decoys) float32
        In the order of CHANGES, then of sets, then of sizes.
    """
    intact = sample[gene_layout.source_gene]
    copies = [intact, np.zeros_like(intact)]
    for change in CHANGES:
        for of_set in genes:
            for chosen in of_set:
                copy = np.zeros_like(intact) if change == INSERTION else intact.copy()
                if change == INSERTION:
                    copy[chosen] = sample[chosen]
                else:
                    copy[chosen] = donor[chosen] if change == DONOR else 0
                copies.append(copy)
    return np.stack(copies)


def donor_samples(cohort: Cohort, rows: np.ndarray, config: Config) -> np.ndarray:
    """(samples,) int: for each sample one of another tumor, by the run's seed and its ID."""
    return np.array(
        [
            config.rng("donor", str(cohort.sample[row])).choice(
                np.flatnonzero(cohort.tumor != cohort.tumor[row])
            )
            for row in rows
        ],
        dtype=int,
    )


def full_batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The rows of all parts in their order, so many at once; the last may be fewer."""
    rest: np.ndarray | None = None
    for part in parts:
        rest = part if rest is None else np.concatenate([rest, part])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest is not None and len(rest):
        yield rest
