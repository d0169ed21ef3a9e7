"""From shards to tables: bands of genes, then whole rankings; MPI ranks divide both."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tumorcam.cluster import ranks, slurm
from tumorcam.cluster.logs import logger
from tumorcam.cluster.progress import progress
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import FileError
from tumorcam.explain.shards import (
    BAND,
    SALIENCY_TYPE,
    coordinates,
    saliency_attributes,
    shard_digest,
    shard_faults,
    write_saliency,
)
from tumorcam.explain.views import RankingKey
from tumorcam.settings.config import Config
from tumorcam.significance import (
    band_statistics,
    bands,
    decoys,
    held_out,
    resampling,
    statistics,
    tables,
)
from tumorcam.significance.bands import Bands, BandStatistics
from tumorcam.significance.decoys import Scores
from tumorcam.significance.exact_sums import known_mean
from tumorcam.significance.held_out import BandSource
from tumorcam.significance.statistics import PatientStatistics
from tumorcam.significance.tables import (
    SIGNIFICANCE_TYPE,
    Classification,
    DecoyStatistics,
    GeneStatistics,
    NullRuns,
    Ranking,
    SharedTables,
)
from tumorcam.storage import chain, hdf5, integrity
from tumorcam.storage.plan import Plan, ShardKey
from tumorcam.storage.run_folder import RunFolder

TOP = 20  # genes of "decoys in the top 20"
SINGLE = Ranks()
MAX_FAULTS = 5  # faulty shards whose fault an error tells


def reduce_run(
    run: RunFolder,
    cohort: Cohort,
    plan: Plan,
    config: Config,
    world: Ranks,
    *,
    allow_partial: bool = False,
) -> None:
    """Write saliency.h5 and significance.h5, unless they exist and were made from these shards.

    Each rank computes its share of the bands of genes and writes a file for each, which a rerun
    keeps. Then each rank computes its share of the rankings, and rank 0 writes the tables.

    Parameters
    ----------
    allow_partial : bool
        Go on without missing shards; the tables name these.

    Raises
    ------
    FileError
        If shards are missing, damaged or foreign; the message names them and what makes them.
    """
    audit = audit_shards(run, plan, config, world)

    def require_enough() -> None:
        if audit.faults and not (allow_partial and audit.has_predictions):
            raise FileError(_fault_message(audit, plan, run))

    ranks.on_root(world, require_enough)
    sources = {"cohort_digest": cohort.digest, "shards_digest": audit.digest}
    attributes = sources | chain.made_with(config, tables.STAGE)
    of_saliency = saliency_attributes(config, sources)

    def is_done() -> bool:
        return hdf5.is_complete(
            run.significance, SIGNIFICANCE_TYPE, attributes
        ) and hdf5.is_complete(run.saliency, SALIENCY_TYPE, of_saliency)

    if ranks.on_root(world, is_done):
        logger.info("the tables are there already")
        return
    if audit.faults and world.is_root:
        logger.warning("going on without %d shards: all tables are partial", len(audit.faults))
    with threadpool_limits(config.run.threads_per_rank):  # on which bits of matrix products depend
        source = held_out.read_source(run, cohort, config, audit.present)
        paths = _write_bands(source, attributes, world)
        world.barrier()
        parts = _write_rankings(paths, source, attributes, world)
        world.barrier()
        if not world.is_root:
            return
        names = coordinates(cohort.tumors, cohort.genes, cohort.decoy_gene)
        write_saliency(run, plan, source.sample_index, config, sources, names)
        with bands.open_bands(paths) as columns:
            shared = _shared_tables(columns, source, missing=[key.name for key in audit.faults])
        tables.write_significance(run.significance, attributes, shared, parts)
    shutil.rmtree(run.bands)


@dataclass(frozen=True)
class ShardAudit:
    """Faults of shards, the good shards, and one digest of both.

    The digest is over the digests of the good shards and the names of the others.
    """

    faults: dict[ShardKey, str]
    present: list[ShardKey]
    digest: str

    @property
    def has_predictions(self) -> bool:
        """Whether any good shard is of a model that learned the true labels."""
        return not all(key.null for key in self.present)


def audit_shards(run: RunFolder, plan: Plan, config: Config, world: Ranks = SINGLE) -> ShardAudit:
    """Check every byte of every shard of the plan, divided among the ranks."""
    own = plan.explain_tasks[world.rank :: world.size]
    parts = world.gather((shard_faults(run, plan, own, config), integrity.CHECKED))
    gathered = [faults for faults, _ in parts or ()], [checked for _, checked in parts or ()]
    every, checked = world.broadcast(gathered)
    for of_rank in checked:
        integrity.CHECKED.update(of_rank)  # so that no rank reads all shards for it
    of_key = {key: fault for faults in every for key, fault in faults.items()}
    faults = {key: of_key[key] for key in plan.explain_tasks if key in of_key}
    present = [key for key in plan.explain_tasks if key not in faults]
    digests = [shard_digest(run.shard(key)) for key in present]
    names = [key.name for key in faults]
    return ShardAudit(faults, present, integrity.text_digest("".join([*digests, *names])))


def _fault_message(audit: ShardAudit, plan: Plan, run: RunFolder) -> str:
    """The first faults in full, then the names of all faulty shards, and the ways to go on."""
    lines = [f"{len(audit.faults)} of {len(plan.explain_tasks)} shards are not ready:"]
    lines += [f"  {fault}" for fault in list(audit.faults.values())[:MAX_FAULTS]]
    blocks: dict[str, list[int]] = {}
    for key in audit.faults:
        blocks.setdefault(key.model.name, []).append(key.block)
    lines += [f"blocks of {name}: {slurm.array_text(of)}" for name, of in blocks.items()]
    config = shlex.quote(str(run.root))
    lines.append(f"make them with: tumorcam explain {config}, or sbatch slurm/explain.sh {config}")
    if audit.has_predictions:
        lines.append("or go on without them: --allow-partial")
    return "\n".join(lines)


def _write_bands(source: BandSource, attributes: Mapping[str, str], world: Ranks) -> list[Path]:
    """Write this rank's share of the bands, except those that exist; the paths of all bands."""
    n_columns = source.cohort.n_columns
    starts = range(0, n_columns, BAND)
    paths = [source.run.band(i) for i in range(len(starts))]
    share = list(zip(paths, starts, strict=True))[world.rank :: world.size]
    for path, start in progress(share, "reduce", "bands", visible=world.is_root):
        band = slice(start, min(start + BAND, n_columns))
        if not bands.is_band_complete(path, attributes):
            rankings = band_statistics.band_rankings(source, band, source.keys)
            expression = band_statistics.band_expression(source, band)
            bands.write_band(path, attributes, rankings, expression)
    return paths


