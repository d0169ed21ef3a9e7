"""Wrong bits and cut files in every file of a run: verify reports exactly the damaged file."""

import itertools
from dataclasses import dataclass

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files
from stub_run import expected, write_stubs

from jobs import prepare
from tumorcam.errors import DamageError
from tumorcam.operations import audit
from tumorcam.operations.audit import BROKEN, WHOLE
from tumorcam.settings.config import config_from_tables, config_tables, config_toml
from tumorcam.storage import hdf5, records
from tumorcam.storage.records import stored

N_FLIPS = 200


@dataclass(frozen=True)
class Extra:
    """Values of every kind."""

    packed: np.ndarray = stored(chunks=(16, 24), compressed=True)
    number: np.ndarray
    nothing: np.ndarray
    table: pd.DataFrame


def fill(file: h5py.File) -> None:
    """Datasets of every kind and packing that a run has."""
    rng = np.random.default_rng(0)
    packings = records.COMPRESSION if file.attrs["encoding-type"] == "tumorcam-shard" else ["none"]
    for packing in packings:
        extra = Extra(
            packed=rng.normal(size=(40, 24)).astype(np.float16),
            number=np.array(0.25),
            nothing=np.empty((0, 3)),
            table=pd.DataFrame({"gene": ["TP53", "Größe"], "n": [3, 4]}),
        )
        records.write_record(file.create_group(f"extra-{packing}"), extra, compression=packing)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((8,))
    h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT64, space, dcpl=compact)
    file["compact"][...] = rng.integers(1 << 40, size=8)
    if file.attrs["encoding-type"] == "tumorcam-saliency":
        layout = h5py.VirtualLayout((2, 40), "f2")
        for i in range(2):
            layout[i] = h5py.VirtualSource(
                f"shards/r00-f0{i}-b0000.h5", "extra-none/packed", (40, 24)
            )[:, i]
        file.create_virtual_dataset("virtual", layout)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small finished run and the readings of all its files."""
    folder = tmp_path_factory.mktemp("damaged")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    tables = config_tables(config)
    tables["explain"]["block"] = 24
    tables["layout"]["replicates"] = 1
    config = config_from_tables(tables, source="test")
    (folder / "tiny.toml").write_text(config_toml(config), encoding="utf-8")
    assert prepare.main([str(folder / "tiny.toml")]) == 0
    write_stubs(config, fill)
    files = expected(config)
    readings = {file.path: audit.read_file(file, whole=True) for file in files}
    assert {s.state for s in audit.inspect_files(files, config, readings)} == {WHOLE}
    return config, files, readings


def is_hdf5(file):
    return file.path.suffix == ".h5"


def faulty(run, file, content):
    """Paths of the faulty files while one of them has this content."""
    config, files, readings = run
    sound = file.path.read_bytes()
    try:
        file.path.write_bytes(content)
        now = readings | {file.path: audit.read_file(file, whole=True)}
        states = audit.inspect_files(files, config, now)
    finally:
        file.path.write_bytes(sound)
    return [state.file.path for state in states if state.state == BROKEN]


def stored_bytes(path):
    """(offset, size) of each stored piece of each dataset, by its name."""
    pieces = {}

    def add(name, item):
        if not isinstance(item, h5py.Dataset) or item.is_virtual or not item.size:
            return
        if item.chunks:
            chunks = (item.id.get_chunk_info(i) for i in range(item.id.get_num_chunks()))
            pieces[name] = [(chunk.byte_offset, chunk.size) for chunk in chunks]
        elif item.id.get_offset() is not None:
            pieces[name] = [(item.id.get_offset(), item.nbytes)]
        else:  # within the header
            at = path.read_bytes().index(item[()].tobytes())
            pieces[name] = [(at, item.nbytes)]

    with h5py.File(path) as file:
        file.visititems(add)
    return pieces


def flipped(content, at, bit):
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_the_pieces_are_where_the_data_are(run):
    """Else the flips below would hit something else."""
    for file in run[1]:
        if not is_hdf5(file):
            continue
        content = file.path.read_bytes()
        with h5py.File(file.path) as opened:
            for name, pieces in stored_bytes(file.path).items():
                dataset = opened[name]
                is_plain = (
                    dataset.compression is None
                    and not dataset.id.get_create_plist().get_nfilters() > 1
                )
                if is_plain and len(pieces) == 1:
                    (at, size), values = pieces[0], dataset[()].tobytes()
                    assert content[at : at + len(values)] == values, (file.path, name)
                    assert size - len(values) in (0, 4), "and a checksum"


def test_every_flipped_bit_of_a_dataset_is_detected(run):
    rng = np.random.default_rng(1)
    files = [file for file in run[1] if is_hdf5(file)]
    places = {file.path: stored_bytes(file.path) for file in files}
    kinds = set()
    for file in itertools.islice(itertools.cycle(files), N_FLIPS):
        name = rng.choice(sorted(places[file.path]))
        pieces = places[file.path][name]
        start, size = pieces[rng.integers(len(pieces))]
        at, bit = start + int(rng.integers(size)), int(rng.integers(8))
        content = flipped(file.path.read_bytes(), at, bit)
        assert faulty(run, file, content) == [file.path], (file.path, name, at, bit)
        kinds.add((file.kind, name))
    assert len(kinds) > N_FLIPS / 5, "all over the run"


def test_every_flipped_bit_of_a_file_is_detected(run):
    """Also of what describes the data, of attributes and of files that are no HDF5."""
    rng = np.random.default_rng(2)
    for file in itertools.islice(itertools.cycle(run[1]), 120):
        content = file.path.read_bytes()
        at, bit = int(rng.integers(len(content))), int(rng.integers(8))
        assert faulty(run, file, flipped(content, at, bit)) == [file.path], (file.path, at, bit)


def test_every_cut_and_every_addition_is_detected(run):
    rng = np.random.default_rng(3)
    for file in itertools.islice(itertools.cycle(run[1]), 40):
        content = file.path.read_bytes()
        cut = content[: int(rng.integers(len(content)))]
        assert faulty(run, file, cut) == [file.path], (file.path, len(cut))
        assert faulty(run, file, content + b"\0") == [file.path]


def test_a_reading_job_notices_what_verify_notices(run):
    rng = np.random.default_rng(4)
    for file in filter(is_hdf5, run[1]):
        places, sound = stored_bytes(file.path), file.path.read_bytes()
        try:
            for name in sorted(places):
                start, size = places[name][0]
                at, bit = start + int(rng.integers(size)), int(rng.integers(8))
                file.path.write_bytes(flipped(sound, at, bit))
                with pytest.raises(DamageError, match=r"damaged.*run it, which makes it anew"):
                    hdf5.open_file(file.path, file.kind, remedy="run it").__enter__()
        finally:
            file.path.write_bytes(sound)


def test_hdf5_never_sees_a_damaged_file(run, monkeypatch):
    """It trusts what describes the data: one wrong bit there may end the process (HDF5 1.14.6)."""
    (file,) = [file for file in run[1] if file.path.name == "faithfulness.h5"]
    opened, true_file = [], h5py.File

    def watch(path, *args, **options):
        opened.append(path)
        return true_file(path, *args, **options)

    monkeypatch.setattr(h5py, "File", watch)
    content = file.path.read_bytes()
    try:
        file.path.write_bytes(flipped(content, len(content) // 2, 0))
        with pytest.raises(DamageError):
            hdf5.open_file(file.path, file.kind, remedy="").__enter__()
    finally:
        file.path.write_bytes(content)
    assert opened == []
    with hdf5.open_file(file.path, file.kind, remedy=""):
        assert set(opened) == {file.path}
