"""A run of drawn numbers, on which the speed of a machine is measured."""

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, plan_of, read_cohort, write_cohort
from tumorcam.cohort.images import Scaler
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.cohort.summary import count_by_type
from tumorcam.cohort.tally import tally_of
from tumorcam.explain.shards import MethodMaps, Shard, shard_attributes, write_shard
from tumorcam.explain.views import VIEWS
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.settings.config import Config, config_toml
from tumorcam.storage import hdf5
from tumorcam.storage.plan import ModelKey, Plan, ShardKey, write_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import StoredValues
from tumorcam.training.artifact import (
    HeldOut,
    TrainedModel,
    model_attributes,
    model_digest,
    write_model,
)
from tumorcam.training.baselines import BASELINE_METHODS, Baselines, write_baselines

DRIVERS = 20  # genes of a tumor whose saliency is raised
LAYERS = '[{"name": "logits", "kind": "Dense", "output": [1], "weights": 1}]'


def draw_cohort(config: Config, n_samples: int, n_genes: int, n_tumors: int) -> Cohort:
    """Write cohort.h5, plan.json and config.toml of patients with one sample each.

    `n_samples`, `n_genes` and `n_tumors` are their numbers; the expression of all genes is normal
    around 5, with a standard deviation of 2.
    """
    rng, run = np.random.default_rng(0), RunFolder.of(config)
    samples = pd.DataFrame({"sample": [f"S{i:06d}" for i in range(n_samples)]})
    samples["patient"] = samples["sample"]
    samples["tumor"] = [f"T{i % n_tumors:03d}" for i in range(n_samples)]
    samples["sample_type"], samples["source"] = "01", "drawn"
    expression = 5 + 2 * rng.standard_normal((n_samples, n_genes), dtype=np.float32)
    selection = Selection(
        expression=StoredValues.of(expression.T),
        samples=samples,
        genes=np.array([f"G{i:06d}" for i in range(n_genes)]),
        variance=expression[:200].var(axis=0).astype(np.float64),
        dropped=pd.DataFrame(columns=list(Drop._fields), dtype=str),
        facts=pd.DataFrame(columns=list(Fact._fields), dtype=str),
        counts=count_by_type(samples, samples),
        tally=tally_of(),
    )
    write_cohort(run.cohort, prepare_cohort(selection, config), config, "drawn")
    cohort = read_cohort(run.cohort, config)
    write_plan(run.plan, plan_of(cohort, config))
    hdf5.write_text(run.config, config_toml(config))
    return cohort


def draw_results(config: Config, cohort: Cohort, plan: Plan) -> None:
    """Write models, baselines and shards, with drawn numbers in place of what is learned.

    Each tumor has some genes of raised saliency, and all samples are classified correctly.
    """
    run, rng = RunFolder.of(config), np.random.default_rng(1)
    perfect = np.eye(len(cohort.tumors), dtype=np.float32)[cohort.tumor]
    digests = {}
    for key in plan.models:
        attributes = model_attributes(config, cohort.digest, key.name)
        write_model(run.model(key), attributes, _model(cohort, key, perfect))
        digests[key] = model_digest(run.model(key))
    baselines = dict.fromkeys(BASELINE_METHODS, perfect)
    write_baselines(run.baselines, config, cohort.digest, Baselines(**baselines, digest=""))
    noise = rng.standard_normal((config.explain.block, 2 * cohort.n_columns), dtype=np.float32)
    for shard in plan.shards:
        made_from = shard_attributes(
            config, cohort.digest, digests[shard.model], shard, cohort.n_columns
        )
        content = draw_shard(config, cohort, shard, noise, rng)
        write_shard(run.shard(shard), made_from, content, compression=config.explain.compression)


def draw_shard(
    config: Config, cohort: Cohort, key: ShardKey, noise: np.ndarray, rng: np.random.Generator
) -> Shard:
    """A shard without cubes, whose maps are rows of shared noise, shifted by some genes.

    Parameters
    ----------
    noise : (samples of a block, 2 x columns) float32
        Drawing it anew for each map would take long.
    rng : Generator
        Draws the rows and the shift.
    """
    index, n_columns = cohort.rows_of(key), cohort.n_columns
    tumor = cohort.tumor[index].astype(np.int16)
    raised = np.arange(n_columns) // DRIVERS == tumor[:, np.newaxis]

    def draw() -> np.ndarray:
        shift = rng.integers(n_columns)
        rows = rng.permutation(len(noise))[: len(index)]
        values = noise[rows, shift : shift + n_columns] + 0.5 * raised
        return np.asarray(values.astype(np.float16))

    scale = np.ones(len(index), np.float32)
    return Shard(
        sample_index=index.astype(np.int32),
        tumor=tumor,
        predicted=tumor,
        probability=np.eye(len(cohort.tumors), dtype=np.float32)[tumor],
        sample=cohort.sample[index],
        target=tumor,
        rivals=np.zeros((len(index), config.explain.rivals), np.int16),
        methods={
            name: MethodMaps(
                **{view: draw() for view in VIEWS}, scale=scale, cube=None, cube_scale=None
            )
            for name in config.explain.methods
        },
    )


def _model(cohort: Cohort, key: ModelKey, perfect: np.ndarray) -> TrainedModel:
    """A model without weights that calls all its held-out samples correctly."""
    layout, held_out = cohort.layout_of(key), np.flatnonzero(cohort.fold == key.fold)
    scores = {name: [1.0] for name in ("training_loss", "validation_loss", "validation_accuracy")}
    n_genes = len(cohort.genes)
    return TrainedModel(
        layers=LAYERS,
        best_epoch=0,
        kept_epoch=0,
        history=pd.DataFrame({"epoch": [0], **scores, "learning_rate": [0.1], "seconds": [1.0]}),
        convolution_share=1.0,
        digest="",
        tumors=cohort.tumors,
        genes=cohort.genes,
        side=layout.side,
        pixel=layout.pixel,
        decoy_gene=layout.decoy_gene,
        scaler=Scaler(np.full(n_genes, 5, np.float32), np.full(n_genes, 2, np.float32)),
        weights=(),
        role=np.zeros(len(cohort.tumor), np.int8),
        held_out=HeldOut(held_out.astype(np.int32), perfect[held_out]),
    )