def _write_rankings(
    band_paths: Sequence[Path], source: BandSource, attributes: Mapping[str, str], world: Ranks
) -> list[Path]:
    """Write this rank's share of the rankings, a file each; the paths of all rankings.

    The bands are opened for each ranking anew: HDF5 keeps what it has read of an open file's
    structure, half a megabyte for a ranking in a band.
    """
    paths = [source.run.ranking(i) for i in range(len(source.keys))]
    share = list(zip(source.keys, paths, strict=True))[world.rank :: world.size]
    for key, path in progress(share, "reduce", "rankings", visible=world.is_root):
        with bands.open_bands(band_paths) as columns:
            ranking = rank_genes(columns, key, source)
        tables.write_ranking(path, attributes, ranking)
        n_learned = np.count_nonzero(ranking.is_learned)
        logger.info("%s: %d (tumor, gene) pairs learned", key.name, n_learned)
    return paths


def rank_genes(columns: Bands, key: RankingKey, source: BandSource) -> Ranking:
    """One method and view, from the bands of all columns."""
    cohort, level = source.cohort, source.config.significance.q_decoy
    n_genes, n_decoys = len(cohort.genes), len(cohort.decoy_gene)
    band = columns.statistics(key)
    scores = Scores.of_columns(band.score, cohort.decoy_gene)
    nulls = _null_runs(columns, key, band, source)
    genes = _gene_statistics(band, scores, nulls, _resampled(columns, key, source), source)
    present = _decoy_statistics(band, slice(n_genes, n_genes + n_decoys))
    resolution = decoys.smallest_q_decoy(scores, level=level)
    rng = source.config.rng("decoy bootstraps", key.name)
    interval = decoys.called_interval(scores, rng, level=level)
    return Ranking(
        **vars(genes),
        method=key.method,
        view=key.view,
        present=present,
        chance=_decoy_statistics(band, slice(n_genes + n_decoys, None)),
        nulls=nulls,
        decoys_in_top_20=decoys.decoys_in_top(scores.gene, present.score, k=TOP),
        replicate_score=band.replicate_score,
        fold_score=known_mean(band.model_score),
        decoy_curve=decoys.decoy_curve(scores),
        n_called=int(np.count_nonzero(genes.q_decoy <= level)),
        called_low=interval.low,
        called_high=interval.high,
        smallest_q_decoy=resolution.smallest_q_decoy,
        too_few_decoys=resolution.too_few_decoys,
        zero_scale_samples=source.samples.zero_maps[key.method],
    )


def _decoy_statistics(band: BandStatistics, columns: slice) -> DecoyStatistics:
    part = band.part(columns)
    return DecoyStatistics(part.score, part.sd, part.positive, part.p_value)


