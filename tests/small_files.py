"""A small HDF5 file as any of a run, for the tests of storage."""

import numpy as np

from tumorcam.storage import hdf5, records

KIND = "tumorcam-test"


def make(path, values=None, **attributes):
    with hdf5.create_file(path, KIND, attributes) as file:
        records.write_dataset(
            file, "maps", np.arange(24.0).reshape(6, 4) if values is None else values
        )
    return path


def open_again(path):
    return hdf5.open_file(path, KIND, remedy="run `tumorcam test`")
