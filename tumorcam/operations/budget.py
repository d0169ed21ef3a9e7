"""What each stage of a run costs: time by the speed of a machine, disk and memory by sizes.

A stage is a start of each process, units of work that processes divide, and a serial rest. The
wall time counts whole units: with more processes than units some processes are idle.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from tumorcam.explain.shards import BAND
from tumorcam.explain.views import ranking_keys
from tumorcam.faithfulness.deletion import BLOCK, CHANGES
from tumorcam.faithfulness.gene_sets import RETRAINED, RETRAINED_DRAWS, n_sets, set_sizes
from tumorcam.operations.cost import FLOAT32, cost_of
from tumorcam.operations.probe import Probe
from tumorcam.operations.sizes import Sizes
from tumorcam.settings.config import Config
from tumorcam.significance.band_values import IN_MEMORY
from tumorcam.significance.resampling import N_BOOTSTRAPS, N_FLIPS
from tumorcam.training.baselines import MAX_LEARNED
from tumorcam.training.shapes import n_operations

FLOAT64 = 8  # bytes
TABLE_BYTES = 360  # of significance.h5 for a gene of a tumor in a ranking: the demo has 50 MB
REPORT_BYTES = 400  # of all files of the report for the same: the demo has 55 MB
TEXT_OF_REPORT = 0.6  # of the seconds that grow with these: 11 tumors, 1,024 to 4,096 genes
FIGURES_OF_CHECKS = 1.35  # seconds of that report over those of one without faithfulness
TREE_BYTES = 14  # of memory for a pair of genes in a co-expression tree: 1.8 GB for 11,449
SHARDS_AT_ONCE = 3  # in the memory of explain: at work, being joined, being written
COPIES_OF_EXPRESSION = 3  # in the memory of the baselines: as read, standardised, at work
COPIES_OF_VALUES = 3  # of a tumor in the memory of reduce: sums, means of samples, of patients


class Units(NamedTuple):
    """Equal units of work that processes divide, and the seconds of one process for each."""

    n: int
    seconds: float


@dataclass(frozen=True)
class StageBudget:
    """The cost of one stage.

    Attributes
    ----------
    stage : str
        The job, such as train.
    threads : int
        Of each process.
    start : float
        Seconds of each process beside its units.
    units : tuple of Units
        What processes divide, one kind after the other.
    serial : float
        Seconds of one process, while the others wait.
    beside : float
        Seconds of one more unit, for which an idle process is taken where there is one.
    disk : int
        Bytes of its files at most.
    scratch, shared : int
        Bytes of temporary files of each process, and of all processes together.
    memory : int
        Peak bytes of one process.
    """

    stage: str
    threads: int
    start: float
    units: tuple[Units, ...] = ()
    serial: float = 0.0
    beside: float = 0.0
    disk: int = 0
    scratch: int = 0
    shared: int = 0
    memory: int = 0

    def n_working(self, n_processes: int) -> int:
        """Processes that have something to do, of as many as there are."""
        return max(1, min(n_processes, max((units.n for units in self.units), default=1)))

    def seconds(self, n_processes: int) -> float:
        """Wall time of the stage with so many processes."""
        divided = sum(math.ceil(units.n / n_processes) * units.seconds for units in self.units)
        n_first, seconds = self.units[0] if self.units else (0, 0.0)
        n_full, n_busy = divmod(n_first, n_processes)
        with_beside = (n_full * seconds if n_busy else divided) + self.beside
        return self.start + max(divided, with_beside) + self.serial

    def core_seconds(self, n_processes: int) -> float:
        """Seconds of all cores together that so many processes keep busy."""
        divided = sum(units.n * units.seconds for units in self.units)
        starts = self.start * self.n_working(n_processes)
        return self.threads * (starts + divided + self.serial + self.beside)


def budgets(config: Config, sizes: Sizes, probe: Probe, n_processes: int) -> dict[str, StageBudget]:
    """The cost of each stage of a run from nothing, by the name of its job.

    Parameters
    ----------
    sizes : Sizes
        Of the run.
    probe : Probe
        The speed of the machine; for images of another side, seconds of networks grow with their
        operations.
    n_processes : int
        Processes of each parallel stage, on all nodes together.
    """
    reckoning = _Reckoning(config, sizes, probe, n_processes)
    stages = [
        reckoning.synthesize(),
        reckoning.prepare(),
        reckoning.train(),
        reckoning.explain(),
        reckoning.reduce(),
        reckoning.faithfulness(),
        reckoning.report(),
    ]
    return {stage.stage: stage for stage in stages}


class _Reckoning:
    """The cost of each stage from the sizes of a run and the speed of a machine."""

    def __init__(self, config: Config, sizes: Sizes, probe: Probe, n_processes: int) -> None:
        self.config, self.sizes, self.probe, self.n_processes = config, sizes, probe, n_processes
        self.n_replicates, self.n_folds = config.layout.replicates, config.splits.folds
        self.n_runs = 1 + config.layout.nulls
        self.n_models = self.n_replicates * self.n_folds * self.n_runs
        self.n_rankings = len(ranking_keys(config.explain.methods))
        self.n_pairs = self.n_rankings * sizes.n_tumors * sizes.n_genes
        self.threads = min(config.run.threads_per_rank, probe.threads)
        self.cost = cost_of(config, sizes)
        operations = [
            n_operations(config.model, side, sizes.n_tumors)[0]
            for side in (sizes.side(config), probe.side)
        ]
        self.growth = operations[0] / operations[1]

    def synthesize(self) -> StageBudget:
        """A cohort with planted genes."""
        n_values = self.sizes.n_samples * self.sizes.n_input_genes
        seconds = self.probe.job_start + n_values * self.probe.write_value
        return StageBudget("synthesize", 1, seconds, memory=self.probe.text_peak)

    def prepare(self) -> StageBudget:
        """Reading the input, and the layouts."""
        sizes, probe = self.sizes, self.probe
        n_values, n_pairs = sizes.n_samples * sizes.n_input_genes, sizes.n_genes**2
        has_tree = self.config.layout.kind == "coexpression"
        seconds = n_values * probe.read_value + n_pairs * probe.tree_pair * has_tree
        return StageBudget(
            stage="prepare",
            threads=1,
            start=probe.job_start + seconds + self.cost.cohort / probe.write_rate,
            disk=self.cost.cohort,
            scratch=FLOAT32 * n_values,
            memory=probe.text_peak + self.cost.prepare + TREE_BYTES * n_pairs * has_tree,
        )

    def train(self) -> StageBudget:
        """The networks, a process each, and the baselines."""
        sizes, probe, training = self.sizes, self.probe, self.config.training
        n_held_out = sizes.n_samples / self.n_folds
        n_outside = sizes.n_samples - n_held_out
        n_validation = n_outside * training.validation
        n_steps = math.ceil((n_outside - n_validation) / training.batch_size)
        step = training.batch_size * probe.train_sample * self.growth
        forward = probe.forward_sample * self.growth
        epochs = training.epochs * (n_steps * step + n_validation * forward)
        model = probe.train_start + epochs + n_held_out * forward
        baselines = probe.job_start + self.n_folds * self._regression(n_outside, sizes.n_genes)
        n_values = min(sizes.n_samples, MAX_LEARNED) * sizes.n_genes
        return StageBudget(
            stage="train",
            threads=self.threads,
            start=probe.job_start,  # of the process that starts one for each model
            units=(Units(self.n_models, model),),
            beside=baselines,
            disk=self.cost.models,
            scratch=self.cost.training,
            memory=max(
                probe.train_peak,
                probe.base_peak + COPIES_OF_EXPRESSION * FLOAT32 * n_values,
            ),
        )

    def explain(self) -> StageBudget:
        """The shards; a process reads a model for each shard of another model."""
        sizes, probe, block = self.sizes, self.probe, self.config.explain.block
        n_held_out = sizes.n_samples / self.n_folds
        n_of_model = math.ceil(n_held_out / block)
        n_shards = self.n_models * n_of_model
        n_loads = self.n_models * min(n_of_model, self.n_processes)
        n_computed = self._in_batches(n_held_out)
        seconds = n_computed / n_of_model * probe.explain_sample * self.growth
        values = min(block, math.ceil(n_held_out)) * sizes.n_columns * self.n_rankings
        return StageBudget(
            stage="explain",
            threads=self.threads,
            start=probe.explain_start,
            units=(Units(n_shards, seconds), Units(n_loads, probe.model_load)),
            disk=self.cost.shards,
            memory=probe.explain_peak + SHARDS_AT_ONCE * 2 * values,
        )

    def reduce(self) -> StageBudget:
        """Checking the shards, then bands of columns, then rankings."""
        sizes, probe = self.sizes, self.probe
        n_values = sizes.n_samples * self.n_replicates
        column = self.n_runs * (
            n_values * probe.reduce_value
            + sizes.n_samples * probe.patient_value
            + sizes.n_tumors * probe.tumor_value
        )
        gene = sizes.n_samples * probe.gene_patient_value + sizes.n_tumors * probe.gene_tumor_value
        n_bands = math.ceil(sizes.n_columns / BAND)
        columns = sizes.n_columns * column + sizes.n_genes * gene
        band = probe.band_file + self.n_rankings * (probe.band_ranking + columns / n_bands)
        ranking = self.n_pairs / self.n_rankings * probe.rank_pair
        check = self.cost.shards / self.n_models / probe.read_rate
        tables = TABLE_BYTES * self.n_pairs
        boots = FLOAT32 * N_BOOTSTRAPS * self.n_pairs
        return StageBudget(
            stage="reduce",
            threads=self.threads,
            start=probe.job_start,
            units=(
                Units(self.n_models, check),
                Units(n_bands, band),
                Units(self.n_rankings, ranking),
            ),
            serial=tables / probe.write_rate,
            disk=tables,
            scratch=2 * self.n_rankings * n_values * self.n_runs * BAND,
            shared=boots + self.n_rankings * self._model_scores(sizes.n_columns),
            memory=probe.base_peak + max(self._band_bytes(), self._ranking_bytes()),
        )

    def faithfulness(self) -> StageBudget:
        """Images with changed genes, then logistic regressions on a few genes."""
        sizes, probe, checks = self.sizes, self.probe, self.config.faithfulness
        n_methods, n_replicates = len(self.config.explain.methods), checks.replicates
        n_replicates = min(n_replicates, self.n_replicates)
        n_chosen = sizes.n_samples
        if checks.samples:
            n_chosen = min(n_chosen, checks.samples * sizes.n_tumors)
        n_blocks = n_replicates * self.n_folds * math.ceil(n_chosen / self.n_folds / BLOCK)
        n_copies = 2 + len(CHANGES) * len(set_sizes(sizes.n_genes)) * n_sets(n_methods)
        n_images = n_chosen * n_replicates * n_copies
        n_loads = n_replicates * self.n_folds
        n_loads *= min(self.n_processes, n_blocks // n_loads)  # each process reads all models
        n_regressed = min(sizes.n_genes, RETRAINED * sizes.n_tumors)
        n_outside = sizes.n_samples * (self.n_folds - 1) / self.n_folds
        regression = self.n_folds * self._regression(n_outside, n_regressed)
        return StageBudget(
            stage="faithfulness",
            threads=self.threads,
            start=probe.tensorflow_start,
            units=(
                Units(n_blocks, n_images / n_blocks * probe.forward_sample * self.growth),
                Units(n_loads, probe.model_load),
                Units(n_methods * (2 + RETRAINED_DRAWS) + 1, regression),
            ),
            memory=probe.forward_peak + FLOAT32 * sizes.n_samples * n_regressed,
        )

    def report(self) -> StageBudget:
        """The tables, figures and the page."""
        probe = self.probe
        seconds = FIGURES_OF_CHECKS * probe.report_start
        seconds += self.n_pairs * probe.report_pair / TEXT_OF_REPORT
        return StageBudget(
            stage="report",
            threads=1,
            start=seconds,
            disk=REPORT_BYTES * self.n_pairs,
            memory=probe.report_peak + TABLE_BYTES * self.n_pairs,
        )

    def _in_batches(self, n_samples: float) -> int:
        """Samples that explaining a model's samples computes: each shard fills its last batch."""
        explain = self.config.explain
        size = explain.batch_size
        n_full, rest = divmod(math.ceil(n_samples), explain.block)
        return size * (n_full * math.ceil(explain.block / size) + math.ceil(rest / size))

    def _regression(self, n_samples: float, n_genes: int) -> float:
        """Seconds of a logistic regression."""
        n_learned = min(n_samples, MAX_LEARNED)
        return n_learned * n_genes * self.sizes.n_tumors * self.probe.regression_value

    def _model_scores(self, n_columns: int) -> int:
        """Bytes of the scores of all models for so many columns of a ranking."""
        return FLOAT64 * self.n_models * self.sizes.n_tumors * n_columns

    def _band_bytes(self) -> int:
        """Memory of a band: the values of one tumor, and the scores of all models."""
        n_of_tumor = math.ceil(self.sizes.n_samples / self.sizes.n_tumors)
        values = COPIES_OF_VALUES * FLOAT64 * BAND * (n_of_tumor + N_FLIPS)
        return IN_MEMORY + values + 2 * self._model_scores(BAND)

    def _ranking_bytes(self) -> int:
        """Memory of a ranking: scores of all models, and the flips of one tumor."""
        flips = 2 * FLOAT64 * N_FLIPS * self.sizes.n_genes
        return 2 * self._model_scores(self.sizes.n_columns) + flips
