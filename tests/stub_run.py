"""Stand-ins for every file that a plan expects: right attributes, digests and sizes, all zeros."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tumorcam.config import Config, config_json
from tumorcam.explain.shards import MethodMaps, shard_attributes
from tumorcam.operations import audit
from tumorcam.operations.audit import ExpectedFile
from tumorcam.significance.tables import SIGNIFICANCE_TYPE
from tumorcam.storage import hdf5, integrity, manifest, records
from tumorcam.storage.plan import Plan, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE, SECTIONS

REPORT = ("index.html", "genes.csv", "figures/genes.svg")
SECTIONS_OF_KIND = {MODEL_TYPE: SECTIONS, SIGNIFICANCE_TYPE: ("significance",)}
Fill = Callable[[h5py.File], None]


@dataclass(frozen=True)
class Numbers:
    """The content of a file that nobody reads."""

    numbers: np.ndarray


def plan_of(config: Config) -> Plan:
    return read_plan(RunFolder.of(config).plan)


def expected(config: Config) -> list[ExpectedFile]:
    return audit.expected_files(config, plan_of(config))


def write_stub(config: Config, file: ExpectedFile, fill: Fill = lambda file: None) -> None:
    if file.kind == manifest.MANIFEST_TYPE:
        write_report_stub(config, file)
        return
    attributes = dict(file.attributes)
    digests = audit.stored_digests([file])
    attributes |= {name: digests[source] for name, source in file.made_from.items()}
    if file.kind in SECTIONS_OF_KIND:
        attributes["config"] = config_json(config, SECTIONS_OF_KIND[file.kind])
    if file.sources:
        attributes["shards_digest"] = integrity.text_digest(
            "".join(digests[path] for path in file.sources)
        )
    with hdf5.create_file(file.path, file.kind, attributes) as output:
        records.write_record(output, Numbers(np.zeros(9)))
        fill(output)


def write_shard_stub(
    config: Config, file: ExpectedFile, fill: Fill = lambda file: None, *, n_columns: int = 0
) -> None:
    """A shard of zeros, with the plan's number of columns unless another one is given."""
    plan = plan_of(config)
    (key,) = [k for k in plan.explain_tasks if RunFolder.of(config).shard(k) == file.path]
    digests = audit.stored_digests([file])
    cohort, model = (digests[file.made_from[f"{name}_digest"]] for name in ("cohort", "model"))
    n_samples, n_columns = key.stop - key.start, n_columns or plan.n_columns
    zeros = np.zeros((n_samples, n_columns), np.float16)
    maps = MethodMaps(zeros, zeros, np.ones(n_samples, np.float32), None, None)
    attributes = shard_attributes(config, cohort, model, key)
    with hdf5.create_file(file.path, file.kind, attributes) as output:
        for method in config.explain.methods:
            records.write_record(output.create_group(method), maps)
        fill(output)


def write_report_stub(config: Config, file: ExpectedFile) -> None:
    for name in REPORT:
        hdf5.write_text(file.path.parent / name, "not empty")
    digests = audit.stored_digests([file])
    made_from = {name: digests[source] for name, source in file.made_from.items()}
    made_from["config"] = config_json(config, ["report"])
    manifest.write_manifest(file.path, REPORT, made_from)


def write_stubs(config: Config, fill: Fill = lambda file: None) -> list[ExpectedFile]:
    """Fill a prepared run; its files in the order of the plan. `fill` writes further datasets."""
    for file in expected(config):
        if file.stage == "shards":
            write_shard_stub(config, file, fill)
        elif file.stage != "cohort":
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
