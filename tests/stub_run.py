"""Stand-ins for every file that a plan expects: right attributes, digests and sizes, all zeros."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tumorcam.config import Config, config_json
from tumorcam.operations import audit
from tumorcam.operations.audit import ExpectedFile
from tumorcam.storage import hdf5, integrity, manifest, records
from tumorcam.storage.plan import MODEL_TYPE, SHARD_TYPE, SIGNIFICANCE_TYPE, read_plan

REPORT = ("index.html", "genes.csv", "figures/genes.svg")
SECTIONS = {
    MODEL_TYPE: ("run", "model", "training"),
    SHARD_TYPE: ("run", "explain"),
    SIGNIFICANCE_TYPE: ("significance",),
}


def expected(config: Config) -> list[ExpectedFile]:
    return audit.expected_files(config, read_plan(config.folder / "plan.json"))


def write_stub(
    config: Config, file: ExpectedFile, fill: Callable[[h5py.File], None] = lambda made: None
) -> None:
    if file.kind == manifest.MANIFEST_TYPE:
        write_report_stub(file)
        return
    attributes = dict(file.attributes)
    if file.kind in SECTIONS:
        attributes["config"] = config_json(config, SECTIONS[file.kind])
    digests = audit.stored_digests([file])
    attributes |= {name: digests[source] for name, source in file.made_from.items()}
    if file.shards:
        attributes["shards_digest"] = integrity.text_digest(
            "".join(digests[s] for s in file.shards)
        )
    with hdf5.create_file(file.path, file.kind, attributes) as made:
        for name, shape in file.shapes.items():
            records.write_dataset(made, name, np.zeros(shape, np.float16))
        fill(made)


def write_report_stub(file: ExpectedFile) -> None:
    for name in REPORT:
        hdf5.write_text(file.path.parent / name, "not empty")
    digests = audit.stored_digests([file])
    made_from = {name: digests[source] for name, source in file.made_from.items()}
    manifest.write_manifest(file.path, REPORT, made_from)


def write_stubs(
    config: Config, fill: Callable[[h5py.File], None] = lambda made: None
) -> list[ExpectedFile]:
    """Fill a prepared run; its files in the order of the plan. `fill` writes further datasets."""
    for file in expected(config):
        if file.stage != "cohort":
            write_stub(config, file, fill)
    return expected(config)


def flip_bit(path: Path) -> None:
    """Damage the file as a bad disk does: one bit inside the data of its first dataset."""
    with h5py.File(path) as file:
        name = file.visititems(lambda name, item: name if getattr(item, "chunks", None) else None)
        offset = file[name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
