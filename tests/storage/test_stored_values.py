"""Raw values on disk: what is read is what was added, in both orientations, or one message."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import FileError
from tumorcam.storage import stored_values
from tumorcam.storage.stored_values import StoredValues

VALUES = np.random.default_rng(3).normal(size=(23, 17)).astype(np.float32)


def stored(cuts, by_genes):
    """VALUES, added in tiles of genes or of samples that end at the cuts."""
    values, table = StoredValues(), VALUES if by_genes else VALUES.T
    for part in np.split(table, sorted(cuts)):
        (values.add_genes if by_genes else values.add_samples)(part)
    return values


CUTS = st.sets(st.integers(1, 16), max_size=6)


@given(cuts=CUTS, by_genes=st.booleans(), data=st.data())
def test_blocks_and_rows_are_those_of_the_array(cuts, by_genes, data):
    values = stored(cuts, by_genes)
    assert values.shape == VALUES.shape and values.nbytes == VALUES.nbytes
    assert len(values.tiles) == len(cuts) + 1
    genes, samples = (
        slice(*sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n)))))
        for n in VALUES.shape
    )
    np.testing.assert_array_equal(values.block(genes), VALUES[genes])
    np.testing.assert_array_equal(values.block(genes, samples), VALUES[genes, samples])
    rows = np.array(data.draw(st.lists(st.integers(0, 22), max_size=30)), int)
    np.testing.assert_array_equal(values.rows(rows), VALUES[rows])


@pytest.mark.parametrize("by_genes", [True, False])
@pytest.mark.parametrize("n_values", [1, 40, 10**6])
def test_bands_are_all_genes_in_order(monkeypatch, by_genes, n_values):
    monkeypatch.setattr(stored_values, "BAND_VALUES", n_values)
    bands = list(stored({5, 11}, by_genes).bands())
    assert [i for genes, _ in bands for i in range(genes.start, genes.stop)] == [*range(23)]
    assert max(band.size for _, band in bands) <= max(n_values, 17)
    np.testing.assert_array_equal(np.concatenate([band for _, band in bands]), VALUES)


def test_missing_and_too_large_values():
    values = StoredValues.of(np.array([[np.nan, 1e300], [-np.inf, 2**53 + 1]]))
    np.testing.assert_array_equal(
        values.block(slice(0, 2)), np.float32([[np.nan, np.inf], [-np.inf, 2.0**53]])
    )


def test_nothing_is_an_empty_table():
    values = StoredValues()
    assert values.shape == (0, 0) and list(values.bands()) == []
    assert StoredValues.of(np.zeros((0, 5))).rows(np.array([], int)).shape == (0, 5)


def test_no_file_stays_behind(tmp_path):
    values = StoredValues(tmp_path)
    values.add_genes(VALUES)
    assert list(tmp_path.iterdir()) == [], "it has no name, so that a killed job leaves nothing"


def test_another_process_fills_the_file(tmp_path):
    ours = StoredValues(tmp_path)
    theirs = StoredValues.on(os.dup(ours.descriptor), tmp_path)
    theirs.add_samples(VALUES.T[:9])
    theirs.add_samples(VALUES.T[9:])
    ours.adopt(theirs.tiles, theirs.shape)
    np.testing.assert_array_equal(ours.block(slice(0, 23)), VALUES)
    with pytest.raises(ValueError, match="has 1564 bytes; wanted 1632"):
        ours.adopt(theirs.tiles, (24, 17))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_message(tmp_path, monkeypatch, code):
    values = StoredValues(tmp_path)

    def refuse(descriptor, content):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(FileError, match=str(tmp_path)) as error:
        values.add_genes(VALUES)
    assert "space" in str(error.value) or "quota" in str(error.value)


def test_another_fault_of_the_disk_is_not_called_full(tmp_path, monkeypatch):
    def refuse(descriptor, content):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        StoredValues(tmp_path).add_genes(VALUES)
