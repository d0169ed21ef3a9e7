"""Named dimensions of HDF5 files, by which xarray opens them (HDF5 dimension scales)."""

from collections.abc import Mapping

import h5py
import numpy as np

from tumorcam.storage import records

Dimensions = Mapping[str, tuple[str, ...]]  # of datasets, by NAME or GROUP/NAME
ROW = "row"  # the dimension of the columns of a table


def name_dimensions(
    file: h5py.File, dimensions: Dimensions, coordinates: Mapping[str, np.ndarray]
) -> None:
    """Name the axes of the datasets of a file that is being written.

    A dimension is a dataset of the root that has its name. Where there is none, it is added, with
    its coordinate, or else with the numbers 0, 1, 2 … The columns of each table get a dimension of
    their own. Texts get the attribute by which xarray reads them as str.

    Parameters
    ----------
    dimensions : mapping
        The dimensions of a dataset by its name, or by that of its group and its own. Datasets that
        are not named have no dimensions.
    coordinates : mapping
        (n,) values of a dimension by its name.

    References
    ----------
    HDF5 Dimension Scale Specification and Design Notes, The HDF Group, 2005.
    """
    names: list[str] = []
    file.visit(names.append)
    for name in names:
        item = file[name]
        if not isinstance(item, h5py.Dataset):
            continue
        base = name.rpartition("/")[2]
        is_column = "columns" in item.parent.attrs
        own = (ROW,) if is_column else dimensions.get("/".join(name.split("/")[-2:]))
        home = item.parent if is_column else file
        for axis, dimension in enumerate(own or dimensions.get(base, ())):
            scale = _scale(home, dimension, item.shape[axis], coordinates.get(dimension))
            if scale != item:
                item.dims[axis].attach_scale(scale)
        _mark_text(item)


def _scale(home: h5py.Group, name: str, size: int, coordinate: np.ndarray | None) -> h5py.Dataset:
    """The dimension of a group that has this name; it is added where there is none."""
    if name not in home:
        values = np.arange(size, dtype=np.int32) if coordinate is None else coordinate
        records.write_dataset(home, name, values, compression="gzip")
        _mark_text(home[name])
    scale = home[name]
    if not scale.is_scale:
        scale.make_scale(name)
    return scale


def _mark_text(dataset: h5py.Dataset) -> None:
    if dataset.dtype.kind == "S":
        dataset.attrs["_Encoding"] = "utf-8"