class _Resampled(NamedTuple):
    """Family-wise p-values and rank intervals (tumors, genes), NaN with too few patients."""

    p_fwer: np.ndarray
    rank_low: np.ndarray
    rank_high: np.ndarray


def _gene_statistics(
    band: BandStatistics,
    scores: Scores,
    nulls: NullRuns,
    resampled: _Resampled,
    source: BandSource,
) -> GeneStatistics:
    """All statistics of the genes: those of the bands, and those that need all genes."""
    genes = band.part(slice(len(source.cohort.genes)))
    q_decoy = decoys.decoy_q_values(scores)
    q_value = statistics.benjamini_hochberg(genes.p_value)
    replication = _replication(band.model_score, source.cohort)
    rank = statistics.rank_genes(genes.score)
    evidence = statistics.grade_evidence(
        q_decoy, q_value, replication, rank, source.samples.recall,
        settings=source.config.significance,
    )  # fmt: skip
    return GeneStatistics(
        **{field.name: getattr(genes, field.name) for field in fields(PatientStatistics)},
        **resampled._asdict(),
        margin=scores.margin,
        q_decoy=q_decoy,
        q_value=q_value,
        replication=replication,
        rank=rank,
        p_null=resampling.null_p_values(genes.score, nulls.score),
        evidence=evidence,
    )


def _resampled(columns: Bands, key: RankingKey, source: BandSource) -> _Resampled:
    """What the flips and bootstraps of all bands give, one tumor in memory at a time."""
    cohort, n_patients = source.cohort, source.samples.n_patients
    n_genes = len(cohort.genes)
    resampled = _Resampled(*np.full((3, len(cohort.tumors), n_genes), np.nan))
    for tumor in np.flatnonzero(n_patients >= source.config.significance.min_patients).tolist():
        p_fwer = resampling.step_down_p_values(columns.flips(key, tumor))
        interval = resampling.rank_intervals(columns.bootstraps(key, tumor))
        resampled.p_fwer[tumor, cohort.variance > 0] = p_fwer
        resampled.rank_low[tumor], resampled.rank_high[tumor] = interval
    return resampled


def _null_runs(
    columns: Bands, key: RankingKey, band: BandStatistics, source: BandSource
) -> NullRuns:
    """Scores of each null run, and how many pairs it would call and grade learned."""
    cohort = source.cohort
    n_genes, n_tumors, n_decoys = len(cohort.genes), len(cohort.tumors), len(cohort.decoy_gene)
    if band.null_score is None or band.null_p_value is None:
        return NullRuns(
            score=np.empty((0, n_tumors, n_genes)),
            decoy_score=np.empty((0, n_tumors, n_decoys)),
            called=np.empty(0, dtype=int),
            learned=np.empty(0, dtype=int),
        )
    nulls = [Scores.of_columns(score, cohort.decoy_gene) for score in band.null_score]
    present = slice(n_genes, n_genes + n_decoys)
    settings = source.config.significance
    q_decoy = [decoys.decoy_q_values(scores) for scores in nulls]
    grades = [
        statistics.grade_evidence(
            q,
            statistics.benjamini_hochberg(p_value[:, :n_genes]),
            _replication(columns.null_model_score(key, null), cohort),
            statistics.rank_genes(scores.gene),
            np.ones(n_tumors),
            settings=settings,
        )
        for null, (q, scores, p_value) in enumerate(
            zip(q_decoy, nulls, band.null_p_value, strict=True)
        )
    ]
    return NullRuns(
        score=np.stack([scores.gene for scores in nulls]),
        decoy_score=band.null_score[..., present],
        called=np.array([np.count_nonzero(q <= settings.q_decoy) for q in q_decoy]),
        learned=np.array([np.count_nonzero(grade == statistics.LEARNED) for grade in grades]),
    )


def _replication(model_score: np.ndarray, cohort: Cohort) -> np.ndarray:
    """(tumors, genes), of (replicates, folds, tumors, columns) scores of the models."""
    margin = Scores.of_columns(model_score, cohort.decoy_gene).margin
    return statistics.replication(margin.reshape(-1, *margin.shape[2:]))


def _shared_tables(columns: Bands, source: BandSource, *, missing: Sequence[str]) -> SharedTables:
    """What does not depend on the method and view."""
    cohort, samples, expression = source.cohort, source.samples, columns.expression()
    return SharedTables(
        methods=tuple(source.config.explain.methods),
        tumors=cohort.tumors,
        genes=cohort.genes,
        decoy_gene=cohort.decoy_gene,
        is_entrapped=cohort.is_entrapped,
        n=samples.n_patients,
        expression_auroc=expression.expression_auroc,
        log2_fold_change=expression.log2_fold_change,
        classification=Classification(samples.probability, samples.recall),
        missing_shards=tuple(missing),
    )
