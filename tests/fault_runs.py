"""The runs of the fault test: a finished one, and two whose files are put in its place."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from fault_jobs import Ending, Limits, run_child

from jobs import __main__ as tumorcam_command
from tumorcam.settings.config import load_config
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

RUN, SETTINGS, OUTSIDE = "run", "settings.toml", "outside"
VICTIM = "victim.txt"  # a file outside the run, which no job may touch
ANSWER = "show.txt"
CONFIG = """
[run]
name = "faults"
folder = "{folder}"
seed = {seed}
threads_per_rank = 1

[cohort]
genes = 90

[splits]
folds = 2

[layout]
replicates = 1
nulls = {nulls}

[model]
filters = [4]
dense = [8]

[training]
epochs = 2
patience = 2
batch_size = 8
micro_batch = 8
learning_rate = {learning_rate}

[explain]
methods = ["guided_grad_cam"]
block = 12
batch_size = {samples_at_once}

[significance]
min_patients = {min_patients}

[faithfulness]
samples = {checked_samples}

[report]
method = "guided_grad_cam"
top = {top}

[synthesize]
tumors = ["BRCA", "COAD"]
samples_per_tumor = 12
genes = 100
drivers = 3
"""
USUAL = {
    "seed": 1,
    "nulls": 1,
    "learning_rate": 0.01,
    "samples_at_once": 12,
    "min_patients": 4,
    "checked_samples": 4,
    "top": 20,
}
OTHER_RUN = USUAL | {"seed": 2, "nulls": 0}
OTHER_SETTINGS = USUAL | {
    "nulls": 0,
    "learning_rate": 0.02,
    "samples_at_once": 6,
    "min_patients": 5,
    "checked_samples": 3,
    "top": 15,
}
BUILD_PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Runs:
    """The folders of the test.

    In `area` lie the run, its settings and a file outside the run; `sound` is its exact copy.
    `other_run` has another seed, and `other_settings` the same cohort but other settings.
    """

    root: Path

    @property
    def area(self) -> Path:
        """Where the jobs work."""
        return self.root / "area"

    @property
    def sound(self) -> Path:
        """A copy of the area, from which damage is mended."""
        return self.root / "sound"

    @property
    def run(self) -> Path:
        """The run that is damaged."""
        return self.area / RUN

    @property
    def other_run(self) -> Path:
        """A run with another seed."""
        return self.root / "other_run"

    @property
    def other_settings(self) -> Path:
        """A run of the same cohort with other settings."""
        return self.root / "other_settings"

    @property
    def outside(self) -> Path:
        """A folder beside the run."""
        return self.area / OUTSIDE

    @property
    def settings(self) -> Path:
        """The settings of the run, as a user keeps them."""
        return self.area / SETTINGS

    @property
    def answer(self) -> str:
        """The answer of `show` about the sample of `show_words`."""
        return (self.root / ANSWER).read_text(encoding="utf-8")

    @property
    def sample(self) -> str:
        """The first sample of the run."""
        table = (self.sound / RUN / "input" / "samples.tsv").read_text(encoding="utf-8")
        return table.splitlines()[1].split("\t")[0]


def call(words: Sequence[str]) -> int:
    """Call `tumorcam` with these words in this process; its exit code."""
    return int(tumorcam_command.main(list(words)))


def build_runs(root: Path) -> Runs:
    """Build the runs by their jobs, unless an earlier call has done so."""
    runs = Runs(root)
    if (root / ANSWER).exists():
        return runs
    for folder in (runs.area, runs.sound, runs.other_run, runs.other_settings):
        shutil.rmtree(folder, ignore_errors=True)
    runs.outside.mkdir(parents=True)
    (runs.outside / VICTIM).write_text("a file of the user\n", encoding="utf-8")
    values = {
        runs.run: USUAL,
        runs.other_run: OTHER_RUN,
        runs.other_settings: OTHER_SETTINGS,
    }
    for folder, numbers in values.items():
        path = runs.settings if folder == runs.run else folder.with_suffix(".toml")
        path.write_text(CONFIG.format(folder=folder, **numbers), encoding="utf-8")
        started = time.monotonic()
        _require(run_child(lambda path=path: _build(path), _limits(runs)))
        print(f"built {folder}, {time.monotonic() - started:.0f} s", file=sys.stderr)
    shutil.copytree(runs.area, runs.sound, symlinks=True)
    words = ["show", str(runs.settings), "--sample", runs.sample]
    answer = _require(run_child(lambda: call(words), _limits(runs)))
    shutil.rmtree(runs.run / "report" / "show")
    text = answer.output[answer.output.index(runs.sample) :]  # without messages of TensorFlow
    (root / ANSWER).write_text(text, encoding="utf-8")
    return runs


def _limits(runs: Runs) -> Limits:
    return Limits(runs.area, BUILD_PATIENCE, idle=BUILD_PATIENCE)


def _build(settings: Path) -> int:
    """Run all jobs and keep the parts that reduce and faithfulness leave while they work."""
    config = load_config(settings)
    for name in ("synthesize", "prepare"):
        _do([name, str(settings)])
    for name in read_plan(RunFolder.of(config).plan, config.layout.nulls).train_tasks:
        _do(["train", str(settings), "--model", name])
    _do(["explain", str(settings)])
    with mock.patch("shutil.rmtree"):  # the folders of parts are kept
        for name in ("reduce", "faithfulness"):
            _do([name, str(settings)])
    for name in ("report", "status", "verify"):
        _do([name, str(settings)])
    run = RunFolder.of(config)
    assert run.band_files() and run.ranking_files() and run.response_files()
    return 0


def _do(words: Sequence[str]) -> None:
    code = call(words)
    assert code == 0, f"{words} ended with {code}"


def _require(ending: Ending) -> Ending:
    assert ending.code == 0, ending.output
    return ending
