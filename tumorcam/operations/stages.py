"""Which stages of a run still have work to do."""

import os
import shlex
from collections.abc import Sequence

from tumorcam.cohort.cohort import is_current, plan_of, read_cohort
from tumorcam.errors import DamageError, FileError, StaleError, TumorcamError, UnreadableError
from tumorcam.operations.audit import audit_run, incomplete_stages, require_current
from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE
from tumorcam.readers import annotation, files, inputs
from tumorcam.settings.config import Config, section_json
from tumorcam.storage import chain, integrity, manifest
from tumorcam.storage.input_files import InputFiles
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder


def unfinished_stages(config: Config, stages: Sequence[str]) -> list[str]:
    """The stages from the first one with work to do.

    Parameters
    ----------
    stages : sequence of str
        Jobs in their order, such as ("synthesize", "prepare", "train"). `synthesize` is left out
        where the config names the user's own files.
    """
    ordered = [name for name in stages if name != "synthesize" or not config.input.expression]
    jobs = JOB_OF_STAGE | JOB_OF_NEW_STAGE
    lacking = {jobs[stage] for stage in incomplete_stages(audit_run(config))}
    if not has_synthetic_input(config):
        lacking.add("synthesize")
    if "prepare" in ordered and "prepare" not in lacking and not has_current_cohort(config):
        lacking.add("prepare")
    first = next((i for i, name in enumerate(ordered) if name in lacking), len(ordered))
    return ordered[first:]


def has_synthetic_input(config: Config) -> bool:
    """Whether the run's synthetic input is there and was made with the present settings."""
    synthetic = RunFolder.of(config).input
    if not os.path.lexists(synthetic.listed):
        return False
    try:
        for path in (synthetic.listed, *synthetic.files):
            manifest.require_as_listed(path, remedy="")
        return integrity.read_bytes(synthetic.settings) == synthetic_settings(config).encode()
    except UnreadableError:
        raise
    except FileError:
        return False


def synthetic_settings(config: Config) -> str:
    """The settings that `synthesize` depends on, as JSON."""
    return section_json(config, "synthesize")


def has_current_cohort(config: Config) -> bool:
    """Whether cohort.h5 and plan.json are of the present input files and settings."""
    run = RunFolder.of(config)
    try:
        if not is_current(run.cohort, config, input_digest(config)):
            return False
        plan = plan_of(read_cohort(run.cohort, config), config)
        return read_plan(run.plan, config.layout.nulls) == plan
    except TumorcamError:  # prepare says what is wrong with the input
        return False


def require_replaceable(config: Config, digest: str) -> None:
    """Check that a new cohort or other settings take the worth from no model or shard.

    Parameters
    ----------
    digest : str
        From `input_digest`.

    Raises
    ------
    StaleError
        If there are models or shards of other settings, or models of other input files.
    """
    run = RunFolder.of(config)
    require_current(config, ["models", "shards"], settings_alone=True)
    models = sorted(run.models.glob("*/model.h5"))
    if models and run.cohort.exists() and not is_current(run.cohort, config, digest):
        try:
            attributes = integrity.read_header(run.cohort).attributes
        except DamageError:  # the same cohort may come back
            return
        chain.require_settings(run.cohort, attributes, config, "prepare")
        raise StaleError(
            f"the input files have changed since {run.cohort} was made, and {len(models)} models "
            "were trained with it; restore them, use another run.folder, or move the old run "
            f"aside: mv {shlex.quote(str(run.root))} OTHER"
        )


def input_digest(config: Config) -> str:
    """SHA-256 over all files that `prepare` reads; errors as `digest_input`."""
    return digest_input(config).input_digest


def digest_input(config: Config) -> InputFiles:
    """The SHA-256 of each file that `prepare` reads, and that of all together.

    Raises
    ------
    InputError
        If one of them is missing or cannot be read.
    """
    paths = inputs.input_files(inputs.input_settings(config))
    digests = [(str(path), files.file_digest(path)) for path in paths]
    for path in annotation.annotation_files(config.layout):
        digests.append((str(path), files.file_digest(path, annotation.SETTING)))
    together = integrity.text_digest(" ".join(digest for _, digest in digests))
    return InputFiles(together, dict(digests))
