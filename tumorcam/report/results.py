"""The records of a finished run that the report is made of, read from its files."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tumorcam.cohort.cohort import Cohort, planned, read_cohort
from tumorcam.cohort.images import place_genes, standardised_features
from tumorcam.explain.shards import read_cube, read_predictions
from tumorcam.explain.views import RankingKey, require_key
from tumorcam.settings.config import Config
from tumorcam.significance.exact_sums import known_mean
from tumorcam.significance.tables import Significance, read_significance
from tumorcam.significance.truth import PlantedTruth, read_truth
from tumorcam.storage import chain
from tumorcam.storage.plan import ModelKey, Plan, ShardKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import LearningRecord, read_learning, read_scaler
from tumorcam.training.baselines import Baselines, read_baselines


@dataclass(frozen=True)
class Example:
    """The input image and the saliency cube of one held-out sample.

    Attributes
    ----------
    sample, tumor : str
        The sample and its tumor, which the network called correctly.
    probability : float
        The network's probability of that tumor.
    model, method : str
        The network and the saliency method.
    image : (rows, columns) float32
        Expression in training SD from the mean, 0 on empty pixels.
    saliency : (rows, columns) float32
        Signed saliency in UNITS of the method.
    pixel : (genes + decoys,) int
        Index of each gene's and decoy's pixel, row by row.
    labels : (genes + decoys,) str
        Name of each gene and decoy.
    """

    sample: str
    tumor: str
    probability: float
    model: str
    method: str
    image: np.ndarray
    saliency: np.ndarray
    pixel: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Run:
    """Everything that the report is made of.

    `networks` are those that explained any sample: in a partial run some are missing. `example` is
    None where no saliency cube is kept, `truth` where no driver was planted.
    """

    config: Config
    cohort: Cohort
    plan: Plan
    results: Significance
    networks: Mapping[ModelKey, LearningRecord]
    baselines: Baselines
    example: Example | None
    truth: PlantedTruth | None

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder.of(self.config)

    @property
    def first_ranking(self) -> RankingKey:
        """The ranking that the page shows first."""
        return RankingKey(self.config.report.method, self.config.report.view)

    @property
    def convolution_share(self) -> float:
        """The share of the held-out logits through the convolutions, mean over the networks."""
        shares = [network.convolution_share for network in self.networks.values()]
        return float(known_mean(np.array(shares)))

    @property
    def networks_text(self) -> str:
        """How many networks explained samples, such as "8 networks (4 replicates × 2 folds)"."""
        n_folds = len({key.fold for key in self.networks})
        parts = f"({_count(self.n_replicates, 'replicate')} × {_count(n_folds, 'fold')})"
        n, n_planned = len(self.networks), len(self.plan.models)
        if n == n_planned:
            return f"{_count(n, 'network')} {parts}"
        is_product = n == self.n_replicates * n_folds
        return f"{n} of {_count(n_planned, 'network')}{f' {parts}' if is_product else ''}"

    @property
    def n_patients(self) -> int:
        """Number of different patients of the cohort."""
        return len(set(self.cohort.patient.tolist()))

    @property
    def n_replicates(self) -> int:
        """Number of replicates that explained any sample."""
        return len({key.replicate for key in self.networks})


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def read_results(folder: RunFolder, cohort: Cohort, config: Config) -> Significance:
    """The finished tables of a run folder, whose cohort is given.

    Raises
    ------
    FileError
        If they are missing, damaged, or made from another cohort or with other settings.
    """
    results = read_significance(folder.significance, cohort.digest)
    chain.require_settings(folder.significance, {chain.CONFIG: results.config}, config, "reduce")
    return results


def read_run(config: Config) -> Run:
    """Read a finished run.

    Raises
    ------
    FileError
        If a file is missing, damaged, or made from another cohort or with other settings.
    ConfigError
        If the ranking to show first was not computed.
    """
    folder = RunFolder.of(config)
    cohort = read_cohort(folder.cohort, config)
    plan = planned(folder, config)
    results = read_results(folder, cohort, config)
    require_ranking(results, RankingKey(config.report.method, config.report.view))
    present = [key for key in plan.shards if key.name not in results.missing_shards]
    networks = sorted({key.model for key in present}, key=plan.models.index)
    return Run(
        config=config,
        cohort=cohort,
        plan=plan,
        results=results,
        networks={key: read_learning(folder.model(key), cohort.digest) for key in networks},
        baselines=read_baselines(folder.baselines, cohort.digest),
        example=read_example(folder, present, cohort, config.explain.cubes),
        truth=read_truth(folder.input.truth, cohort.tumors, cohort.genes),
    )


def require_ranking(results: Significance, key: RankingKey) -> None:
    """Check that a run has a ranking.

    Raises
    ------
    ConfigError
        If it does not.
    """
    require_key(key, results.keys, str(results.path))


def read_example(
    folder: RunFolder, keys: list[ShardKey], cohort: Cohort, cubes: tuple[str, ...]
) -> Example | None:
    """The most probable correctly called sample of the first shard.

    Parameters
    ----------
    keys : list of ShardKey
        Shards that the tables were made from, in the order of the plan.
    cubes : tuple of str
        Methods whose saliency cubes the shards hold; the example has the first.

    Returns
    -------
    Example or None
        None without cubes, or if that shard has no correct call.

    Raises
    ------
    FileError
        If that shard is missing or damaged.
    """
    if not cubes:
        return None
    key = keys[0]
    predictions = read_predictions(folder.shard(key))
    is_correct = predictions.predicted == predictions.tumor
    if not is_correct.any():
        return None
    probability = predictions.probability.max(axis=1)
    row = int(np.where(is_correct, probability, -1.0).argmax())
    sample, layout = int(predictions.sample_index[row]), cohort.layout_of(key.model)
    expression = cohort.expression(slice(sample, sample + 1))
    scaler = read_scaler(folder.model(key.model))
    decoys = np.char.add("decoy of ", cohort.genes[layout.decoy_gene])
    return Example(
        sample=str(cohort.sample[sample]),
        tumor=str(cohort.tumors[cohort.tumor[sample]]),
        probability=float(probability[row]),
        model=key.model.name,
        method=cubes[0],
        image=place_genes(standardised_features(expression, None, scaler, layout), layout)[
            0, :, :, 0
        ],
        saliency=read_cube(folder.shard(key), cubes[0], row),
        pixel=layout.pixel,
        labels=np.concatenate([cohort.genes, decoys]),
    )
