"""The cohort file: what is written is read back, and misfits are refused."""

import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest

from tumorcam.cohort import cohort, splits
from tumorcam.cohort.cohort import (
    COHORT_TYPE,
    Cohort,
    Selection,
    cohort_attributes,
    read_cohort,
    write_cohort,
)
from tumorcam.cohort.layout import spread_out
from tumorcam.errors import CohortError, FileError
from tumorcam.storage import hdf5


@pytest.fixture
def selection(tiny_cohort) -> Selection:
    return Selection(
        expression=tiny_cohort.log2,
        samples=tiny_cohort.samples,
        genes=tiny_cohort.genes,
        variance=tiny_cohort.log2.var(axis=0, dtype=np.float64),
        dropped=pd.DataFrame([["gene", "Ä|1", "bad"]], columns=["kind", "name", "reason"]),
    )


@pytest.fixture
def made(selection, tiny_config, tmp_path) -> Cohort:
    path = tmp_path / "cohort.h5"
    write_cohort(path, selection, tiny_config, "digest of the input")
    return read_cohort(path, tiny_config)


def test_round_trip(made, selection, tiny_cohort):
    samples = tiny_cohort.samples
    assert made.tumors.tolist() == ["ACC", "BRCA", "COAD", "READ"]
    assert made.tumors[made.tumor].tolist() == samples["tumor"].tolist()
    for column in ("sample", "patient", "source"):
        assert getattr(made, column).tolist() == samples[column].tolist()
    assert made.genes.tolist() == selection.genes.tolist()
    np.testing.assert_array_equal(made.variance, selection.variance)
    np.testing.assert_array_equal(made.expression(), selection.expression)
    assert made.dropped.equals(selection.dropped)
    assert made.dropped["name"].tolist() == ["Ä|1"]


def test_parts_of_the_expression(made, selection, monkeypatch):
    assert made.expression().dtype == np.float32
    np.testing.assert_array_equal(made.expression(slice(3, 9)), selection.expression[3:9])
    rows = np.array([0, 5, 47])
    np.testing.assert_array_equal(made.expression(rows), selection.expression[rows])
    np.testing.assert_array_equal(made.gene_band(slice(4, 6)), selection.expression[:, 4:6])
    monkeypatch.setattr(cohort, "CHUNK_SAMPLES", 10)
    for rows in (np.array([0, 5, 12, 29, 30, 47]), np.arange(48), np.array([], int)):
        np.testing.assert_array_equal(made.expression(rows), selection.expression[rows])


def test_folds_hold_whole_patients_and_every_tumor(made, tiny_config):
    assert made.n_folds == tiny_config.splits.folds == 2
    for patient in set(made.patient):
        assert len(set(made.fold[made.patient == patient])) == 1
    for fold in range(made.n_folds):
        assert set(made.tumor[made.fold == fold]) == {0, 1, 2, 3}


def test_folds_are_those_of_the_seed(made, tiny_config):
    again = splits.patient_folds(made.patient, made.tumor, n_folds=2, rng=tiny_config.rng("folds"))
    np.testing.assert_array_equal(made.fold, again)


def test_layouts_place_the_same_decoys_on_new_pixels(made):
    first, second = made.layouts
    assert first.side == second.side == 8
    np.testing.assert_array_equal(first.decoy_gene, second.decoy_gene)
    assert len(made.decoy_gene) == 18  # 36 genes x 2 / 4 tumors
    for one in made.layouts:
        assert len(set(one.pixel)) == 36 + 18
        assert 0 <= one.pixel.min() <= one.pixel.max() < 64
    assert (first.pixel != second.pixel).any()


def test_spacing_spreads_the_same_layouts_out(made, selection, tiny_config, tmp_path):
    config = dataclasses.replace(
        tiny_config, layout=dataclasses.replace(tiny_config.layout, spacing=2)
    )
    write_cohort(tmp_path / "wide.h5", selection, config, "digest of the input")
    for wide, dense in zip(
        read_cohort(tmp_path / "wide.h5", config).layouts, made.layouts, strict=True
    ):
        assert wide.side == 16
        np.testing.assert_array_equal(wide.pixel, spread_out(dense, 2).pixel)


def test_equal_input_gives_equal_digests_and_another_seed_does_not(
    made, selection, tiny_config, tmp_path
):
    write_cohort(tmp_path / "again.h5", selection, tiny_config, "digest of the input")
    assert read_cohort(tmp_path / "again.h5", tiny_config).digest == made.digest
    other = dataclasses.replace(tiny_config, run=dataclasses.replace(tiny_config.run, seed=2))
    write_cohort(tmp_path / "other.h5", selection, other, "digest of the input")
    assert read_cohort(tmp_path / "other.h5", other).digest != made.digest


def test_the_file_is_whole_for_its_settings_and_input_alone(made, tiny_config):
    def is_complete(config, digest):
        attributes = cohort_attributes(config, digest)
        return hdf5.is_complete(made.path, COHORT_TYPE, attributes)

    assert is_complete(tiny_config, "digest of the input")
    assert not is_complete(tiny_config, "another")
    folds = dataclasses.replace(
        tiny_config, splits=dataclasses.replace(tiny_config.splits, folds=3)
    )
    assert not is_complete(folds, "digest of the input")
    epochs = dataclasses.replace(tiny_config.training, epochs=9)
    assert is_complete(dataclasses.replace(tiny_config, training=epochs), "digest of the input")


def test_other_settings_are_refused_by_name(made, tiny_config):
    other = dataclasses.replace(
        tiny_config, layout=dataclasses.replace(tiny_config.layout, kind="variance")
    )
    with pytest.raises(FileError, match=r"layout\.kind: 'random' -> 'variance'.*run jobs\.prepare"):
        read_cohort(made.path, other)


def test_a_missing_or_foreign_file_is_refused(tiny_config, tmp_path):
    with pytest.raises(FileError, match=r"none\.h5 does not exist; run jobs\.prepare"):
        read_cohort(tmp_path / "none.h5", tiny_config)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FileError, match="wanted 'tumorcam-cohort'"):
        read_cohort(tmp_path / "other.h5", tiny_config)


def test_an_unknown_decoy_gene_is_refused_and_nothing_is_written(selection, tiny_config, tmp_path):
    named = dataclasses.replace(tiny_config.layout, decoy_genes=("GENE01", "TP53"))
    path = tmp_path / "cohort.h5"
    with pytest.raises(CohortError, match=r"1 genes that the cohort did not keep \(first: TP53\)"):
        write_cohort(path, selection, dataclasses.replace(tiny_config, layout=named), "")
    assert not path.exists()


def test_too_many_folds_are_refused(selection, tiny_config, tmp_path):
    many = dataclasses.replace(
        tiny_config, splits=dataclasses.replace(tiny_config.splits, folds=13)
    )
    with pytest.raises(CohortError, match="fewer than the 13 folds"):
        write_cohort(tmp_path / "cohort.h5", selection, many, "")
