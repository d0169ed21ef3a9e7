"""The tables of new samples: one line a sample, all probabilities, and each sample's top genes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tumorcam.readers.samples_table.sample_types import type_name
from tumorcam.report.call_columns import (
    CALL_COLUMNS,
    SHEET_COLUMNS,
    SHIFT_COLUMNS,
    TOP_GENE_COLUMNS,
    probability_columns,
)
from tumorcam.report.call_results import Application, TopGenes
from tumorcam.report.columns import arrow_schema, require_columns
from tumorcam.report.csv_files import write_csv
from tumorcam.storage import hdf5


def calls_table(application: Application, genes: Sequence[TopGenes]) -> pd.DataFrame:
    """One row a sample: what it is called, how far to trust that, and its top genes.

    The columns are explained in docs/new-samples.md.
    """
    cohort, calls = application.cohort, application.calls
    rows, tumors = np.arange(len(cohort.sample)), cohort.tumors
    tops = np.full(len(rows), "", dtype=object)
    for block in genes:
        names = cohort.genes[block.gene]
        tops[block.sample] = [";".join(row) for row in names.tolist()]
    return pd.DataFrame(
        {
            "sample": cohort.sample,
            "patient": cohort.patient,
            "sample_type": cohort.sample_type,
            "source": cohort.source,
            "label": application.new.label,
            "call": tumors[calls.call],
            "probability": calls.calibrated[rows, calls.call],
            "raw_probability": calls.probability[rows, calls.call],
            "runner_up": tumors[calls.runner_up],
            "runner_up_probability": calls.calibrated[rows, calls.runner_up],
            "agreement": calls.agreement,
            "networks": calls.n_networks,
            "distance": calls.distance,
            "false_alarm": calls.false_alarm,
            "is_unlike": calls.is_unlike,
            "missing_genes": application.new.n_missing,
            "missing_share": application.missing_share,
            "is_own_patient": application.new.is_own,
            "explained_for": tumors[cohort.tumor],
            "is_counted": cohort.is_counted,
            "top_genes": tops,
        }
    )


def top_gene_table(application: Application, block: TopGenes) -> pd.DataFrame:
    """A row for each sample and each of its top genes: sample, rank, gene, saliency, expression.

    `saliency` is in units of the sample's mean absolute saliency, `standardised` in training SDs
    from the training mean.
    """
    n_samples, n_top = block.gene.shape
    return pd.DataFrame(
        {
            "sample": np.repeat(application.cohort.sample[block.sample], n_top),
            "rank": np.tile(np.arange(1, n_top + 1), n_samples),
            "gene": application.cohort.genes[block.gene.ravel()],
            "saliency": block.value.ravel(),
            "standardised": block.standardised.ravel(),
        }
    )


def write_call_tables(
    folder: Path, application: Application, genes: Sequence[TopGenes]
) -> pd.DataFrame:
    """Write all tables of the samples to a folder; the one of the calls.

    Parameters
    ----------
    genes : sequence of TopGenes
        Of all samples.
    """
    top = (top_gene_table(application, block) for block in genes)
    write_csv(folder / "top_genes.csv", top, TOP_GENE_COLUMNS)
    calls = calls_table(application, genes)
    write_csv(folder / "calls.csv", [calls], CALL_COLUMNS)
    with hdf5.write_aside(folder / "calls.parquet") as aside:
        typed = require_columns(calls, CALL_COLUMNS)
        pq.write_table(pa.Table.from_pandas(typed, arrow_schema(CALL_COLUMNS)), aside)
    sheet = calls.assign(sample_type=[type_name(code) for code in calls["sample_type"]])
    sheet = sheet[list(SHEET_COLUMNS)].rename(columns={k: c.name for k, c in SHEET_COLUMNS.items()})
    write_csv(folder / "calls.tsv", [sheet], tuple(SHEET_COLUMNS.values()), separator="\t")
    probability = pd.DataFrame(application.calls.calibrated, columns=application.cohort.tumors)
    probability.insert(0, "sample", application.cohort.sample)
    tumors = application.cohort.tumors.tolist()
    write_csv(folder / "probabilities.csv", [probability], probability_columns(tumors))
    write_csv(folder / "shift.csv", [shift_table(application)], SHIFT_COLUMNS)
    return calls


def shift_table(application: Application) -> pd.DataFrame:
    """A row for each gene: how it is shifted against the training cohort, largest shift first."""
    genes = application.new.genes.merge(application.calls.shift.genes, on="gene")
    order = genes["shift_within"].abs().sort_values(ascending=False, kind="stable").index
    return genes.loc[order]
