"""The cohort file: it is read as it was written, and a file that does not fit is refused."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from arrays import selection_of, values_of
from edited_files import edited

from tumorcam.cohort import cohort, splits
from tumorcam.cohort.cohort import Cohort, is_current, read_cohort, write_cohort
from tumorcam.cohort.layout import spread_out
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.errors import DamageError, FileError, StaleError
from tumorcam.readers.matrix import Fact
from tumorcam.settings.config import Config
from tumorcam.storage import integrity, records, stored_values
from tumorcam.storage.plan import ModelKey


@pytest.fixture
def selection(tiny_cohort) -> Selection:
    clean = selection_of(
        tiny_cohort.log2,
        tiny_cohort.samples,
        tiny_cohort.genes,
        tiny_cohort.log2.var(axis=0, dtype=np.float64),
    )
    dropped = pd.DataFrame([["gene", "Ä|1", "bad"]], columns=["kind", "name", "reason"])
    facts = pd.DataFrame([Fact("scale", "log2", "0 to 14", "Ä")], columns=list(Fact._fields))
    return dataclasses.replace(clean, dropped=dropped, facts=facts)


def write_and_read(path: Path, selection: Selection, config: Config) -> Cohort:
    write_cohort(path, prepare_cohort(selection, config), config, "digest of the input")
    return read_cohort(path, config)


@pytest.fixture
def written(selection, tiny_config, tmp_path) -> Cohort:
    return write_and_read(tmp_path / "cohort.h5", selection, tiny_config)


def test_round_trip(written, selection, tiny_cohort):
    samples = tiny_cohort.samples
    assert written.tumors.tolist() == ["ACC", "BRCA", "COAD", "READ"]
    assert written.tumors[written.tumor].tolist() == samples["tumor"].tolist()
    for column in ("sample", "patient", "source"):
        assert getattr(written, column).tolist() == samples[column].tolist()
    assert written.genes.tolist() == selection.genes.tolist()
    np.testing.assert_array_equal(written.variance, selection.variance)
    np.testing.assert_array_equal(written.expression(), values_of(selection.expression))
    assert written.dropped.equals(selection.dropped)
    assert written.dropped["name"].tolist() == ["Ä|1"]
    integrity.check_seal(written.path)


def test_the_datasets_are_those_of_the_documentation(written, selection):
    """Readers in other languages rely on these names."""
    names = []
    with h5py.File(written.path) as file:
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        assert file["expression"].chunks == (48, 36), "at most 256 x 256"
        assert file["decoy_expression"].chunks == (48, 18)
        assert (
            file["samples/tumor"][...].astype(str).tolist() == selection.samples["tumor"].tolist()
        )
        assert set(file["samples/sample_type"][...]) == {b"01"}
        assert file["layouts"].attrs["side"] == 8
        assert file["layouts/pixel"].shape == (2, 2, 36 + 18)
    assert sorted(names) == sorted(
        "tally/kind tally/step tally/n "
        "counts/n_kept counts/n_samples counts/sample_type counts/tumor "
        "expression decoy_expression tumors samples/sample samples/patient samples/tumor "
        "samples/sample_type samples/source samples/tumor_index samples/fold genes/name "
        "genes/variance genes/is_entrapped layouts/pixel layouts/decoy_gene dropped/kind "
        "dropped/name dropped/reason facts/topic facts/text facts/reason facts/others "
        "facts/setting facts/value".split()
    )


def test_reading_a_cohort_leaves_the_expression_unread(written, tiny_config, monkeypatch):
    read_array, names = records.read_array, []

    def record_name(group, name, *selection):
        names.append(name)
        return read_array(group, name, *selection)

    monkeypatch.setattr(records, "read_array", record_name)
    cohort = read_cohort(written.path, tiny_config)
    assert "fold" in names and not {"expression", "decoy_expression"} & set(names)
    assert not [v for v in vars(cohort).values() if np.shape(v) in ((48, 36), (48, 18))]


@pytest.mark.parametrize("most_values", [1, 100, 800, 10**6])
def test_bands_of_genes_hold_few_values(written, selection, monkeypatch, most_values):
    for module in (cohort, stored_values):
        monkeypatch.setattr(module, "BAND_VALUES", most_values)
    monkeypatch.setattr(cohort, "CHUNK_SAMPLES", 10)
    bands = list(written.gene_bands(slice(4, 30)))
    assert all(band.dtype == np.float32 for band in bands)
    assert max(band.size for band in bands) <= max(48, most_values)
    expected = values_of(selection.expression)[:, 4:30]
    np.testing.assert_array_equal(np.concatenate(bands, axis=1), expected)
    assert [band.shape for band in written.gene_bands(slice(36, 50))] == [(48, 0)]
    assert not list(written.path.parent.glob("tmp*"))


def test_parts_of_the_expression(written, selection, monkeypatch):
    assert written.expression().dtype == np.float32
    np.testing.assert_array_equal(
        written.expression(slice(3, 9)), values_of(selection.expression)[3:9]
    )
    rows = np.array([0, 5, 47])
    np.testing.assert_array_equal(written.expression(rows), values_of(selection.expression)[rows])
    monkeypatch.setattr(cohort, "CHUNK_SAMPLES", 10)
    for rows in (np.array([0, 5, 12, 29, 30, 47]), np.arange(48), np.array([], int)):
        np.testing.assert_array_equal(
            written.expression(rows), values_of(selection.expression)[rows]
        )
    monkeypatch.setattr(cohort, "CHUNK_GENES", 10)
    for genes in (np.array([0, 5, 9, 10, 29, 30]), np.arange(36), np.array([35])):
        np.testing.assert_array_equal(
            written.some_genes(genes), values_of(selection.expression)[:, genes]
        )


def test_parts_of_the_decoy_expression(written, selection, tiny_config, monkeypatch):
    whole = values_of(prepare_cohort(selection, tiny_config).decoy_expression)
    assert written.decoy_expression().dtype == np.float32
    np.testing.assert_array_equal(written.decoy_expression(), whole)
    np.testing.assert_array_equal(written.decoy_expression(slice(3, 9)), whole[3:9])
    monkeypatch.setattr(cohort, "CHUNK_SAMPLES", 10)
    for rows in (np.array([0, 5, 12, 29, 30, 47]), np.arange(48), np.array([], int)):
        np.testing.assert_array_equal(written.decoy_expression(rows), whole[rows])


def test_a_saliency_table_has_a_column_a_gene_and_two_a_decoy(written):
    assert written.n_columns == 36 + 2 * 18
    varies = dataclasses.replace(written, variance=np.where(np.arange(36) % 3, 1.0, 0.0))
    is_varying = np.arange(36) % 3 > 0
    expected = [*is_varying, *is_varying[written.decoy_gene], *is_varying[written.decoy_gene]]
    np.testing.assert_array_equal(varies.is_testable, expected)


def test_a_cohort_without_decoys_is_read_as_it_was_written(selection, tiny_config, tmp_path):
    layout = dataclasses.replace(tiny_config.layout, decoys="none")
    config = dataclasses.replace(tiny_config, layout=layout)
    without = write_and_read(tmp_path / "none.h5", selection, config)
    integrity.check_seal(without.path)
    assert without.n_columns == len(without.is_testable) == 36
    for rows in (slice(None), slice(3, 9), np.array([0, 5, 47])):
        n_samples = len(without.expression(rows))
        assert without.decoy_expression(rows).shape == (n_samples, 0)


def test_folds_hold_whole_patients_and_every_tumor(written, tiny_config):
    assert written.n_folds == tiny_config.splits.folds == 2
    for patient in set(written.patient):
        assert len(set(written.fold[written.patient == patient])) == 1
    for fold in range(written.n_folds):
        assert set(written.tumor[written.fold == fold]) == {0, 1, 2, 3}


def test_folds_are_those_of_the_seed(written, tiny_config):
    again = splits.patient_folds(
        written.patient, written.tumor, n_folds=2, rng=tiny_config.rng("folds")
    )
    np.testing.assert_array_equal(written.fold, again)


def test_the_layout_of_each_network_places_the_same_decoys_on_new_pixels(written):
    assert len(written.decoy_gene) == 18  # half of 36 genes
    assert len(written.layouts) == 4 and written.n_replicates == 2
    for layout in written.layouts:
        assert layout.side == 8
        np.testing.assert_array_equal(layout.decoy_gene, written.decoy_gene)
        assert len(set(layout.pixel)) == 36 + 18
        assert 0 <= layout.pixel.min() <= layout.pixel.max() < 64
    assert len({layout.pixel.tobytes() for layout in written.layouts}) == 4
    keys = [ModelKey(0, 0), ModelKey(0, 1), ModelKey(1, 0), ModelKey(1, 1, null=1)]
    assert [written.layout_of(key) for key in keys] == list(written.layouts)


def test_spacing_spreads_the_same_layouts_out(written, selection, tiny_config, tmp_path):
    config = dataclasses.replace(
        tiny_config, layout=dataclasses.replace(tiny_config.layout, spacing=2)
    )
    spread = write_and_read(tmp_path / "wide.h5", selection, config)
    for wide, dense in zip(spread.layouts, written.layouts, strict=True):
        assert wide.side == 16
        np.testing.assert_array_equal(wide.pixel, spread_out(dense, 2).pixel)


def test_equal_input_gives_equal_digests_and_another_seed_does_not(
    written, selection, tiny_config, tmp_path
):
    again = write_and_read(tmp_path / "again.h5", selection, tiny_config)
    assert again.digest == written.digest
    seed_2 = dataclasses.replace(tiny_config, run=dataclasses.replace(tiny_config.run, seed=2))
    assert write_and_read(tmp_path / "seed.h5", selection, seed_2).digest != written.digest


def test_the_file_is_current_for_its_settings_and_input_alone(written, tiny_config):
    path = written.path
    assert is_current(path, tiny_config, "digest of the input")
    assert not is_current(path, tiny_config, "another")
    assert not is_current(path.with_name("none.h5"), tiny_config, "digest of the input")
    folds = dataclasses.replace(
        tiny_config, splits=dataclasses.replace(tiny_config.splits, folds=3)
    )
    assert not is_current(path, folds, "digest of the input")
    epochs = dataclasses.replace(tiny_config.training, epochs=9)
    config = dataclasses.replace(tiny_config, training=epochs)
    assert is_current(path, config, "digest of the input")


def test_other_settings_are_refused_by_name(written, tiny_config):
    by_variance = dataclasses.replace(
        tiny_config, layout=dataclasses.replace(tiny_config.layout, kind="variance")
    )
    message = r"layout\.kind: 'random' -> 'variance'.*tumorcam clean CONFIG --from prepare"
    with pytest.raises(StaleError, match=message):
        read_cohort(written.path, by_variance)


def test_a_missing_or_foreign_file_is_refused(tiny_config, tmp_path):
    with pytest.raises(FileError, match=r"none\.h5 does not exist; run `tumorcam prepare`"):
        read_cohort(tmp_path / "none.h5", tiny_config)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FileError, match="another program or version"):
        read_cohort(tmp_path / "other.h5", tiny_config)


@pytest.mark.parametrize("name", ["samples/fold", "genes", "layouts/pixel"])
def test_a_file_without_one_of_its_datasets_is_refused(written, tiny_config, name):
    with edited(written.path) as file:
        del file[name]
    with pytest.raises(DamageError, match="run `tumorcam prepare`, which makes it anew"):
        read_cohort(written.path, tiny_config)
