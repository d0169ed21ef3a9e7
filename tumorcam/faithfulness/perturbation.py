"""Logits of held-out samples in which genes are deleted, replaced or inserted."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import features_without_decoys
from tumorcam.faithfulness.deletion import CHANGES, DONOR, INSERTION, ResponseBlock
from tumorcam.faithfulness.gene_sets import GeneSets, random_genes
from tumorcam.faithfulness.results import Responses
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import Classifier, load_classifier, network_images

BATCH = 256  # images; always full, so that no bit depends on who computes which samples


def respond(
    run: RunFolder,
    cohort: Cohort,
    blocks: dict[int, ResponseBlock],
    sets: GeneSets,
    config: Config,
    *,
    visible: bool = True,
) -> Iterator[tuple[int, Responses]]:
    """Responses of the networks to all changed copies of the samples of some blocks, in turn.

    Parameters
    ----------
    blocks : dict
        Blocks by their number in the run; the blocks of a model stand side by side.

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
    for number, block in progress(blocks.items(), "faithfulness", "blocks", visible=visible):
        if block.model not in traced:
            classifier = load_classifier(run, cohort, block.model, config)
            traced = {block.model: TracedModel(classifier)}
        yield number, respond_block(cohort, block, traced[block.model], sets, config)


class TracedModel:
    """A classifier whose network TensorFlow traces once."""

    def __init__(self, classifier: Classifier) -> None:
        self.scaler, self.layout = classifier.scaler, classifier.layout
        self._network = classifier.network
        self._forward = tf.function(lambda images: classifier.network(images, training=False))

    def logits(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """(rows, tumors) float32 logits of the rows of all parts, computed in full batches.

        Parameters
        ----------
        parts : iterable of (rows, genes + decoys) float32
            Standardised values. Zeros fill up the last batch; their logits are left out.
        """
        batches = []
        for features in full_batches(parts, BATCH):
            missing = BATCH - len(features)
            filled = np.pad(features, [(0, missing), (0, 0)]) if missing else features
            images = network_images(self._network, filled, self.layout)
            logits = self._forward(tf.constant(images))
            batches.append(logits.numpy()[: len(features)])
        return np.concatenate(batches)


def respond_block(
    cohort: Cohort, block: ResponseBlock, traced: TracedModel, sets: GeneSets, config: Config
) -> Responses:
    """Responses of one model to all changed copies of a block's samples."""
    own = cohort.tumor[block.rows]
    features = features_without_decoys(cohort.expression(block.rows), traced.scaler, traced.layout)
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
            yield changed_copies(features[i], donated[i], genes)

    logits = traced.logits(copies())
    return Responses.of_logits(logits.reshape(len(own), -1, logits.shape[1]), own)


def changed_copies(
    sample: np.ndarray, donor: np.ndarray, genes: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Copies of a sample: unchanged, blank, and with each set of genes changed in each way.

    Parameters
    ----------
    sample : (genes + decoys,) float32
        Standardised values of the sample; those of decoys stay as they are.
    donor : (genes,) float32
        Those of the sample whose values replace them.
    genes : sequence of sequences of (k,) int
        For each set an array of genes for each size.

    Returns
    -------
    (2 + changes x sets x sizes, genes + decoys) float32
        In the order of CHANGES, then of sets, then of sizes.
    """
    copies = [sample, np.zeros_like(sample)]
    for change in CHANGES:
        for of_set in genes:
            for chosen in of_set:
                copy = np.zeros_like(sample) if change == INSERTION else sample.copy()
                if change == INSERTION:
                    copy[chosen] = sample[chosen]
                else:
                    copy[chosen] = donor[chosen] if change == DONOR else 0
                copies.append(copy)
    return np.stack(copies)


def donor_samples(cohort: Cohort, rows: np.ndarray, config: Config) -> np.ndarray:
    """(samples,) int: for each sample a random one of another tumor, by the seed and its ID."""
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
    """The rows of all parts in their order, `size` at a time; the last batch may be smaller."""
    rest: np.ndarray | None = None
    for part in parts:
        rest = part if rest is None else np.concatenate([rest, part])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest is not None and len(rest):
        yield rest
