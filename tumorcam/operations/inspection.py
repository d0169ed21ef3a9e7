"""Someone's files before there is a run: what is understood of them, and what a run would keep."""

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.progress import CountedProgress
from tumorcam.cluster.resources import existing
from tumorcam.cohort.cohort import CohortFile, cohort_of, plan_of
from tumorcam.cohort.evidence import EvidenceSum
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.scales import likely_scales
from tumorcam.cohort.selection import Selection, select
from tumorcam.cohort.summary import fact_lines, facts_of, type_lines
from tumorcam.errors import InputError, TumorcamError
from tumorcam.operations.cost import require_room
from tumorcam.operations.later_checks import check_later_stages
from tumorcam.operations.sizes import sizes_of_cohort
from tumorcam.operations.starter import Choices, choices_of
from tumorcam.operations.time_ahead import speed_of
from tumorcam.operations.work_left import n_ranks_of, whole_run, work_table
from tumorcam.readers.genes.naming import name_genes
from tumorcam.readers.inputs import Inputs, input_settings, open_inputs
from tumorcam.readers.matrix import Fact
from tumorcam.readers.quantifications.recognition import recognise
from tumorcam.readers.samples_table.identifiers import identify
from tumorcam.readers.tables.packing import open_unpacked
from tumorcam.readers.tables.words import are_clinical, is_clinical
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.storage.run_folder import RunFolder

Say = Callable[[str], None]
PEEK_BYTES, PEEK_LINES = 2**18, 20  # of a file whose role is looked for
MIN_SHARE = 0.05  # of columns that describe samples, in a samples table
MOSTLY = 0.5
MIN_LINES = 2  # the header and a row
LEAD = 3  # times as many as in the matrix


class Roles(NamedTuple):
    """Paths of the expression matrix and of the samples tables."""

    expression: list[str]
    samples: list[str]


def file_roles(paths: Sequence[str]) -> Roles:
    """Which of several paths are samples tables: text tables whose columns describe samples.

    A table with few such columns is one only beside a matrix that has fewer still. A folder and a
    file that is no text belong to the matrix, as the only path does.
    """
    shares = {path: _describes_samples(Path(path)) for path in paths}
    least = min(shares.values(), default=0.0)
    at_least = max(MIN_SHARE, min(MOSTLY, LEAD * least))
    samples = [path for path in paths if len(paths) > 1 and shares[path] > at_least]
    if len(samples) == len(paths) > 0:
        samples.remove(min(samples, key=shares.__getitem__))
    return Roles([path for path in paths if path not in samples], samples)


def read_selection(config: Config, launch: Launch, say: Say) -> Selection:
    """The samples and genes that a run keeps; what is understood of the input is said at once.

    Parameters
    ----------
    say : callable
        Takes each line; the facts come before the check that they may fail.

    Raises
    ------
    InputError, CohortError, ConfigError
        If the input cannot be read or used, or there is no room.
    """
    given = read_inputs(config, launch, say)
    return choose(config, given, launch, say)


def read_inputs(config: Config, launch: Launch, say: Say, *, labelled: bool = True) -> Inputs:
    """The input of a run, and its facts as lines; errors as in `inputs.open_inputs`."""
    report = CountedProgress("reading", "files")
    settings, folder = input_settings(config), values_folder(config, launch)
    given = open_inputs(settings, folder, report, labelled=labelled)
    for line in fact_lines([*given.matrix.facts, *given.facts]):
        say(line)
    return given


def choose(config: Config, given: Inputs, launch: Launch, say: Say) -> Selection:
    """The samples and genes that a run keeps, with what was left out as lines.

    Raises
    ------
    InputError, CohortError, ConfigError
        If the input cannot be used as the config says, or there is no room.
    """
    selection = select(config, given, values_folder(config, launch))
    n_before = len(given.matrix.facts) + len(given.facts)
    for line in fact_lines(facts_of(selection.facts)[n_before:]):
        say(line)
    for line in type_lines(selection.counts):
        say(line)
    for line in drop_lines(selection.dropped):
        say(line)
    require_room(config, selection, launch)
    return selection


def drop_lines(dropped: pd.DataFrame) -> list[str]:
    """A line for each reason for which genes, samples or rows were left out."""
    reasons = dropped.groupby(["kind", "reason"])["name"]
    return [
        f"dropped {len(names)} {kind}s: {reason} (first: {names.iloc[0]})"
        for (kind, reason), names in reasons
    ]


