"""Whether each file that a run is to have is there, undamaged and up to date."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import plan_of, read_cohort
from tumorcam.errors import DamageError, FileError, StaleError, UnreadableError
from tumorcam.operations.expected_files import (
    JOB_OF_NEW_STAGE,
    JOB_OF_STAGE,
    ExpectedFile,
    files_of_new_samples,
    files_of_run,
    files_without_plan,
)
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, integrity, manifest
from tumorcam.storage.plan import PLAN_TYPE, Plan, read_plan
from tumorcam.storage.run_config import CONFIG_TYPE, REMEDY, check_run_config
from tumorcam.storage.run_folder import RunFolder

WHOLE, MISSING, BROKEN = "whole", "missing", "broken"
NEW_ALONE = JOB_OF_NEW_STAGE.keys() - JOB_OF_STAGE.keys()  # stages that a run itself lacks


@dataclass(frozen=True)
class FileState:
    """The state of a file, WHOLE, MISSING or BROKEN; `fault` says why, and what to do.

    A file `is_damaged` if its bytes were read and are not what was written. It `is_stale` if it is
    undamaged, but was made from other files or with other settings than the present ones. Of these
    it may be the settings (`has_other_settings`). A broken file that is neither cannot be read, or
    is no file of this version.
    """

    file: ExpectedFile
    state: str
    fault: str = ""
    is_damaged: bool = False
    is_stale: bool = False
    has_other_settings: bool = False


class Reading(NamedTuple):
    """What a file says about itself, None if it is missing or broken; then its fault.

    `is_missing` and `is_damaged` are as in `FileState`.
    """

    attributes: Mapping[str, Any] | None
    fault: str = ""
    is_missing: bool = False
    is_damaged: bool = False

    @property
    def digest(self) -> str:
        """The digest that the file carries; "" without one."""
        return str((self.attributes or {}).get("digest", ""))


Readings = Mapping[Path, Reading]


def planned_files(config: Config, *, deep: bool) -> list[ExpectedFile]:
    """The files that the run is to have; those of prepare alone where no plan can be read.

    Parameters
    ----------
    deep : bool
        Whether the plan is taken from the cohort, and from plan.json only without a sound cohort.
    """
    path, nulls = RunFolder.of(config).plan, config.layout.nulls
    try:
        plan = sound_plan(config) if deep else read_plan(path, nulls)
    except FileError:
        return files_without_plan(config)
    return files_of_new_samples(config, plan) if config.apply.run else files_of_run(config, plan)


def audit_run(config: Config, *, deep: bool = False) -> list[FileState]:
    """The state of every file of the run; without a readable plan those of prepare alone.

    Parameters
    ----------
    deep : bool
        Whether to read and check every byte, or only what each file says about itself.
    """
    files = planned_files(config, deep=deep)
    return inspect_files(files, config, {f.path: read_file(f, whole=deep) for f in files})


def require_current(
    config: Config,
    stages: Sequence[str],
    *,
    paths: Collection[Path] | None = None,
    settings_alone: bool = False,
) -> None:
    """Refuse to go on from files of other settings, or made from other files than the present ones.

    Missing, damaged and unreadable files are left to the job that reads them.

    Parameters
    ----------
    stages : sequence of str
        Keys of JOB_OF_STAGE whose files a job reads, or would replace.
    paths : collection of Path or None
        The files among these that count; None: all.
    settings_alone : bool
        Whether files that were made from other files, with the present settings, are accepted.

    Raises
    ------
    StaleError
        If a file of these stages is stale.
    """
    files = planned_files(config, deep=False)
    chosen = [f for f in files if f.stage in stages and (paths is None or f.path in paths)]
    needed = {path for file in chosen for path in (*file.made_from.values(), *file.sources)}
    needed |= {file.path for file in chosen}
    readings = {f.path: read_file(f, whole=False) for f in files if f.path in needed}
    states = [inspect_file(file, config, readings) for file in chosen]
    stale = [s.fault for s in states if s.has_other_settings or (s.is_stale and not settings_alone)]
    if stale:
        more = f"\nand {len(stale) - 1} more such files" if len(stale) > 1 else ""
        raise StaleError(stale[0] + more)


def sound_plan(config: Config) -> Plan:
    """The plan as a sound cohort gives it, or else the plan in plan.json.

    Raises
    ------
    FileError
        If there is neither.
    """
    run = RunFolder.of(config)
    try:
        return plan_of(read_cohort(run.cohort, config), config)
    except FileError:
        return read_plan(run.plan, config.layout.nulls)


def read_file(expected: ExpectedFile, *, whole: bool) -> Reading:
    """What a file says about itself, its kind and version checked.

    Parameters
    ----------
    whole : bool
        Whether to check every byte, or only the header or size.
    """
    path, anew = expected.path, f"{expected.remedy}, which makes it anew"
    if expected.kind == CONFIG_TYPE:
        anew = REMEDY
    if not path.exists() and not path.is_symlink():
        return Reading(None, f"{path} does not exist; {expected.remedy}", is_missing=True)
    try:
        return Reading(_attributes_of(expected, whole=whole))
    except DamageError as error:  # what a run was started with is nowhere else: it stays
        is_damaged = expected.kind != CONFIG_TYPE
        return Reading(None, f"{error}; {anew}", is_damaged=is_damaged)
    except UnreadableError as error:
        return Reading(None, str(error))
    except FileError as error:
        away = "" if "move it away" in str(error) else "move it away, then "
        return Reading(None, f"{error}; {away}{expected.remedy}")


def read_whole_files(
    files: Sequence[ExpectedFile], n_threads: int, *, visible: bool
) -> dict[Path, Reading]:
    """What each file says about itself, every byte checked.

    Parameters
    ----------
    n_threads : int
        Number of files that are read at once.
    visible : bool
        Whether progress is shown.
    """
    with ThreadPoolExecutor(n_threads) as threads:  # which hash side by side
        tasks = {file.path: threads.submit(read_file, file, whole=True) for file in files}
        paths = progress(tasks, "verify", "files", visible=visible)
        return {path: tasks[path].result() for path in paths}


def _attributes_of(expected: ExpectedFile, *, whole: bool) -> Mapping[str, Any]:
    path = expected.path
    if expected.kind == CONFIG_TYPE:
        check_run_config(path)
        return {}
    if expected.kind == PLAN_TYPE:
        integrity.read_json(path)
        return {"text": integrity.read_bytes(path).decode()}
    if expected.kind == manifest.MANIFEST_TYPE:
        return manifest.read_manifest(path).made_from
    if expected.entry is not None:
        fault = manifest.file_fault(path, expected.entry, whole=whole)
        if fault:
            raise DamageError(fault)
        return {}
    read = integrity.check_once if whole else integrity.read_header
    attributes = read(path).attributes
    hdf5.require_kind(attributes, path, expected.kind)
    return attributes


def inspect_files(
    files: Iterable[ExpectedFile], config: Config, readings: Readings
) -> list[FileState]:
    """The state of each file, after `read_file` of all files of the run.

    A file that is not as a stale list says is not damaged by that, since the list may be wrong.
    """
    states = [inspect_file(file, config, readings) for file in files]
    lists = _stages_of_stale_lists(states)
    return [
        replace(s, is_damaged=False) if s.file.entry and s.file.stage in lists else s
        for s in states
    ]


def inspect_file(expected: ExpectedFile, config: Config, readings: Readings) -> FileState:
    """The state of a file, by what it and its sources say.

    A source that is missing or broken does not count, since the same file may come back.
    """
    reading = readings[expected.path]
    if reading.attributes is None:
        state = MISSING if reading.is_missing else BROKEN
        return FileState(expected, state, reading.fault, is_damaged=reading.is_damaged)
    changed = {}
    if expected.settings:
        changed = chain.changes(reading.attributes, config, expected.settings)
    faults = [
        *_attribute_faults(expected, reading.attributes),
        *_source_faults(expected, reading.attributes, readings),
    ]
    if changed:
        text = chain.changes_text(changed)
    elif faults:
        aside = "move it aside: tumorcam clean CONFIG --from train; then "
        text = f"{'; '.join(faults)}; {aside * (expected.stage == 'models')}{expected.remedy}"
    else:
        return FileState(expected, WHOLE)
    text = f"{expected.path}: {text}"
    return FileState(expected, BROKEN, text, is_stale=True, has_other_settings=bool(changed))


def with_listed(states: Sequence[FileState]) -> list[FileState]:
    """The stale files, and where a list is stale also the files that it names."""
    lists = _stages_of_stale_lists(states)
    return [s for s in states if s.is_stale or (s.file.entry and s.file.stage in lists)]


def count_states(states: Iterable[FileState]) -> dict[str, dict[str, int]]:
    """Number of files of each stage in each state."""
    states = list(states)
    is_new = any(state.file.stage in NEW_ALONE for state in states)
    stages = JOB_OF_NEW_STAGE if is_new else JOB_OF_STAGE
    counts = {stage: dict.fromkeys((WHOLE, MISSING, BROKEN), 0) for stage in stages}
    for state in states:
        counts[state.file.stage][state.state] += 1
    return counts


def incomplete_stages(states: Iterable[FileState]) -> list[str]:
    """Stages with a missing or broken file, or without any file, in the order of the pipeline."""
    counts = count_states(states)
    return [stage for stage, n in counts.items() if not n[WHOLE] or n[MISSING] or n[BROKEN]]


def _stages_of_stale_lists(states: Iterable[FileState]) -> set[str]:
    return {s.file.stage for s in states if s.is_stale and s.file.kind == manifest.MANIFEST_TYPE}


def _source_faults(
    expected: ExpectedFile, attributes: Mapping[str, Any], readings: Readings
) -> Iterator[str]:
    for name, source in expected.made_from.items():
        digest = readings[source].digest if source in readings else ""
        if digest and attributes.get(name) != digest:
            yield f"it was made from another {source.name} than {source}"
    shards = [readings[path].digest for path in expected.sources]
    is_same = attributes.get("shards_digest") == integrity.text_digest("".join(shards))
    if shards and all(shards) and not is_same:
        folder = expected.sources[0].parent
        yield f"it was made from other shards than those in {folder}"


def _attribute_faults(expected: ExpectedFile, attributes: Mapping[str, Any]) -> Iterator[str]:
    for name, value in expected.attributes.items():
        if expected.kind == PLAN_TYPE and attributes.get(name) != value:
            yield "it is not the plan that the cohort and the settings give"
        elif attributes.get(name) != value:
            yield f"its {name} is {attributes.get(name)!r}, wanted {value!r}"
