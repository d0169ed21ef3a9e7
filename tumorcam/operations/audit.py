"""The files that a run is to have, and whether each is there, undamaged and up to date."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tumorcam.cohort.cohort import COHORT_TYPE, plan_of, read_cohort
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import FileError
from tumorcam.explain.shards import SALIENCY_TYPE, SHARD_TYPE, shard_fault
from tumorcam.faithfulness.results import FAITHFULNESS_TYPE, RESPONSES_TYPE, list_digests
from tumorcam.significance.bands import BAND_TYPE
from tumorcam.significance.tables import RANKING_TYPE, SIGNIFICANCE_TYPE
from tumorcam.storage import disk, hdf5, integrity, manifest
from tumorcam.storage.plan import PLAN_TYPE, ModelKey, Plan, plan_text, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE
from tumorcam.training.baselines import BASELINES_TYPE

WHOLE, MISSING, BROKEN = "whole", "missing", "broken"
JOB_OF_STAGE = {  # in the order of the pipeline
    "cohort": "prepare",
    "models": "train",
    "shards": "explain",
    "significance": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
}
INPUT = "input"  # a stage whose files a user may have brought, so that a run need not have them
UNFINISHED = (
    BAND_TYPE,
    RANKING_TYPE,
    RESPONSES_TYPE,
)  # kinds of parts, while a job works
NO_HDF5 = ("", manifest.MANIFEST_TYPE, PLAN_TYPE)  # kinds


@dataclass(frozen=True)
class ExpectedFile:
    """A file that the plan expects, and what must be true of it.

    Attributes
    ----------
    stage : str
        A key of JOB_OF_STAGE, or INPUT.
    path : Path
    kind : str
        The encoding type. PLAN_TYPE and MANIFEST_TYPE are JSON; "" is any other file.
    made_from : mapping
        Name of an attribute to the file whose digest it holds.
    attributes : mapping
        Name of an attribute to its value. A file that is not HDF5 may have `text`, its content,
        or `size` and `sha256`.
    sources : tuple of Path
        Shards whose digests give the attribute `shards_digest`.
    check : callable or None
        The home module's own check, instead of the above. With the config and the digests of
        `made_from`, by their names, it returns the fault or "".
    """

    stage: str
    path: Path
    kind: str
    made_from: Mapping[str, Path] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()
    check: Callable[..., str] | None = None

    @property
    def remedy(self) -> str:
        """The command that makes the file again."""
        return f"run `tumorcam {(JOB_OF_STAGE | {INPUT: 'synthesize'})[self.stage]}`"


@dataclass(frozen=True)
class FileState:
    """The state of a file, WHOLE, MISSING or BROKEN; `fault` says why, and what to do.

    A file that `is_stale` is undamaged, but was made from other files or with other settings than
    the present ones; its job replaces it unasked.
    """

    file: ExpectedFile
    state: str
    fault: str = ""
    is_stale: bool = False


class Reading(NamedTuple):
    """Result of reading a whole file: the digest in it, and the fault of its bytes or ""."""

    digest: str
    fault: str


class Fault(NamedTuple):
    """A fault of a file that can be read, and whether the file is only stale."""

    text: str
    is_stale: bool = True


def expected_files(config: Config, plan: Plan) -> list[ExpectedFile]:
    """Every file of a finished run, from the cohort to the report."""
    run = RunFolder.of(config)
    cohort = {"cohort_digest": run.cohort}
    shards = tuple(run.shard(key) for key in plan.explain_tasks)
    tables = {path.name: path for path in (run.significance, run.faithfulness)}
    digest, text = {"digest": plan.cohort_digest}, {"text": plan_text(plan)}
    return [
        ExpectedFile("cohort", run.cohort, COHORT_TYPE, attributes=digest),
        ExpectedFile("cohort", run.plan, PLAN_TYPE, attributes=text),
        *_expected_models(run, plan),
        *_expected_shards(run, plan),
        ExpectedFile("significance", run.saliency, SALIENCY_TYPE, cohort, sources=shards),
        ExpectedFile("significance", run.significance, SIGNIFICANCE_TYPE, cohort, sources=shards),
        ExpectedFile(
            "faithfulness",
            run.faithfulness,
            FAITHFULNESS_TYPE,
            cohort | {"significance_digest": run.significance},
            {"view": config.report.view} | list_digests(run, config),
        ),
        *_listed_files("report", run.report, tables),
    ]


def files_without_plan(config: Config) -> list[ExpectedFile]:
    """The files of prepare, for a run whose plan and cohort cannot be read."""
    run = RunFolder.of(config)
    no_text = {"text": ""}  # so that an unreadable plan is broken
    return [
        ExpectedFile("cohort", run.cohort, COHORT_TYPE),
        ExpectedFile("cohort", run.plan, PLAN_TYPE, attributes=no_text),
    ]


def planned_files(config: Config, *, deep: bool) -> list[ExpectedFile]:
    """The files that the run is to have; those of prepare alone where no plan can be read.

    Parameters
    ----------
    deep : bool
        Whether the plan is taken from the cohort, and from plan.json only without a sound cohort.
    """
    try:
        plan = (
            sound_plan(config)
            if deep
            else read_plan(RunFolder.of(config).plan, config.layout.nulls)
        )
    except FileError:
        return files_without_plan(config)
    return expected_files(config, plan)


def further_files(config: Config) -> list[ExpectedFile]:
    """Files that a finished run need not have: synthetic input, and parts while jobs work."""
    run = RunFolder.of(config)
    has_input = not config.input.expression and run.input.listed.exists()
    parts = (
        ("significance", BAND_TYPE, run.band_files()),
        ("significance", RANKING_TYPE, run.ranking_files()),
        ("faithfulness", RESPONSES_TYPE, run.response_files()),
    )
    return [
        *(_listed_files(INPUT, run.input.root, {}) if has_input else ()),
        *(ExpectedFile(stage, path, kind) for stage, kind, paths in parts for path in paths),
    ]


def audit_run(config: Config, *, deep: bool = False) -> list[FileState]:
    """The state of every file of the run; without a readable plan those of prepare alone.

    Parameters
    ----------
    deep : bool
        Whether to read and check every byte.
    """
    files = planned_files(config, deep=deep)
    if deep:
        return inspect_files(files, config, {file.path: read_whole(file) for file in files})
    digests = stored_digests(files)
    return [inspect_file(file, config, digests) for file in files]


def sound_plan(config: Config) -> Plan:
    """The plan as a sound cohort gives it, or else the plan in plan.json.

    Raises
    ------
    FileError
        If there is neither.
    """
    run = RunFolder.of(config)
    try:
        integrity.check_seal(run.cohort)
        return plan_of(read_cohort(run.cohort, config), config)
    except FileError:
        return read_plan(run.plan, config.layout.nulls)


def stored_digests(files: Iterable[ExpectedFile]) -> dict[Path, str]:
    """The digest in each source of the files; "" for a source that cannot be read."""
    sources = {path for file in files for path in (*file.made_from.values(), *file.sources)}
    return {path: integrity.carried_digest(path) for path in sources}


def read_whole(expected: ExpectedFile) -> Reading:
    """Read every byte of a file and check it against its digests; a missing file has no fault."""
    path = expected.path
    if not path.exists():
        return Reading("", "")
    try:
        if expected.kind not in NO_HDF5:
            return Reading(integrity.verify_file(path), "")
        digest = expected.attributes.get("sha256")
        if digest and integrity.file_digest(path) != digest:
            fault = f"{path} is damaged: its SHA-256 differs; delete it, then {expected.remedy}"
            return Reading("", fault)
    except OSError as error:
        return Reading("", str(error))
    return Reading("", "")


def inspect_files(
    files: Iterable[ExpectedFile], config: Config, readings: Mapping[Path, Reading]
) -> list[FileState]:
    """The state of each file, after `read_whole` of all files of the run."""
    digests = {path: reading.digest for path, reading in readings.items()}
    damage = {path: reading.fault for path, reading in readings.items() if reading.fault}
    return [inspect_file(file, config, digests, damage) for file in files]


def inspect_file(
    expected: ExpectedFile,
    config: Config,
    digests: Mapping[Path, str],
    damage: Mapping[Path, str] = MappingProxyType({}),
) -> FileState:
    """The state of a file, by its attributes.

    Parameters
    ----------
    config : Config
        The present settings. A file that was made with other settings is broken.
    digests : mapping
        Path to the digest in it; "" for a file that is missing or damaged, since the same file may
        come back.
    damage : mapping
        Path of a damaged file to its fault. Such files are not opened again.
    """
    if expected.path in damage:
        return FileState(expected, BROKEN, damage[expected.path])
    if not expected.path.exists():
        return FileState(expected, MISSING, f"{expected.path} does not exist; {expected.remedy}")
    try:
        if expected.check is not None:
            return _checked_state(expected, config, digests)
        faults = list(_faults(expected, config, digests))
    except FileError as error:
        return FileState(expected, BROKEN, str(error))
    if faults:
        texts = "; ".join(fault.text for fault in faults)
        text = f"{expected.path}: {texts}; delete it, then {expected.remedy}"
        return FileState(expected, BROKEN, text, all(fault.is_stale for fault in faults))
    return FileState(expected, WHOLE)


def delete_faulty(config: Config, states: Iterable[FileState]) -> list[Path]:
    """Delete damaged files and what killed processes left; the paths of the deleted files.

    Stale files stay: a wrong config must not cost a run, and their jobs replace them anyway.
    """
    inputs = {Path(name).resolve() for name in (config.input.expression, config.input.samples)}
    damaged = [s.file.path for s in states if s.state == BROKEN and not s.is_stale]
    deleted = [
        path
        for path in (*damaged, *disk.dead_parts(config.folder))
        if path.is_relative_to(config.folder) and path.resolve() not in inputs
    ]
    for path in deleted:
        path.unlink(missing_ok=True)
    return deleted


def count_states(states: Iterable[FileState]) -> dict[str, dict[str, int]]:
    """Number of files of each stage in each state."""
    counts = {stage: dict.fromkeys((WHOLE, MISSING, BROKEN), 0) for stage in JOB_OF_STAGE}
    for state in states:
        counts[state.file.stage][state.state] += 1
    return counts


def incomplete_stages(states: Iterable[FileState]) -> list[str]:
    """Stages with a missing or broken file, or without any file, in the order of the pipeline."""
    counts = count_states(states)
    return [stage for stage, n in counts.items() if not n[WHOLE] or n[MISSING] or n[BROKEN]]


def _expected_models(run: RunFolder, plan: Plan) -> Iterator[ExpectedFile]:
    """Files of train, in the order of its tasks: models, baselines, null models."""
    cohort = {"cohort_digest": run.cohort}

    def expected(key: ModelKey) -> ExpectedFile:
        return ExpectedFile("models", run.model(key), MODEL_TYPE, cohort, {"model": key.name})

    yield from map(expected, plan.models)
    yield ExpectedFile("models", run.baselines, BASELINES_TYPE, cohort)
    yield from map(expected, plan.null_models)


def _expected_shards(run: RunFolder, plan: Plan) -> Iterator[ExpectedFile]:
    for key in plan.explain_tasks:
        made_from = {"cohort_digest": run.cohort, "model_digest": run.model(key.model)}
        check = functools.partial(shard_fault, run, key, n_columns=plan.n_columns)
        yield ExpectedFile("shards", run.shard(key), SHARD_TYPE, made_from, check=check)


def _listed_files(
    stage: str, folder: Path, made_from: Mapping[str, Path]
) -> Iterator[ExpectedFile]:
    """A list of files, and each file that it names if it can be read."""
    path = folder / manifest.FILE_NAME
    yield ExpectedFile(stage, path, manifest.MANIFEST_TYPE, made_from)
    try:
        files = manifest.read_manifest(path).files
    except FileError:
        return
    for name, entry in files.items():
        yield ExpectedFile(stage, folder / name, "", attributes=entry._asdict())


def _checked_state(
    expected: ExpectedFile, config: Config, digests: Mapping[Path, str]
) -> FileState:
    """The state by the home module's check; digests of sources that are not there do not count."""
    attributes = hdf5.stored_attributes(expected.path, expected.kind, remedy=expected.remedy)
    sources = {n: digests[path] or attributes.get(n) for n, path in expected.made_from.items()}
    fault = expected.check(config, **sources) if expected.check else ""
    return FileState(expected, BROKEN if fault else WHOLE, fault, is_stale=bool(fault))


