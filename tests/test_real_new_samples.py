"""New samples of real TCGA data, where it lies beside the project; nothing is trained here."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tumorcam.applied.intake import prepare_new_samples
from tumorcam.applied.reference_fit import fold_references
from tumorcam.cohort.cohort import read_cohort, write_cohort
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.selection import select
from tumorcam.readers.inputs import open_inputs
from tumorcam.settings.config import config_from_tables

DATA = Path(__file__).parents[2] / "shared" / "data"
TYPES = "ACC BLCA BRCA CHOL COAD DLBC GBM HNSC KIRC KIRP LGG LIHC LUAD LUSC PRAD STAD THCA UCS UVM"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.exists(), reason=f"the real data are not there: {DATA}"),
]


def cohort_of(folder, tumors, n_genes=1024):
    """The cohort of configs/tcga19.toml with some of its tumors, and its settings."""
    tables = {
        "input": {
            "expression": str(DATA / "tcga_19types_log2rsem.tsv.gz"),
            "samples": str(DATA / "tcga_19types_samples.tsv"),
        },
        "cohort": {"genes": n_genes, "tumors": tumors},
        "splits": {"folds": 3},
        "layout": {"replicates": 1, "decoys": "none"},
    }
    config, path = config_from_tables(tables, source="test"), folder / "cohort.h5"
    content = prepare_cohort(select(config, open_inputs(config.input)), config)
    write_cohort(path, content, config, "digest")
    return read_cohort(path, config), config


def given_of(**inputs):
    config = config_from_tables({"input": inputs, "cohort": {"duplicates": "drop"}}, source="test")
    return config, open_inputs(config.input, labelled=False)


def test_another_packaging_of_the_same_patients(tmp_path):
    """Entrez IDs become the run's symbols, and no patient is taken for a stranger."""
    cohort, _ = cohort_of(tmp_path, TYPES.split())
    reference = SimpleNamespace(mean=cohort.expression().mean(axis=0))
    config, given = given_of(expression=str(DATA / "tcga_15types_fullgenes_log2rsem.h5ad"))
    content = prepare_new_samples(config, given, cohort, reference)
    assert len(content.samples.sample) == 497
    assert content.new.is_own.all() and not content.new.n_missing.any()
    assert (content.samples.tumor == content.new.label).all()
    fold_of = dict(zip(cohort.patient.tolist(), cohort.fold.tolist(), strict=True))
    assert content.samples.fold.tolist() == [fold_of[p] for p in content.samples.patient.tolist()]
    row_of = {patient: row for row, patient in enumerate(cohort.patient.tolist())}
    rows = [row_of[patient] for patient in content.samples.patient.tolist()]
    pairs = zip(content.expression.block(slice(0, 1024)).T, cohort.expression()[rows], strict=True)
    agreement = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
    assert np.median(agreement[content.samples.sample_type == "01"]) > 0.98


@pytest.mark.parametrize("tumor", ["UVM", "LIHC", "DLBC"])
def test_a_type_that_the_run_never_saw_is_unlike_anything(tmp_path, tumor):
    """At least 80 % are flagged where 5 % of the run's own held-out samples would be."""
    others = [name for name in TYPES.split() if name != tumor]
    cohort, config = cohort_of(tmp_path, others)
    folds, distance = fold_references(cohort, config)
    new_config, given = given_of(
        expression=str(DATA / "tcga_19types_log2rsem.tsv.gz"),
        samples=str(DATA / "tcga_19types_samples.tsv"),
    )
    reference = SimpleNamespace(mean=cohort.expression().mean(axis=0))
    content = prepare_new_samples(new_config, given, cohort, reference)
    is_new = (content.samples.tumor == tumor) & (content.samples.sample_type == "01")
    values = content.expression.block(slice(0, 1024)).T[is_new]
    of_new = np.mean([fold.distance(values) for fold in folds], axis=0)
    as_far = (1 + (distance >= of_new[:, np.newaxis]).sum(axis=1)) / (1 + len(distance))
    assert len(of_new) == {"UVM": 80, "LIHC": 54, "DLBC": 15}[tumor]
    assert (as_far <= 0.05).mean() >= 0.8
