"""The part of a probe without networks, in a process of its own: text, disk, reduce and report.

`python -m tumorcam.operations.probe_tables CONFIG OUTPUT` writes JSON,
and leaves a drawn run of which reduce and report are missing.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.resources import peak_bytes
from tumorcam.cohort import synthetic, synthetic_files
from tumorcam.cohort.cohort import Cohort, plan_of
from tumorcam.cohort.layout import coexpression_tree
from tumorcam.explain.shards import BAND
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.operations.drawn_run import draw_cohort, draw_results
from tumorcam.operations.inspection import read_selection
from tumorcam.report import results, tables
from tumorcam.report.columns import DECOY_COLUMNS, GENE_COLUMNS
from tumorcam.report.csv_files import write_csv
from tumorcam.settings import CohortSettings, InputSettings, SynthesizeSettings
from tumorcam.settings.config import Config, load_config
from tumorcam.significance import band_statistics, bands
from tumorcam.significance.held_out import BandSource, read_source
from tumorcam.significance.reduce import SINGLE, rank_genes, reduce_run
from tumorcam.storage import disk, integrity
from tumorcam.storage.plan import Plan, ShardKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import StoredValues
from tumorcam.training.baseline_training import held_out_probability

TUMORS, PATIENTS, FEW = 4, 240, 60  # of the drawn cohort: tumors, and patients of each
REPLICATES = 4
GENES = BAND  # with as many decoys in two passes
BANDS = 3
TEXT_GENES, TEXT_SAMPLES = 4000, 60  # of the input text, samples a tumor
TREE_GENES = 1000
REGRESSED = 200  # genes
FILE_BYTES = 2**26
CALLS = 3  # of what takes less than a second; the fastest counts


def measure(config: Config) -> dict[str, float]:
    """Seconds and rates of the stages without networks, by the names of a `Probe`.

    Parameters
    ----------
    config : Config
        Of a folder in which a drawn run may be made.
    """
    numbers = _disk(config) | _text(config)
    cohort = draw_cohort(config, TUMORS * PATIENTS, GENES, TUMORS)
    plan = plan_of(cohort, config)
    draw_results(config, cohort, plan)
    with threadpool_limits(config.run.threads_per_rank):
        numbers |= _genes(cohort) | _reduce(config, cohort, plan)
        return numbers | _tables(config, cohort, plan)


def _disk(config: Config) -> dict[str, float]:
    """Bytes a second that are written to the folder, and read with their digest."""
    path, content = config.folder / "written", np.random.default_rng(0).bytes(FILE_BYTES)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
        disk.sync(path)

    rates = {"write_rate": FILE_BYTES / _seconds(write)}
    rates["read_rate"] = FILE_BYTES / _seconds(lambda: integrity.file_digest(path))
    path.unlink()
    return rates


def _text(config: Config) -> dict[str, float]:
    """Seconds to read a value of an expression matrix in text, and to draw and write one."""
    tumors = tuple(f"T{i}" for i in range(TUMORS))
    settings = SynthesizeSettings(
        tumors=tumors, samples_per_tumor=TEXT_SAMPLES, genes=TEXT_GENES, drivers=2
    )
    made_up = dataclasses.replace(
        config, synthesize=settings, input=InputSettings(), cohort=CohortSettings()
    )

    def write() -> None:
        cohort = synthetic.synthesize_cohort(settings, np.random.default_rng(0))
        synthetic_files.write_synthetic_cohort(cohort, RunFolder.of(config).input)

    n_values = TUMORS * TEXT_SAMPLES * TEXT_GENES
    written = _seconds(write)
    read = _seconds(lambda: read_selection(made_up, current_launch(), lambda line: None))
    return {
        "write_value": written / n_values,
        "read_value": read / n_values,
        "text_peak": peak_bytes(),
    }


def _genes(cohort: Cohort) -> dict[str, float]:
    """Seconds of what compares genes: a co-expression tree, and a logistic regression."""
    rng = np.random.default_rng(0)
    drawn = StoredValues.of(rng.standard_normal((TREE_GENES, len(cohort.sample)), dtype=np.float32))
    expression = cohort.expression()[:, :REGRESSED] + 2 * np.eye(TUMORS)[cohort.tumor].repeat(
        REGRESSED // TUMORS, axis=1
    )
    learned, held_out = np.flatnonzero(cohort.fold), np.flatnonzero(cohort.fold == 0)
    regression = _seconds(
        lambda: held_out_probability(
            ["logistic_regression"],
            expression.__getitem__,
            cohort.tumor,
            learned,
            held_out,
            n_tumors=TUMORS,
        ),
        CALLS,
    )
    n_values = len(learned) * REGRESSED * TUMORS
    return {
        "tree_pair": _seconds(lambda: coexpression_tree(drawn), CALLS) / TREE_GENES**2,
        "regression_value": regression / n_values,
    }


def _reduce(config: Config, cohort: Cohort, plan: Plan) -> dict[str, float]:
    """Seconds of the bands and of the rankings of reduce.

    More replicates cost the reading of their values. Many and few patients tell what a patient
    and what a tumor costs, and a band of genes beside one of decoys what genes cost more.
    """
    key, run = ranking_keys(config.explain.methods)[0], RunFolder.of(config)
    first = [shard for shard in plan.shards if shard.replicate == 0]
    few = [shard for shard in first if shard.fold == 0 and shard.block == 0]
    n_samples, n_few = len(cohort.sample), sum(shard.n_samples for shard in few)

    def seconds(keys: Sequence[ShardKey], band: slice) -> float:
        """Of a column."""
        source = read_source(run, cohort, config, keys)
        taken = _seconds(lambda: list(band_statistics.band_rankings(source, band, [key])), CALLS)
        return taken / BAND

    genes, decoys = slice(0, BAND), slice(BAND, 2 * BAND)
    value = max(0.0, seconds(plan.shards, decoys) - seconds(first, decoys))
    value /= n_samples * (REPLICATES - 1)
    patient, tumor = {}, {}
    for kind, band in (("genes", genes), ("decoys", decoys)):
        many_patients = seconds(first, band) - value * n_samples
        few_patients = seconds(few, band) - value * n_few
        patient[kind] = max(0.0, many_patients - few_patients) / (n_samples - n_few)
        tumor[kind] = max(0.0, few_patients - patient[kind] * n_few) / TUMORS
    return {
        "reduce_value": value,
        "patient_value": patient["decoys"],
        "tumor_value": tumor["decoys"],
        "gene_patient_value": max(0.0, patient["genes"] - patient["decoys"]),
        "gene_tumor_value": max(0.0, tumor["genes"] - tumor["decoys"]),
    } | _rankings(read_source(run, cohort, config, plan.shards), key)


def _rankings(source: BandSource, key: RankingKey) -> dict[str, float]:
    """Seconds to write the file of a band, to write a ranking in it, and to rank a gene."""
    paths, seconds = [], []
    for start in range(0, source.cohort.n_columns, BAND):
        band = slice(start, min(start + BAND, source.cohort.n_columns))
        paths.append(source.run.band(start // BAND))
        expression = band_statistics.band_expression(source, band)
        rankings = list(band_statistics.band_rankings(source, band, [key]))
        write = partial(bands.write_band, paths[-1], {}, expression=expression)
        seconds.append([_seconds(partial(write, part), CALLS) for part in ([], rankings)])
    file, with_ranking = np.mean(seconds, axis=0).tolist()
    with bands.open_bands(paths) as columns:
        ranked = _seconds(lambda: rank_genes(columns, key, source), CALLS)
    return {
        "band_file": file,
        "band_ranking": max(0.0, with_ranking - file),
        "rank_pair": ranked / (TUMORS * GENES),
    }


def _tables(config: Config, cohort: Cohort, plan: Plan) -> dict[str, float]:
    """Seconds of the report for a gene of a tumor in a ranking: those of its text, with decoys.

    Text takes most of them, and unlike other files it has no part that does not grow.
    """
    files, folder = RunFolder.of(config), config.folder / "tables"
    reduce_run(files, cohort, plan, config, SINGLE)
    of_run = results.read_run(config).results
    genes = list(tables.gene_tables(of_run))
    decoys = [tables.decoy_table(of_run, ranking) for ranking in of_run.rankings()]
    folder.mkdir()

    def write() -> None:
        write_csv(folder / "genes.csv", genes, GENE_COLUMNS)
        write_csv(folder / "decoys.csv", decoys, DECOY_COLUMNS)

    seconds = _seconds(write, CALLS)
    files.significance.unlink()
    return {"report_pair": seconds / sum(map(len, genes))}


def _seconds(call: Callable[[], object], n_calls: int = 1) -> float:
    """Seconds of the fastest of some calls; the first one may load libraries."""
    seconds = []
    for _ in range(n_calls):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    _numbers = measure(load_config(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(_numbers), encoding="utf-8")
