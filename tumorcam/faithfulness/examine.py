"""Every check of the rankings, from the files of a run to faithfulness.h5."""

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tumorcam.cluster import ranks
from tumorcam.cluster.logs import logger
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import Cohort
from tumorcam.explain.views import RankingKey
from tumorcam.faithfulness import deletion, gene_sets, ranking_checks, results, retraining
from tumorcam.faithfulness.deletion import ResponseBlock
from tumorcam.faithfulness.gene_sets import GeneSets
from tumorcam.faithfulness.results import (
    FAITHFULNESS_TYPE,
    Deletion,
    FaithfulnessChecks,
    Responses,
    SampleFalls,
)
from tumorcam.faithfulness.retraining import Retrained, RetrainTask
from tumorcam.readers.markers import read_markers
from tumorcam.settings.config import Config
from tumorcam.significance import resampling
from tumorcam.significance.tables import read_significance
from tumorcam.significance.truth import read_truth
from tumorcam.storage import chain, hdf5, integrity
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest

Respond = Callable[..., Iterator[tuple[int, Responses]]]  # perturbation.respond


def n_forward_passes(cohort: Cohort, config: Config) -> int:
    """Number of images that the networks will classify."""
    n_changed = len(deletion.CHANGES) * len(gene_sets.set_sizes(len(cohort.genes)))
    n_copies = 2 + n_changed * gene_sets.n_sets(len(config.explain.methods))
    return sum(len(block.rows) for block in blocks_of(cohort, config)) * n_copies


def blocks_of(cohort: Cohort, config: Config) -> list[ResponseBlock]:
    """The samples in which genes are changed, in blocks by the network that classifies them."""
    replicates = min(config.faithfulness.replicates, cohort.n_replicates)
    return deletion.make_blocks(cohort.fold, deletion.choose_samples(cohort, config), replicates)


def examine_run(
    run: RunFolder, cohort: Cohort, config: Config, world: Ranks, respond: Respond
) -> None:
    """Write faithfulness.h5, unless it exists and was made from the present files.

    Each rank classifies the changed samples of its blocks and writes a file for each block, which
    a rerun keeps. Each rank also retrains on its share of the gene sets. Rank 0 does the rest.

    Parameters
    ----------
    respond : callable
        `perturbation.respond`, which needs TensorFlow.

    Raises
    ------
    FileError, InputError
        If tables, models or the list of markers are missing, damaged or foreign.
    """
    is_marker = read_markers(config.faithfulness, cohort.tumors, cohort.genes)
    attributes = file_attributes(run, cohort, config)
    is_done = functools.partial(hdf5.is_complete, run.faithfulness, FAITHFULNESS_TYPE, attributes)
    if ranks.on_root(world, is_done):
        logger.info("faithfulness.h5 is there already")
        return
    work = world.broadcast(plan_work(run, cohort, config) if world.is_root else None)
    share = slice(world.rank, None, world.size)
    paths = [run.response(i) for i in range(len(work.blocks))]
    missing = {
        i: block
        for i, block in list(enumerate(work.blocks))[share]
        if not results.has_responses(paths[i], attributes)
    }
    for i, response in respond(run, cohort, missing, work.sets, config, visible=world.is_root):
        results.write_responses(paths[i], attributes, response)
    logger.info("retraining on the top genes")
    tasks = dict(list(enumerate(work.tasks))[share])
    rows = world.gather(retraining.retrain(cohort, tasks, config))
    if rows is None:
        return
    with threadpool_limits(config.run.threads_per_rank):  # on which bits of matrix products depend
        checks = _checks(run, cohort, config, work, is_marker, rows)
    results.write_faithfulness(run.faithfulness, attributes, checks)
    shutil.rmtree(run.responses)
    logger.info("faithfulness.h5 written")


@dataclass(frozen=True)
class Work:
    """What the ranks divide: samples in `blocks`, and genes to retrain on in `tasks`."""

    sets: GeneSets
    blocks: list[ResponseBlock]
    tasks: list[RetrainTask]
    t_statistic: np.ndarray


def plan_work(run: RunFolder, cohort: Cohort, config: Config) -> Work:
    """The gene sets of all methods in the report's view, and what is computed with them."""
    significance = read_significance(run.significance, cohort.digest)
    scores = {
        method: significance.ranking(RankingKey(method, config.report.view)).score
        for method in significance.methods
    }
    t_statistic = gene_sets.t_statistics(cohort)
    return Work(
        sets=gene_sets.make_gene_sets(scores, t_statistic, cohort.variance),
        blocks=blocks_of(cohort, config),
        tasks=retraining.retrain_tasks(scores, t_statistic, cohort, config),
        t_statistic=t_statistic,
    )


def file_attributes(run: RunFolder, cohort: Cohort, config: Config) -> dict[str, str]:
    """Root attributes of faithfulness.h5, which say what it was made from and with.

    Raises
    ------
    FileError
        If the tables or a model are missing or damaged.
    """
    keys = dict.fromkeys(block.model for block in blocks_of(cohort, config))
    models = [model_digest(run.model(key)) for key in keys]
    return (
        {
            "cohort_digest": cohort.digest,
            "significance_digest": read_significance(run.significance, cohort.digest).digest,
            "models_digest": integrity.text_digest("".join(models)),
            "view": config.report.view,
        }
        | chain.made_with(config, results.STAGE)
        | results.list_digests(run, config)
    )


def _checks(
    run: RunFolder,
    cohort: Cohort,
    config: Config,
    work: Work,
    is_marker: np.ndarray | None,
    rows: Sequence[dict[int, Retrained]],
) -> FaithfulnessChecks:
    """All checks, of finished responses and retraining."""
    significance = read_significance(run.significance, cohort.digest)
    truth = read_truth(run.input.truth, cohort.tumors, cohort.genes)
    drives = truth.drives if truth is not None else None
    samples, curves = _deletion(run, cohort, config, work)
    markers = planted = None
    levels = ranking_checks.levels_of(config)
    if is_marker is not None:
        markers = ranking_checks.marker_lifts(significance, is_marker, work.t_statistic)
    if truth is not None:
        planted = ranking_checks.planted_scores(
            significance, truth, work.t_statistic, levels=levels
        )
    return FaithfulnessChecks(
        tumors=cohort.tumors,
        methods=np.array(significance.methods),
        rankings=np.array([key.name for key in significance.keys]),
        changes=deletion.CHANGES,
        controls=deletion.CONTROLS,
        samples=samples,
        deletion=curves,
        retrained=retraining.retrained_table(ranks.in_order(rows)),
        stability=ranking_checks.stability_of(significance, config),
        nulls=ranking_checks.null_agreement(significance, drives),
        entrapment=ranking_checks.entrapment_of(significance, levels=levels),
        markers=markers,
        planted=planted,
        marker_file=Path(config.faithfulness.markers).name,
    )


def _deletion(
    run: RunFolder, cohort: Cohort, config: Config, work: Work
) -> tuple[SampleFalls, Deletion]:
    """The falls of all samples, and their curves by tumor."""
    responses = [results.read_responses(run.response(i)) for i in range(len(work.blocks))]
    falls = deletion.sample_falls(work.blocks, responses, work.sets, cohort.tumor)
    patients = resampling.group_patients(cohort, falls.sample, config)
    min_patients = config.significance.min_patients
    curves = deletion.deletion_curves(falls, work.sets, patients, min_patients=min_patients)
    return falls.as_float32(), curves
