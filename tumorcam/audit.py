"""Which files a run is to have, and whether each is there, whole, and made from the others."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from tumorcam import cluster, cohort, shards, store
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import FileError
from tumorcam.shards import Model, Plan

WHOLE, MISSING, BROKEN = "whole", "missing", "broken"
JOB_OF_STAGE = {  # in the order in which they are made
    "cohort": "prepare",
    "models": "train",
    "shards": "explain",
    "significance": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
}


@dataclass(frozen=True)
class ExpectedFile:
    """A file that the plan expects, and what must be true of it.

    `kind` is its encoding type (empty: no HDF5 file); `made_from` names the attributes that hold
    another file's digest; `shards` are the files over whose digests `shards_digest` goes;
    `attributes` the values of others; `shapes` the first sizes of datasets.
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
        return f"run jobs.{JOB_OF_STAGE[self.stage]}"


@dataclass(frozen=True)
class Finding:
    """What was found: `state` is WHOLE, MISSING or BROKEN; `fault` says why, and what to do."""

    file: ExpectedFile
    state: str
    fault: str = ""


def expected_files(config: Config, plan: Plan) -> list[ExpectedFile]:
    """Every file of a finished run, from the cohort to the report."""
    folder = config.folder
    of_cohort = {"cohort_digest": folder / "cohort.h5"}
    of_shards = tuple(shards.shard_file(folder, s) for s in plan.explain_tasks)
    return [
        ExpectedFile(
            "cohort",
            folder / "cohort.h5",
            cohort.ENCODING_TYPE,
            attributes={"digest": plan.cohort_digest},
            shapes={"expression": (plan.n_samples, plan.n_genes)},
        ),
        *_expected_models(folder, plan),
        *_expected_shards(folder, plan, config.explain.methods),
        ExpectedFile(
            "significance",
            folder / "saliency.h5",
            shards.SALIENCY_TYPE,
            of_cohort,
            shards=of_shards,
        ),
        ExpectedFile(
            "significance",
            folder / "significance.h5",
            shards.SIGNIFICANCE_TYPE,
            of_cohort,
            shapes={"genes": (plan.n_genes,), "decoy_gene": (plan.n_decoys,)},
            shards=of_shards,
        ),
        ExpectedFile(
            "faithfulness",
            folder / "faithfulness.h5",
            shards.FAITHFULNESS_TYPE,
            of_cohort | {"significance_digest": folder / "significance.h5"},
            {"view": config.report.view},
        ),
        ExpectedFile("report", folder / "report" / "index.html", ""),
        ExpectedFile("report", folder / "report" / "genes.csv", ""),
    ]


def audit_run(config: Config, *, deep: bool = False) -> list[Finding]:
    """A finding for every file of the run; without a readable plan for the cohort alone."""
    try:
        plan = shards.read_plan(config.folder / "plan.json", config.layout.nulls)
    except FileError as error:
        absent = ExpectedFile("cohort", config.folder / "cohort.h5", cohort.ENCODING_TYPE)
        return [Finding(absent, MISSING, str(error))]
    files = expected_files(config, plan)
    digests = stored_digests(files)
    return [inspect_file(file, config, digests, deep=deep) for file in files]


def stored_digests(files: Iterable[ExpectedFile]) -> dict[Path, str]:
    """The digest that each file's sources carry; empty for a source that cannot be read."""
    sources = {path for file in files for path in (*file.made_from.values(), *file.shards)}
    return {path: _stored_digest(path) for path in sources}


def inspect_file(
    expected: ExpectedFile, config: Config, digests: Mapping[Path, str], *, deep: bool = False
) -> Finding:
    """What is at the path, by its attributes and sizes; `deep` reads and checks every byte too.

    Parameters
    ----------
    config : Config
        The present settings; a file that was made with others is broken.
    digests : mapping
        From `stored_digests`.
    """
    if not expected.path.exists():
        return Finding(expected, MISSING, f"{expected.path} does not exist; {expected.remedy}")
    try:
        faults = list(_faults(expected, config, digests))
        if deep and expected.kind:
            store.verify_file(expected.path)
    except FileError as error:
        return Finding(expected, BROKEN, str(error))
    if faults:
        text = f"{expected.path}: {'; '.join(faults)}; delete it, then {expected.remedy}"
        return Finding(expected, BROKEN, text)
    return Finding(expected, WHOLE)


