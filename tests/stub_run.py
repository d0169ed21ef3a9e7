"""Stand-ins for every file that a plan expects: right attributes, digests and sizes, all zeros."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tumorcam.explain.shards import MethodMaps, shard_attributes
from tumorcam.operations.expected_files import ExpectedFile, files_of_run
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, integrity, manifest, records
from tumorcam.storage.plan import Plan, read_plan
from tumorcam.storage.run_folder import RunFolder

REPORT = ("index.html", "genes.csv", "figures/genes.svg")
Fill = Callable[[h5py.File], None]


@dataclass(frozen=True)
class Numbers:
    """The content of a file that nobody reads."""

    numbers: np.ndarray


def plan_of(config: Config) -> Plan:
    return read_plan(RunFolder.of(config).plan)


def expected(config: Config) -> list[ExpectedFile]:
    return files_of_run(config, plan_of(config))


def write_stub(config: Config, file: ExpectedFile, fill: Fill = lambda file: None) -> None:
    if file.kind == manifest.MANIFEST_TYPE:
        write_report_stub(config, file)
        return
    attributes = file.attributes | chain.made_with(config, file.settings)
    digests = stored_digests(file)
    attributes |= {name: digests[source] for name, source in file.made_from.items()}
    if file.sources:
        attributes["shards_digest"] = integrity.text_digest(
            "".join(digests[path] for path in file.sources)
        )
    with hdf5.create_file(file.path, file.kind, attributes) as output:
        records.write_record(output, Numbers(np.zeros(9)))
        fill(output)


def stored_digests(file: ExpectedFile) -> dict[Path, str]:
    """The digest in each source of a file."""
    sources = (*file.made_from.values(), *file.sources)
    return {
        path: str(integrity.read_header(path).attributes["digest"]) if path.exists() else ""
        for path in sources
    }


def write_shard_stub(config: Config, file: ExpectedFile, fill: Fill = lambda file: None) -> None:
    """A shard of zeros."""
    plan = plan_of(config)
    (key,) = [k for k in plan.explain_tasks if RunFolder.of(config).shard(k) == file.path]
    digests = stored_digests(file)
    cohort, model = (digests[file.made_from[f"{name}_digest"]] for name in ("cohort", "model"))
    zeros = np.zeros((key.n_samples, plan.n_columns), np.float16)
    maps = MethodMaps(zeros, zeros, np.ones(key.n_samples, np.float32), None, None)
    attributes = shard_attributes(config, cohort, model, key, plan.n_columns)
    with hdf5.create_file(file.path, file.kind, attributes) as output:
        for method in config.explain.methods:
            records.write_record(output.create_group(method), maps)
        fill(output)


def write_report_stub(config: Config, file: ExpectedFile) -> None:
    for name in REPORT:
        hdf5.write_text(file.path.parent / name, "not empty")
    digests = stored_digests(file)
    made_from = {name: digests[source] for name, source in file.made_from.items()}
    made_from |= chain.made_with(config, "report")
    manifest.write_manifest(file.path, REPORT, made_from)


def write_stubs(config: Config, fill: Fill = lambda file: None) -> list[ExpectedFile]:
    """Fill a prepared run; its files in the order of the plan. `fill` writes further datasets."""
    for file in expected(config):
        if file.stage == "shards":
            write_shard_stub(config, file, fill)
        elif file.stage != "cohort" and file.entry is None:
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
