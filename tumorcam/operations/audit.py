"""Which files a run is to have, and whether each is there, whole, and made from the others."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py

from tumorcam.cohort.cohort import COHORT_TYPE, plan_of, read_cohort
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import FileError
from tumorcam.storage import disk, hdf5, integrity, manifest
from tumorcam.storage.plan import (
    BAND_TYPE,
    BASELINE_METHODS,
    BASELINES,
    BASELINES_TYPE,
    FAITHFULNESS_TYPE,
    MODEL_TYPE,
    PLAN_TYPE,
    RESPONSES_TYPE,
    SALIENCY_TYPE,
    SHARD_TYPE,
    SIGNIFICANCE_TYPE,
    ModelKey,
    Plan,
    model_file,
    plan_text,
    read_plan,
    shard_file,
)

WHOLE, MISSING, BROKEN = "whole", "missing", "broken"
JOB_OF_STAGE = {  # in the order in which they are made
    "cohort": "prepare",
    "models": "train",
    "shards": "explain",
    "significance": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
}
INPUT = "input"  # a stage of which a run need not have anything: the user may have brought it
UNFINISHED = {"bands": BAND_TYPE, "responses": RESPONSES_TYPE}  # folders of parts
NO_HDF5 = ("", manifest.MANIFEST_TYPE, PLAN_TYPE)  # kinds


@dataclass(frozen=True)
class ExpectedFile:
    """A file that the plan expects, and what must be true of it.

    `kind` is its encoding type (empty: no HDF5 file); `made_from` names the attributes that hold
    another file's digest; `shards` are the files over whose digests `shards_digest` goes;
    `attributes` the values of others; `shapes` the first sizes of datasets. A file that is no HDF5
    may have the attributes `text`, its content, or `size` and `sha256`.
    """

    stage: str
    path: Path
    kind: str
    made_from: Mapping[str, Path] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    shards: tuple[Path, ...] = ()

    @property
    def remedy(self) -> str:
        """The job that makes the file anew."""
        return f"run jobs.{(JOB_OF_STAGE | {INPUT: 'synthesize'})[self.stage]}"


@dataclass(frozen=True)
class Finding:
    """What was found: `state` is WHOLE, MISSING or BROKEN; `fault` says why, and what to do.

    A `stale` file is undamaged, but made from other files or with other settings than there are
    now; its job replaces it unasked.
    """

    file: ExpectedFile
    state: str
    fault: str = ""
    stale: bool = False


class Reading(NamedTuple):
    """What reading a whole file gave: the digest that it carries, and the fault of its bytes."""

    digest: str
    fault: str


class Fault(NamedTuple):
    """What is wrong with a file that can be read, and whether it is only stale."""

    text: str
    stale: bool


def expected_files(config: Config, plan: Plan) -> list[ExpectedFile]:
    """Every file of a finished run, from the cohort to the report."""
    folder = config.folder
    of_cohort = {"cohort_digest": folder / "cohort.h5"}
    of_shards = tuple(shard_file(folder, s) for s in plan.explain_tasks)
    return [
        ExpectedFile(
            "cohort",
            folder / "cohort.h5",
            COHORT_TYPE,
            attributes={"digest": plan.cohort_digest},
            shapes={"expression": (plan.n_samples, plan.n_genes)},
        ),
        ExpectedFile(
            "cohort",
            folder / "plan.json",
            PLAN_TYPE,
            attributes={"text": plan_text(plan)},
        ),
        *_expected_models(folder, plan),
        *_expected_shards(folder, plan, config.explain.methods),
        ExpectedFile(
            "significance",
            folder / "saliency.h5",
            SALIENCY_TYPE,
            of_cohort,
            shards=of_shards,
        ),
        ExpectedFile(
            "significance",
            folder / "significance.h5",
            SIGNIFICANCE_TYPE,
            of_cohort,
            shapes={"genes": (plan.n_genes,), "decoy_gene": (plan.n_decoys,)},
            shards=of_shards,
        ),
        ExpectedFile(
            "faithfulness",
            folder / "faithfulness.h5",
            FAITHFULNESS_TYPE,
            of_cohort | {"significance_digest": folder / "significance.h5"},
            {"view": config.report.view},
        ),
        *_listed_files(
            "report",
            folder / "report" / manifest.FILE_NAME,
            {name: folder / name for name in ("significance.h5", "faithfulness.h5")},
        ),
    ]


def files_without_plan(config: Config) -> list[ExpectedFile]:
    """What prepare makes, where no cohort and no plan tells which other files there must be."""
    no_text = {"text": ""}  # that an unreadable plan could have
    return [
        ExpectedFile("cohort", config.folder / "cohort.h5", COHORT_TYPE),
        ExpectedFile("cohort", config.folder / "plan.json", PLAN_TYPE, attributes=no_text),
    ]


def further_files(config: Config) -> list[ExpectedFile]:
    """Files that a finished run need not have: synthetic input, and parts while jobs work."""
    list_of_input = config.folder / "input" / manifest.FILE_NAME
    is_ours = not config.input.expression and list_of_input.exists()
    stages = dict(zip(UNFINISHED, ("significance", "faithfulness"), strict=True))
    return [
        *(_listed_files(INPUT, list_of_input, {}) if is_ours else ()),
        *(
            ExpectedFile(stages[name], path, kind)
            for name, kind in UNFINISHED.items()
            for path in sorted((config.folder / name).glob("*.h5"))
        ),
    ]


def audit_run(config: Config, *, deep: bool = False) -> list[Finding]:
    """A finding for every file of the run; without a readable plan for the cohort alone."""
    try:
        if deep:
            plan = sound_plan(config)
        else:
            plan = read_plan(config.folder / "plan.json", config.layout.nulls)
    except FileError as error:
        return [Finding(files_without_plan(config)[0], MISSING, str(error))]
    files = expected_files(config, plan)
    if deep:
        return inspect_files(files, config, {file.path: read_whole(file) for file in files})
    digests = stored_digests(files)
    return [inspect_file(file, config, digests) for file in files]


def sound_plan(config: Config) -> Plan:
    """The plan made anew from a sound cohort, else the one in plan.json.

    Raises
    ------
    FileError
        If there is neither.
    """
    path = config.folder / "cohort.h5"
    try:
        integrity.check_seal(path)
        return plan_of(read_cohort(path, config), config)
    except FileError:
        return read_plan(config.folder / "plan.json", config.layout.nulls)


def stored_digests(files: Iterable[ExpectedFile]) -> dict[Path, str]:
    """The digest that each file's sources carry; empty for a source that cannot be read."""
    sources = {path for file in files for path in (*file.made_from.values(), *file.shards)}
    return {path: _stored_digest(path) for path in sources}


