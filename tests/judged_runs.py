"""Runs of `prepare` on files of any kind, and whether what came out is right.

An expectation says what is right; nothing is compared with what the readers say of themselves.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jobs import prepare
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.tally import unexplained
from tumorcam.settings.config import load_config

MAX_MESSAGE = 1100  # characters; a message must be readable at one glance
NO_SAMPLE = "-"  # the label of a sample that the cohort must not have
AT_MOST = 1e-4  # log2; files have four decimals or more, and values are float32


class Outcome(NamedTuple):
    """How a run of `prepare` ended: exit code, what was said, and the cohort if there is one."""

    code: int
    said: str
    cohort: Cohort | None

    @property
    def message(self) -> str:
        """The last message and its further lines."""
        return self.said[self.said.rfind("error:") :] if "error:" in self.said else self.said


class Expected(NamedTuple):
    """The right cohort: values, labels, and names that the drops must list.

    `log2` (genes, samples) are all usable genes, NaN where any value will do, or None where no
    values are compared; `labels` are the tumors of its columns, "-" for samples that must be
    dropped, listed or counted by type. `drops` are patterns of listed drops or facts. With
    `may_drop`, further genes and samples may be dropped if they are listed.
    """

    log2: pd.DataFrame | None
    labels: list[str]
    drops: tuple[str, ...] = ()
    patient_of: Callable[[str], str] = str
    may_drop: bool = False


def run_prepare(config: str, folder: Path, settings: Sequence[str], capsys: Any) -> Outcome:
    """Run the job in this process, in the current folder, with its run in a folder of its own."""
    sets = [word for text in (f"run.folder={folder}", *settings) for word in ("--set", text)]
    capsys.readouterr()
    try:
        code = prepare.main([config, *sets])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    said = capsys.readouterr()
    return Outcome(int(code), said.out + said.err, cohort_of(folder) if code == 0 else None)


def cohort_of(folder: Path) -> Cohort:
    """The cohort of a run folder."""
    return read_cohort(folder / "cohort.h5", load_config(folder / "config.toml"))


def faults_of_reading(outcome: Outcome, expected: Expected) -> list[str]:
    """What is wrong with a cohort; nothing if it is right."""
    if outcome.cohort is None:
        return [f"not read (exit {outcome.code}): {outcome.message[:600]}"]
    return list(_faults(outcome.cohort, expected))


def faults_of_refusal(outcome: Outcome, must: Sequence[str], must_not: Sequence[str]) -> list[str]:
    """What is wrong with a message; nothing if it is right."""
    if outcome.code == 0:
        return ["it was read, but must be refused"]
    faults = [] if outcome.code == 1 else [f"exit code {outcome.code}"]
    if re.search(r"Traceback|Error:|Error\(", outcome.said):
        faults.append("a traceback or an error that nobody foresaw")
    if "error:" not in outcome.said:
        faults.append("no message")
    if len(outcome.message) > MAX_MESSAGE:
        faults.append(f"a message of {len(outcome.message)} characters")
    faults += [f"does not say {p!r}" for p in must if not _search(p, outcome.message)]
    faults += [f"says {p!r}" for p in must_not if _search(p, outcome.message)]
    return [*faults, f"said: {outcome.message[:700]}"] if faults else []


def _search(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


def sample_key(name: str) -> str:
    """A sample's name in one spelling."""
    return re.sub(r"^x(?=\d)", "", re.sub(r"[._\s]+", "-", name.strip().strip("'").lower()))


def gene_key(name: str) -> str:
    """A gene's name without its version or its second ID."""
    name = re.sub(r"^(ENSG\d+)\.\d+", r"\1", name.strip())
    return name if name.startswith("?") else re.sub(r"( \(\d+\)|\|\d+)$", "", name)


def label_key(label: str) -> str:
    """A tumor type in one spelling."""
    text = re.sub(r"^tcga[- ]", "", " ".join(str(label).lower().split()))
    return re.sub(r"^(\d+)\.0$", r"\1", text)


def patient_of_barcode(sample: str) -> str:
    """The patient that a barcode of TCGA, TARGET or GTEx names; else the sample itself."""
    key = sample_key(sample)
    match = re.match(r"(tcga-\w\w-\w{4}|target-\d\d-\w+|gtex-\w+|pt\d+)", key)
    return match[1] if match else key