def _faults(expected: ExpectedFile, config: Config, digests: Mapping[Path, str]) -> Iterator[Fault]:
    if expected.kind in NO_HDF5:
        yield from _plain_faults(expected, config, digests)
        return
    attributes = hdf5.stored_attributes(expected.path, expected.kind, remedy=expected.remedy)
    if expected.kind in UNFINISHED:  # its job asks whether it is up to date
        return
    yield from _source_faults(expected, attributes, digests)
    yield from _attribute_faults(expected, attributes, config)


def _source_faults(
    expected: ExpectedFile, attributes: Mapping[str, Any], digests: Mapping[Path, str]
) -> Iterator[Fault]:
    for name, source in expected.made_from.items():
        if digests.get(source) and attributes.get(name) != digests[source]:
            yield Fault(f"it was made from another {source.name} than {source}")
    shards = [digests[path] for path in expected.sources]
    is_same = attributes.get("shards_digest") == integrity.text_digest("".join(shards))
    if shards and all(shards) and not is_same:
        folder = expected.sources[0].parent
        yield Fault(f"it was made from other shards than those in {folder}")


def _attribute_faults(
    expected: ExpectedFile, attributes: Mapping[str, Any], config: Config
) -> Iterator[Fault]:
    for name, value in expected.attributes.items():
        if attributes.get(name) != value:
            yield Fault(f"its {name} is {attributes.get(name)!r}, wanted {value!r}")
    if "config" in attributes:
        made_with = str(attributes["config"])
        now = config_json(config, list(json.loads(made_with)))
        yield from (Fault(change) for change in changed_settings(made_with, now))


def _plain_faults(
    expected: ExpectedFile, config: Config, digests: Mapping[Path, str]
) -> Iterator[Fault]:
    path, attributes = expected.path, expected.attributes
    if expected.kind == manifest.MANIFEST_TYPE:
        try:
            made_from = manifest.read_manifest(path).made_from
        except FileError as error:
            msg = f"{error}; delete it, then {expected.remedy}"
            raise FileError(msg) from error
        yield from _source_faults(expected, made_from, digests)
        yield from _attribute_faults(expected, made_from, config)
    text, size = attributes.get("text"), attributes.get("size")
    if text is not None and path.read_text(encoding="utf-8", errors="replace") != text:
        yield Fault("it is not what the cohort and the settings give", is_stale=False)
    if size is not None and path.stat().st_size != size:
        yield Fault(f"it has {path.stat().st_size} bytes, wanted {size}", is_stale=False)