def count_states(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    """How many files of each stage are in each state."""
    counts = {stage: dict.fromkeys((WHOLE, MISSING, BROKEN), 0) for stage in JOB_OF_STAGE}
    for finding in findings:
        counts[finding.file.stage][finding.state] += 1
    return counts


def train_array(config: Config, findings: Sequence[Finding]) -> str:
    """Slurm's `--array` of the train tasks that are still to do; empty if none is.

    Before there is a sound cohort, these are all tasks that the settings ask for.
    """
    if any(f.file.stage == "cohort" and f.state != WHOLE for f in findings):
        n_models = (config.layout.replicates + config.layout.nulls) * config.splits.folds
        return cluster.array_text(range(n_models + 1))
    models = [finding for finding in findings if finding.file.stage == "models"]
    return cluster.array_text([i for i, finding in enumerate(models) if finding.state != WHOLE])


def next_commands(
    config: Config, findings: Sequence[Finding], arguments: Sequence[str]
) -> list[str]:
    """The sbatch commands, in order, that make what is not there yet, quoted for a shell.

    Parameters
    ----------
    arguments : sequence of str
        The config file and the overrides that every job gets.
    """
    counts = count_states(findings)
    reached = False
    commands = []
    for stage, job in JOB_OF_STAGE.items():
        reached = reached or sum(counts[stage].values()) != counts[stage][WHOLE]
        if reached:
            array = train_array(config, findings) if stage == "models" else ""
            options = [f"--array={array}"] if array else []
            if stage != "models" or array:
                commands.append(shlex.join(["sbatch", *options, f"slurm/{job}.sh", *arguments]))
    return commands


def _expected_models(folder: Path, plan: Plan) -> Iterator[ExpectedFile]:
    """In the order of the train tasks: models, baselines, null models."""
    of_cohort = {"cohort_digest": folder / "cohort.h5"}
    n_features = plan.n_genes + plan.n_decoys
    shapes = {"scaler/mean": (plan.n_genes,), "pixel": (n_features,), "role": (plan.n_samples,)}

    def expected(model: Model) -> ExpectedFile:
        path, name = shards.model_file(folder, model), {"model": model.name}
        return ExpectedFile("models", path, shards.MODEL_TYPE, of_cohort, name, shapes)

    yield from map(expected, plan.models)
    path = folder / "models" / f"{shards.BASELINES}.h5"
    sizes = dict.fromkeys(shards.BASELINE_METHODS, (plan.n_samples,))
    yield ExpectedFile("models", path, shards.BASELINES_TYPE, of_cohort, shapes=sizes)
    yield from map(expected, plan.null_models)


def _expected_shards(folder: Path, plan: Plan, methods: Sequence[str]) -> Iterator[ExpectedFile]:
    maps = [f"{view}/{method}" for view in ("own", "contrast") for method in methods]
    for shard in plan.explain_tasks:
        n_samples = shard.stop - shard.start
        yield ExpectedFile(
            "shards",
            shards.shard_file(folder, shard),
            shards.SHARD_TYPE,
            {
                "cohort_digest": folder / "cohort.h5",
                "model_digest": shards.model_file(folder, shard.model),
            },
            {"shard": shard.name, "n_samples": n_samples},
            dict.fromkeys(maps, (n_samples, plan.n_genes + plan.n_decoys)),
        )


def _faults(expected: ExpectedFile, config: Config, digests: Mapping[Path, str]) -> Iterator[str]:
    if not expected.kind:
        if expected.path.stat().st_size == 0:
            yield "it is empty"
        return
    with store.open_file(expected.path, expected.kind, remedy=expected.remedy) as file:
        for name, source in expected.made_from.items():
            if file.attrs.get(name) != digests[source]:
                yield f"it was made from another {source.name} than {source}"
        made_of = [digests[path] for path in expected.shards]
        is_same = file.attrs.get("shards_digest") == store.text_digest("".join(made_of))
        if made_of and all(made_of) and not is_same:  # one that is missing may come back as it was
            yield f"it was made from other shards than those in {expected.shards[0].parent}"
        for name, wanted in expected.attributes.items():
            if file.attrs.get(name) != wanted:
                yield f"its {name} is {file.attrs.get(name)!r}, wanted {wanted!r}"
        for name, shape in expected.shapes.items():
            if file[name].shape[: len(shape)] != shape:
                yield f"/{name} has shape {file[name].shape}, wanted {shape}"
        if "config" in file.attrs:
            made_with = str(file.attrs["config"])
            now = config_json(config, list(json.loads(made_with)))
            yield from changed_settings(made_with, now)


def _stored_digest(path: Path) -> str:
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("digest", ""))
    except OSError:
        return ""