def _faults(cohort: Cohort, expected: Expected) -> Iterator[str]:
    drops = [f"{d.kind} {d.name}: {d.reason}" for d in cohort.dropped.itertuples()]
    facts = [" ".join(fact) for fact in cohort.facts.astype(str).to_numpy()]
    assert cohort.tally is not None
    for kind in ("gene", "sample"):
        if n := unexplained(cohort.tally, kind):
            yield f"{n} {kind}s are neither dropped nor kept: {cohort.tally.to_dict('records')}"
    if expected.log2 is None:
        yield from _faults_of_sizes(cohort, expected)
    else:
        kept = [label != NO_SAMPLE for label in expected.labels]
        names = [sample_key(str(name)) for name in expected.log2.columns]
        listed = {sample_key(d.name) for d in cohort.dropped.itertuples() if d.kind == "sample"}
        lost = [name for name, keep in zip(names, kept, strict=True) if not keep]
        if expected.may_drop:
            listed -= {sample_key(name) for name in cohort.sample}
            kept = [keep and n not in listed for n, keep in zip(names, kept, strict=True)]
        right = expected.log2.set_axis(names, axis=1).loc[:, kept]
        right = right.set_axis(list(map(gene_key, right.index)))
        if expected.may_drop:
            gone = {gene_key(d.name) for d in cohort.dropped.itertuples() if d.kind == "gene"}
            right = right[[g not in gone or g in cohort.genes for g in right.index]]
        labels = [label for label, keep in zip(expected.labels, kept, strict=True) if keep]
        yield from _faults_of_samples(cohort, list(right), labels, expected.patient_of)
        yield from _faults_of_values(cohort, right, expected.drops)
        missing = [name for name in lost if name not in listed]
        if len(missing) > (cohort.counts["n_samples"] - cohort.counts["n_kept"]).sum():
            yield f"samples left without a drop: {missing[:4]} of {len(missing)}"
    for pattern in expected.drops:
        times, text = re.fullmatch(r"(?:(\d+)\*)?(.*)", pattern).groups()  # type: ignore[union-attr]
        if sum(_search(text, said) for said in drops + facts) < int(times or 1):
            yield f"no drop or fact says {pattern!r}; there are {drops[:6]}"


def _faults_of_sizes(cohort: Cohort, expected: Expected) -> Iterator[str]:
    labels = [label for label in expected.labels if label != NO_SAMPLE]
    if labels and len(cohort.sample) != len(labels):
        yield f"{len(cohort.sample)} samples; right: {len(labels)}"


def _faults_of_samples(
    cohort: Cohort, names: list[str], labels: list[str], patient_of: Callable[[str], str]
) -> Iterator[str]:
    by_name = dict(zip(names, map(label_key, labels), strict=True))
    got = [sample_key(name) for name in cohort.sample]
    if sorted(got) != sorted(names):
        extra, gone = sorted(set(got) - set(names)), sorted(set(names) - set(got))
        yield f"{len(got)} samples, right: {len(names)}; extra {extra[:4]}, gone {gone[:4]}"
        return
    tumors = [label_key(cohort.tumors[i]) for i in cohort.tumor]
    wrong = [(n, t, by_name[n]) for n, t in zip(got, tumors, strict=True) if t != by_name[n]]
    if wrong or len({*tumors}) != len(cohort.tumors):
        yield f"wrong tumors (sample, got, right): {wrong[:3]} of {len(wrong)}; {cohort.tumors}"
    pairs = {(patient_of(n), p) for n, p in zip(got, cohort.patient, strict=True)}
    if not len(pairs) == len({p for p, _ in pairs}) == len({p for _, p in pairs}):
        yield f"wrong patients: {sorted(pairs)[:4]}"
    folds = pd.Series(cohort.fold).groupby([patient_of(n) for n in got]).nunique()
    if (folds > 1).any():
        yield f"patients in several folds: {list(folds.index[folds > 1][:3])}"


def _faults_of_values(cohort: Cohort, right: pd.DataFrame, drops: Sequence[str]) -> Iterator[str]:
    genes = [gene_key(name) for name in cohort.genes]
    samples = [sample_key(name) for name in cohort.sample]
    unknown = sorted(set(genes) - set(right.index))
    if unknown or len(set(genes)) != len(genes):
        yield f"no genes, or twice: {unknown[:6]} of {len(genes)}"
        return
    if set(samples) != set(right.columns):
        return
    expected = right.loc[genes, samples].to_numpy(float).T
    got = cohort.expression().astype(float)
    off = np.abs(got - expected) > AT_MOST * np.maximum(1, np.abs(expected))
    if off.any():
        where = tuple(np.argwhere(off)[0])
        yield (
            f"{off.sum()} of {off.size} values are wrong, first {cohort.genes[where[1]]} of "
            f"{cohort.sample[where[0]]}: {got[where]:.5f}; right: {expected[where]:.5f}"
        )
    if not np.isfinite(got).all():
        yield "values that are no numbers"
    yield from _faults_of_genes(cohort, right, genes, drops)


def _faults_of_genes(
    cohort: Cohort, right: pd.DataFrame, genes: list[str], drops: Sequence[str]
) -> Iterator[str]:
    variance = right.var(axis=1, ddof=0)
    left = variance.drop(genes)
    if len(left) and left.max() > variance[genes].min() + 1e-3:
        yield f"gene {left.idxmax()} varies more than {variance[genes].idxmin()}, but is not kept"
    square = int(np.sqrt((variance > 0).sum())) ** 2
    if len(genes) != square:
        yield f"{len(genes)} genes; right: {square}"
    lost = {gene_key(d.name) for d in cohort.dropped.itertuples() if d.kind == "gene"}
    usable = sorted(set(left.index[left > 0]) & lost)
    usable = [gene for gene in usable if not any(gene in pattern for pattern in drops)]
    if usable:
        yield f"usable genes dropped: {usable[:4]}"