def read_whole(expected: ExpectedFile) -> Reading:
    """Every byte of a file, held against its digests; both texts are empty if it is not there."""
    if not expected.path.exists():
        return Reading("", "")
    try:
        if expected.kind not in NO_HDF5:
            integrity.verify_file(expected.path)
            return Reading(_stored_digest(expected.path), "")
        wanted = expected.attributes.get("sha256")
        if wanted and integrity.file_digest(expected.path) != wanted:
            return Reading("", f"{expected.path} is damaged: its SHA-256 differs; delete it, then "
                           f"{expected.remedy}")  # fmt: skip
    except OSError as error:
        return Reading("", str(error))
    return Reading("", "")


def inspect_files(
    files: Iterable[ExpectedFile], config: Config, readings: Mapping[Path, Reading]
) -> list[Finding]:
    """What is at each path, after `read_whole` of all files that the run has."""
    digests = {path: reading.digest for path, reading in readings.items()}
    damage = {path: reading.fault for path, reading in readings.items() if reading.fault}
    return [inspect_file(file, config, digests, damage) for file in files]


def inspect_file(
    expected: ExpectedFile,
    config: Config,
    digests: Mapping[Path, str],
    damage: Mapping[Path, str] = MappingProxyType({}),
) -> Finding:
    """What is at the path, by its attributes and sizes.

    Parameters
    ----------
    config : Config
        The present settings; a file that was made with others is broken.
    digests : mapping
        Those that other files carry; empty where one is missing or damaged: it may come back as it
        was.
    damage : mapping
        Faults that are known already; such files are not opened again.
    """
    if expected.path in damage:
        return Finding(expected, BROKEN, damage[expected.path])
    if not expected.path.exists():
        return Finding(expected, MISSING, f"{expected.path} does not exist; {expected.remedy}")
    try:
        faults = list(_faults(expected, config, digests))
    except FileError as error:
        return Finding(expected, BROKEN, str(error))
    if faults:
        texts = "; ".join(fault.text for fault in faults)
        text = f"{expected.path}: {texts}; delete it, then {expected.remedy}"
        return Finding(expected, BROKEN, text, all(fault.stale for fault in faults))
    return Finding(expected, WHOLE)


def delete_faulty(config: Config, findings: Iterable[Finding]) -> list[Path]:
    """Delete damaged files and what killed processes left; which those were.

    Stale files stay: a wrong config must not cost a run, and their jobs replace them anyway.
    """
    inputs = {Path(name).resolve() for name in (config.input.expression, config.input.samples)}
    damaged = [f.file.path for f in findings if f.state == BROKEN and not f.stale]
    deleted = [
        path
        for path in (*damaged, *disk.dead_parts(config.folder))
        if path.is_relative_to(config.folder) and path.resolve() not in inputs
    ]
    for path in deleted:
        path.unlink(missing_ok=True)
    return deleted