def describe_plan(config: Config, content: CohortFile) -> list[str]:
    """What a run on this cohort would hold, and what it would take, in lines of text."""
    run = RunFolder.of(config)
    cohort = cohort_of(run.cohort, "", content)
    warnings = check_later_stages(config, cohort)
    plan, sizes = plan_of(cohort, config), sizes_of_cohort(config, cohort)
    n_ranks = n_ranks_of(config, None)
    works = whole_run(config, sizes, speed_of(config, sizes), n_ranks=n_ranks)
    return [
        f"would write {run.root}: {plan.n_samples} samples, {plan.n_genes} genes and "
        f"{plan.n_decoys} decoys on images of side {plan.side}, {len(plan.model_keys)} models, "
        f"{len(plan.explain_tasks)} shards",
        f"the whole run on this machine, with {n_ranks} processes of "
        f"{config.run.threads_per_rank} threads:",
        *work_table(works),
        *warnings,
    ]


def inspect(config: Config, launch: Launch, say: Say) -> bool:
    """Say what is understood of an input and what a run with these settings would do.

    Returns
    -------
    bool
        Whether `prepare` would accept the input.

    Raises
    ------
    InputError
        If the files cannot be read at all.
    """
    given = read_inputs(config, launch, say)
    for scale, reason in scale_candidates(config, given):
        say(f'scale: the values fit input.scale = "{scale}": {reason}')
    try:
        selection = choose(config, given, launch, say)
        lines = describe_plan(config, prepare_cohort(selection, config))
    except TumorcamError as error:
        say(f"prepare would stop: {error}")
        return False
    for line in lines:
        say(line)
    return True


def choices_for(files: Sequence[str], scale: str, launch: Launch, say: Say) -> Choices:
    """What a config for someone's files says; the files are read, and the facts said.

    Parameters
    ----------
    scale : str
        As in `input.scale`; empty for the likeliest one.
    """
    roles = file_roles(files)
    config = config_of_files(*roles, {"input": {"scale": scale}} if scale else {})
    given = read_inputs(config, launch, say)
    facts = [*given.matrix.facts, *given.facts]
    if not scale:
        scale, reason = scale_candidates(config, given)[0]
        facts.append(Fact("scale", scale, reason, setting="input.scale", value=scale))
    return choices_of(*roles, scale, facts)


def scale_candidates(config: Config, given: Inputs) -> list[tuple[str, str]]:
    """The scales that the values of all samples fit, the likeliest first."""
    named = name_genes(given.matrix, config.input)
    evidence = EvidenceSum(len(given.matrix.samples))
    for genes, band in given.matrix.values.bands():
        evidence.add(band[named.is_gene[genes]])
    return likely_scales(evidence.result())


def config_of_files(
    expression: Sequence[str], samples: Sequence[str], overrides: dict[str, dict[str, object]]
) -> Config:
    """A config that names these files, with the settings of nested tables on top.

    `expression` and `samples` are paths as the user wrote them; `overrides` are keyed by section
    and key.
    """
    tables: dict[str, dict[str, object]] = {name: {**keys} for name, keys in overrides.items()}
    files = {"expression": [*expression], "samples": [*samples]}
    tables["input"] = {**files, **tables.get("input", {})}
    return config_from_tables(tables, source="the command line")


def values_folder(config: Config, launch: Launch) -> Path | None:
    """Where the raw values lie while they are needed: on a fast disk, else beside the run."""
    folders = (launch.scratch_folder, existing(RunFolder.of(config).root))
    return next((f for f in folders if f is not None and os.access(f, os.W_OK)), None)


def _describes_samples(path: Path) -> float:
    """The share of columns, the first one left out, that hold texts or are named as clinical data.

    0 where the rows have no barcodes, no column has such a name, and less than half hold texts, as
    beside annotated genes; and for folders, files that are no text, and those of a sample each.
    """
    if path.is_dir():
        return 0.0
    try:
        file = recognise(path)
        if file is not None and not file.format.first_sample:
            return 0.0
        with open_unpacked(path) as stream:
            lines = stream.read(PEEK_BYTES).decode("utf-8-sig", "replace").splitlines()
    except InputError:
        return 0.0
    rows = [line for line in lines[:PEEK_LINES] if not line.startswith(("#", "!"))]
    if len(rows) < MIN_LINES:
        return 0.0
    delimiter = max("\t,; ", key="".join(rows[:1]).count)
    cells = [row.split(delimiter) for row in rows]
    ids, *columns = itertools.zip_longest(*cells, fillvalue="")
    if are_clinical([name.strip('" ') for name in ids[1:]]):
        return 1.0  # the samples are its columns
    is_named = [is_clinical(column[0].strip('" ')) for column in columns]
    is_text = [not any(map(_is_number, column[1:])) for column in columns]
    share = float(np.mean(np.logical_or(is_named, is_text))) if columns else 0.0
    has_barcodes = float(np.mean([identify(name) is not None for name in ids])) > MOSTLY
    return share if has_barcodes or any(is_named) or share > MOSTLY else 0.0


def _is_number(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        float(cell.strip('" ').replace(",", "."))
        return True
    return False
