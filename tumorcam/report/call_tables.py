"""The tables of new samples: one line a sample, all probabilities, and each sample's top genes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.readers.samples_table.sample_types import type_name
from tumorcam.report.call_results import Application, TopGenes
from tumorcam.report.tables import FLOAT_FORMAT, plain_text
from tumorcam.storage import hdf5

GDC_COLUMNS = {  # names that a sample sheet of the GDC has, and like ones
    "patient": "Case ID",
    "sample": "Sample ID",
    "sample_type": "Sample Type",
    "label": "Given Tumor",
    "call": "Called Tumor",
    "probability": "Probability",
    "runner_up": "Runner-up",
    "runner_up_probability": "Runner-up Probability",
    "agreement": "Network Agreement",
    "is_unlike": "Unlike Anything",
    "missing_share": "Genes Missing",
    "top_genes": "Top Genes",
}


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
    top = pd.concat([top_gene_table(application, block) for block in genes])
    write_csv(folder / "top_genes.csv", top)
    calls = calls_table(application, genes)
    write_csv(folder / "calls.csv", calls)
    with hdf5.write_aside(folder / "calls.parquet") as aside:
        calls.to_parquet(aside, index=False)
    sheet = calls.assign(sample_type=[type_name(code) for code in calls["sample_type"]])
    sheet = sheet[list(GDC_COLUMNS)].rename(columns=GDC_COLUMNS)
    write_csv(folder / "calls.tsv", sheet, separator="\t")
    probability = pd.DataFrame(application.calls.calibrated, columns=application.cohort.tumors)
    probability.insert(0, "sample", application.cohort.sample)
    write_csv(folder / "probabilities.csv", probability)
    write_csv(folder / "shift.csv", shift_table(application))
    return calls


def shift_table(application: Application) -> pd.DataFrame:
    """A row for each gene: how it is shifted against the training cohort, largest shift first."""
    genes = application.new.genes.merge(application.calls.shift.genes, on="gene")
    order = genes["shift_within"].abs().sort_values(ascending=False, kind="stable").index
    return genes.loc[order]


def write_csv(path: Path, table: pd.DataFrame, *, separator: str = ",") -> None:
    """Write a table with 6 significant digits; no cell is a formula to a spreadsheet."""
    texts = {
        str(name): cells.map(lambda cell: plain_text(str(cell)))
        for name, cells in table.items()
        if not pd.api.types.is_numeric_dtype(cells)
    }
    with hdf5.write_aside(path) as aside:
        table.assign(**texts).to_csv(
            aside, sep=separator, index=False, float_format=FLOAT_FORMAT, lineterminator="\n"
        )
