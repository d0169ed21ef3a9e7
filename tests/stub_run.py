"""Stand-ins for every file that a plan expects: right attributes, digests and sizes, all zeros."""

from pathlib import Path

import h5py
import numpy as np

from tumorcam import audit, shards, store
from tumorcam.audit import ExpectedFile
from tumorcam.config import Config, config_json

SECTIONS = {
    shards.MODEL_TYPE: ("run", "model", "training"),
    shards.SHARD_TYPE: ("run", "explain"),
    shards.SIGNIFICANCE_TYPE: ("significance",),
}


def expected(config: Config) -> list[ExpectedFile]:
    return audit.expected_files(config, shards.read_plan(config.folder / "plan.json"))


def write_stub(config: Config, file: ExpectedFile) -> None:
    if not file.kind:
        store.write_text(file.path, "not empty")
        return
    attributes = dict(file.attributes)
    if file.kind in SECTIONS:
        attributes["config"] = config_json(config, SECTIONS[file.kind])
    digests = audit.stored_digests([file])
    attributes |= {name: digests[source] for name, source in file.made_from.items()}
    if file.shards:
        attributes["shards_digest"] = store.text_digest("".join(digests[s] for s in file.shards))
    with store.create_file(file.path, file.kind, attributes) as made:
        for name, shape in file.shapes.items():
            store.write_dataset(made, name, np.zeros(shape, np.float16))


def write_stubs(config: Config) -> list[ExpectedFile]:
    """Fill a prepared run; its files in the order of the plan."""
    files = expected(config)
    for file in files:
        if file.stage != "cohort":
            write_stub(config, file)
    return files


def flip_bit(path: Path) -> None:
    """Damage the file as a bad disk does: one bit inside the data of its first dataset."""
    with h5py.File(path) as file:
        item = file[next(iter(file))]
        dataset = item if isinstance(item, h5py.Dataset) else next(iter(item.values()))
        offset = dataset.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
