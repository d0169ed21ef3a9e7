"""The files that a run is to have, and what each of them is to say about itself."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tumorcam.applied.calls import CALLS_TYPE
from tumorcam.applied.predictions import PREDICTIONS_TYPE
from tumorcam.applied.reference import REFERENCE_TYPE
from tumorcam.cohort.cohort import COHORT_TYPE
from tumorcam.errors import FileError
from tumorcam.explain.shards import SALIENCY_TYPE, SHARD_TYPE
from tumorcam.faithfulness.results import FAITHFULNESS_TYPE, RESPONSES_TYPE, list_digests
from tumorcam.settings.config import Config, section_json
from tumorcam.significance.bands import BAND_TYPE
from tumorcam.significance.tables import RANKING_TYPE, SIGNIFICANCE_TYPE
from tumorcam.storage import manifest
from tumorcam.storage.plan import PLAN_TYPE, ModelKey, Plan, plan_text
from tumorcam.storage.run_config import CONFIG_TYPE
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE
from tumorcam.training.baselines import BASELINES_TYPE

JOB_OF_STAGE = {  # in the order of the pipeline
    "cohort": "prepare",
    "models": "train",
    "shards": "explain",
    "significance": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
}
JOB_OF_NEW_STAGE = {  # in the order of the pipeline, in a folder of new samples
    "samples": "apply",
    "predictions": "classify",
    "shards": "explain",
    "significance": "reduce",
    "report": "report",
}
REFERENCE = "reference"  # of new samples, which a run need not have
INPUT = "input"  # a stage whose files a user may have brought, so that a run need not have them


@dataclass(frozen=True)
class ExpectedFile:
    """A file that the plan expects, and what must be true of it.

    Attributes
    ----------
    stage : str
        A key of JOB_OF_STAGE or JOB_OF_NEW_STAGE, INPUT, or REFERENCE.
    path : Path
    kind : str
        The encoding type. PLAN_TYPE and MANIFEST_TYPE are JSON; "" is a file of a list.
    settings : str
        The stage whose settings it carries; empty where it carries none.
    made_from : mapping
        Name of an attribute to the file whose digest it holds.
    attributes : mapping
        Name of an attribute to its value. The plan has `text`, its content.
    sources : tuple of Path
        Shards whose digests give the attribute `shards_digest`.
    entry : manifest.Entry or None
        Size and SHA-256 of a file of a list.
    """

    stage: str
    path: Path
    kind: str
    settings: str = ""
    made_from: Mapping[str, Path] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()
    entry: manifest.Entry | None = None

    @property
    def remedy(self) -> str:
        """The command that makes the file again."""
        return f"run `tumorcam {self.job}`"

    @property
    def job(self) -> str:
        """The job that makes the file."""
        further = {INPUT: "synthesize", REFERENCE: "apply"}
        return (JOB_OF_STAGE | JOB_OF_NEW_STAGE | further)[self.stage]


def files_of_new_samples(config: Config, plan: Plan) -> list[ExpectedFile]:
    """Every file of new samples to which the networks of a run are applied."""
    run = RunFolder.of(config)
    cohort = {"cohort_digest": run.cohort}
    shards = tuple(run.shard(key) for key in plan.explain_tasks)
    tables = {run.significance.name: run.significance}
    digest = {"digest": plan.cohort_digest}
    return [
        ExpectedFile("samples", run.cohort, COHORT_TYPE, "prepare", attributes=digest),
        ExpectedFile("samples", run.plan, PLAN_TYPE, attributes={"text": plan_text(plan)}),
        ExpectedFile("samples", run.config, CONFIG_TYPE),
        *(
            ExpectedFile(
                "predictions",
                run.prediction(key),
                PREDICTIONS_TYPE,
                "train",
                cohort | {"model_digest": run.model(key.model)},
                {"block": key.name},
            )
            for key in plan.prediction_tasks
        ),
        ExpectedFile("predictions", run.calls, CALLS_TYPE, "train", cohort),
        *_expected_shards(run, plan),
        *_expected_tables(run, cohort, shards),
        *_listed_files(
            ExpectedFile(
                "report", run.report / manifest.FILE_NAME, manifest.MANIFEST_TYPE, "report", tables
            )
        ),
    ]


def files_of_run(config: Config, plan: Plan) -> list[ExpectedFile]:
    """Every file of a finished run, from the cohort to the report."""
    run = RunFolder.of(config)
    cohort = {"cohort_digest": run.cohort}
    shards = tuple(run.shard(key) for key in plan.explain_tasks)
    tables = {path.name: path for path in (run.significance, run.faithfulness)}
    digest = {"digest": plan.cohort_digest}
    return [
        ExpectedFile("cohort", run.cohort, COHORT_TYPE, "prepare", attributes=digest),
        ExpectedFile("cohort", run.plan, PLAN_TYPE, attributes={"text": plan_text(plan)}),
        ExpectedFile("cohort", run.config, CONFIG_TYPE),
        *_expected_models(run, plan),
        *_expected_shards(run, plan),
        *_expected_tables(run, cohort, shards),
        ExpectedFile(
            "faithfulness",
            run.faithfulness,
            FAITHFULNESS_TYPE,
            "faithfulness",
            cohort | {"significance_digest": run.significance},
            {"view": config.report.view} | list_digests(run, config),
        ),
        *_listed_files(
            ExpectedFile(
                "report", run.report / manifest.FILE_NAME, manifest.MANIFEST_TYPE, "report", tables
            )
        ),
    ]


def files_without_plan(config: Config) -> list[ExpectedFile]:
    """The files of prepare, for a run whose plan and cohort cannot be read."""
    run = RunFolder.of(config)
    stage = "samples" if run.networks else "cohort"
    return [
        ExpectedFile(stage, run.cohort, COHORT_TYPE, "prepare"),
        # no text, so that a plan that is there is broken
        ExpectedFile(stage, run.plan, PLAN_TYPE, attributes={"text": ""}),
    ]


def further_files(config: Config) -> list[ExpectedFile]:
    """Files that a finished run need not have: synthetic input, and parts while jobs work.

    The jobs themselves ask whether a part is up to date.
    """
    run = RunFolder.of(config)
    has_input = not config.input.expression and os.path.lexists(run.input.root)
    settings = {"settings": section_json(config, "synthesize")}
    listed = ExpectedFile(INPUT, run.input.listed, manifest.MANIFEST_TYPE, attributes=settings)
    parts = (
        ("significance", BAND_TYPE, run.band_files()),
        ("significance", RANKING_TYPE, run.ranking_files()),
        ("faithfulness", RESPONSES_TYPE, run.response_files()),
    )
    reference = ExpectedFile(
        REFERENCE, run.reference, REFERENCE_TYPE, "train", {"cohort_digest": run.cohort}
    )
    has_reference = not config.apply.run and os.path.lexists(run.reference)
    return [
        *(_listed_files(listed) if has_input else ()),
        *([reference] if has_reference else ()),
        *(ExpectedFile(stage, path, kind) for stage, kind, paths in parts for path in paths),
    ]


def _expected_models(run: RunFolder, plan: Plan) -> Iterator[ExpectedFile]:
    """Files of train, in the order of its tasks: models, baselines, null models."""
    cohort = {"cohort_digest": run.cohort}

    def expected(key: ModelKey) -> ExpectedFile:
        name = {"model": key.name}
        return ExpectedFile("models", run.model(key), MODEL_TYPE, "train", cohort, name)

    yield from map(expected, plan.models)
    yield ExpectedFile("models", run.baselines, BASELINES_TYPE, "prepare", cohort)
    yield from map(expected, plan.null_models)


def _expected_tables(
    run: RunFolder, cohort: Mapping[str, Path], shards: tuple[Path, ...]
) -> list[ExpectedFile]:
    """The files of reduce."""
    return [
        ExpectedFile("significance", path, kind, stage, cohort, {}, shards)
        for path, kind, stage in (
            (run.saliency, SALIENCY_TYPE, "explain"),
            (run.significance, SIGNIFICANCE_TYPE, "reduce"),
        )
    ]


def _expected_shards(run: RunFolder, plan: Plan) -> Iterator[ExpectedFile]:
    for key in plan.explain_tasks:
        made_from = {"cohort_digest": run.cohort, "model_digest": run.model(key.model)}
        size = {"shard": key.name, "n_samples": key.n_samples, "n_columns": plan.n_columns}
        yield ExpectedFile("shards", run.shard(key), SHARD_TYPE, "explain", made_from, size)


def _listed_files(listed: ExpectedFile) -> Iterator[ExpectedFile]:
    """A list of files, and each file that it names if it can be read."""
    yield listed
    try:
        files = manifest.read_manifest(listed.path).files
    except FileError:
        return
    for name, entry in files.items():
        yield ExpectedFile(listed.stage, listed.path.parent / name, "", entry=entry)