def count_states(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    """How many files of each stage are in each state."""
    counts = {stage: dict.fromkeys((WHOLE, MISSING, BROKEN), 0) for stage in JOB_OF_STAGE}
    for finding in findings:
        counts[finding.file.stage][finding.state] += 1
    return counts


def incomplete_stages(findings: Iterable[Finding]) -> list[str]:
    """Stages that lack a file, or have no whole one yet, in the order in which they are made."""
    counts = count_states(findings)
    return [stage for stage, n in counts.items() if not n[WHOLE] or n[MISSING] or n[BROKEN]]


def _expected_models(folder: Path, plan: Plan) -> Iterator[ExpectedFile]:
    """In the order of the train tasks: models, baselines, null models."""
    of_cohort = {"cohort_digest": folder / "cohort.h5"}
    n_features = plan.n_genes + plan.n_decoys
    shapes = {"scaler/mean": (plan.n_genes,), "pixel": (n_features,), "role": (plan.n_samples,)}

    def expected(model: ModelKey) -> ExpectedFile:
        path, name = model_file(folder, model), {"model": model.name}
        return ExpectedFile("models", path, MODEL_TYPE, of_cohort, name, shapes)

    yield from map(expected, plan.models)
    path = folder / "models" / f"{BASELINES}.h5"
    sizes = dict.fromkeys(BASELINE_METHODS, (plan.n_samples,))
    yield ExpectedFile("models", path, BASELINES_TYPE, of_cohort, shapes=sizes)
    yield from map(expected, plan.null_models)


def _expected_shards(folder: Path, plan: Plan, methods: Sequence[str]) -> Iterator[ExpectedFile]:
    maps = [f"{view}/{method}" for view in ("own", "contrast") for method in methods]
    for shard in plan.explain_tasks:
        n_samples = shard.stop - shard.start
        yield ExpectedFile(
            "shards",
            shard_file(folder, shard),
            SHARD_TYPE,
            {
                "cohort_digest": folder / "cohort.h5",
                "model_digest": model_file(folder, shard.model),
            },
            {"shard": shard.name, "n_samples": n_samples},
            dict.fromkeys(maps, (n_samples, plan.n_genes + plan.n_decoys)),
        )


def _listed_files(stage: str, path: Path, made_from: Mapping[str, Path]) -> Iterator[ExpectedFile]:
    """A list of files, and each file that it names if it can be read."""
    yield ExpectedFile(stage, path, manifest.MANIFEST_TYPE, made_from)
    try:
        files = manifest.read_manifest(path).files
    except FileError:
        return
    for name, entry in files.items():
        yield ExpectedFile(stage, path.parent / name, "", attributes=entry._asdict())


def _faults(expected: ExpectedFile, config: Config, digests: Mapping[Path, str]) -> Iterator[Fault]:
    if expected.kind in NO_HDF5:
        yield from _plain_faults(expected, digests)
        return
    with hdf5.open_file(expected.path, expected.kind, remedy=expected.remedy) as file:
        if expected.kind in UNFINISHED.values():  # its job asks whether it fits
            return
        yield from _source_faults(expected, file.attrs, digests)
        made_of = [digests[path] for path in expected.shards]
        is_same = file.attrs.get("shards_digest") == integrity.text_digest("".join(made_of))
        if made_of and all(made_of) and not is_same:
            folder = expected.shards[0].parent
            yield Fault(f"it was made from other shards than those in {folder}", stale=True)
        for name, wanted in expected.attributes.items():
            if file.attrs.get(name) != wanted:
                text = f"its {name} is {file.attrs.get(name)!r}, wanted {wanted!r}"
                yield Fault(text, stale=True)
        for name, shape in expected.shapes.items():
            if file[name].shape[: len(shape)] != shape:
                yield Fault(f"/{name} has shape {file[name].shape}, wanted {shape}", stale=False)
        if "config" in file.attrs:
            made_with = str(file.attrs["config"])
            now = config_json(config, list(json.loads(made_with)))
            for change in changed_settings(made_with, now):
                yield Fault(change, stale=True)


def _plain_faults(expected: ExpectedFile, digests: Mapping[Path, str]) -> Iterator[Fault]:
    path, wanted = expected.path, expected.attributes
    if expected.kind == manifest.MANIFEST_TYPE:
        try:
            made_from = manifest.read_manifest(path).made_from
        except FileError as error:
            msg = f"{error}; delete it, then {expected.remedy}"
            raise FileError(msg) from error
        yield from _source_faults(expected, made_from, digests)
    if "text" in wanted and path.read_text(encoding="utf-8", errors="replace") != wanted["text"]:
        yield Fault("it is not what the cohort and the settings give", stale=False)
    if "size" in wanted and path.stat().st_size != wanted["size"]:
        yield Fault(f"it has {path.stat().st_size} bytes, wanted {wanted['size']}", stale=False)


def _source_faults(
    expected: ExpectedFile, made_from: Mapping[str, Any], digests: Mapping[Path, str]
) -> Iterator[Fault]:
    for name, source in expected.made_from.items():
        if digests.get(source) and made_from.get(name) != digests[source]:
            yield Fault(f"it was made from another {source.name} than {source}", stale=True)


def _stored_digest(path: Path) -> str:
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("digest", ""))
    except OSError:
        return ""
