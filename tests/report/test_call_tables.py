from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from written_tables import check_folder, named_tables

from tumorcam.report.call_results import TopGenes
from tumorcam.report.call_tables import write_call_tables
from tumorcam.report.dictionary import CALL_TABLES

N_SAMPLES, N_GENES = 150, 12


@pytest.fixture
def folder(tmp_path):
    """The tables of drawn calls; the last sample alone has values with a fraction."""
    rng = np.random.default_rng(0)
    genes = np.array([f"G{i:02}" for i in range(N_GENES)])
    whole = np.ones(N_SAMPLES, np.float32)
    whole[-1] = 0.25
    text = np.full(N_SAMPLES, "x", dtype=object)
    shift = pd.DataFrame({"gene": genes, "shift": np.nan, "shift_within": 1.0, "is_shifted": True})
    new = pd.DataFrame({"gene": genes, "row": genes, "missing": 0.0, "mean": 1.0, "sd": np.nan})
    application = SimpleNamespace(
        cohort=SimpleNamespace(
            sample=np.array([f"S{i:03}" for i in range(N_SAMPLES)]), patient=text, source=text,
            sample_type=np.full(N_SAMPLES, "TP"), tumors=np.array(["ACC", "BRCA"]),
            tumor=np.zeros(N_SAMPLES, int), is_counted=np.ones(N_SAMPLES, bool), genes=genes,
        ),
        calls=SimpleNamespace(
            call=np.zeros(N_SAMPLES, np.int16), runner_up=np.ones(N_SAMPLES, np.int16),
            calibrated=np.stack([whole, 1 - whole], axis=1),
            probability=np.stack([whole, 1 - whole], axis=1), agreement=whole,
            n_networks=np.full(N_SAMPLES, 4, np.int16), distance=whole, false_alarm=whole,
            is_unlike=np.zeros(N_SAMPLES, bool), shift=SimpleNamespace(genes=shift),
        ),
        new=SimpleNamespace(
            label=text, n_missing=np.zeros(N_SAMPLES, int), is_own=whole > 0.5, genes=new
        ),
        missing_share=1 - whole,
    )  # fmt: skip
    top = rng.integers(0, N_GENES, (N_SAMPLES, 10))
    values = np.ones((N_SAMPLES, 10), np.float32)
    write_call_tables(tmp_path, application, [TopGenes(np.arange(N_SAMPLES), top, values, values)])
    return tmp_path


def test_every_file_has_the_documented_columns_and_types(folder):
    check_folder(folder, named_tables(CALL_TABLES, "TUMOR", ["ACC", "BRCA"]))


def test_probabilities_have_a_column_for_each_tumor(folder):
    table = pl.read_csv(folder / "probabilities.csv")
    assert table.columns == ["sample", "ACC", "BRCA"]
    assert table["BRCA"][-1] == 0.75 and table["BRCA"].dtype == pl.Float64
