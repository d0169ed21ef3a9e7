"""A sample, tumor or gene of a cohort, by the name that a user types."""

import difflib
import re
from collections.abc import Callable, Sequence

from tumorcam.cohort.cohort import ENTRAPPED, Cohort
from tumorcam.errors import ConfigError, quoted
from tumorcam.readers.genes.identifiers import without_version
from tumorcam.readers.wording import listed, plain

N_CLOSE = 5  # similar names in an error
N_LISTED = 12  # names in an error that all fit
WITH_ENTREZ = re.compile(r"(\S+) \((\d+)\)", re.ASCII)  # SYMBOL (ENTREZ)

Fits = Callable[[str], bool]


def find_sample(cohort: Cohort, text: str) -> int:
    """Index of the sample with this ID, whatever its case, or whose ID alone begins so.

    Raises
    ------
    ConfigError
        If several samples fit (the message lists them) or none (it names similar ones).
    """
    folded = text.casefold()
    stages: list[Fits] = [
        lambda name: name == text,
        lambda name: name.casefold() == folded,
        lambda name: bool(text) and name.casefold().startswith(folded),
    ]
    names = cohort.sample.tolist()
    index = _first_fit(cohort, names, stages, text, "sample")
    if index is None:
        raise ConfigError(f"{_absent(cohort, names, text, 'sample')}; {_near(names, text)}")
    return index


def find_tumor(cohort: Cohort, text: str) -> int:
    """Index of the tumor with this name, whatever its case.

    Raises
    ------
    ConfigError
        If there is none, or several differ in case alone; the message names all tumors.
    """
    folded, names = text.casefold(), cohort.tumors.tolist()
    stages: list[Fits] = [lambda name: name == text, lambda name: name.casefold() == folded]
    index = _first_fit(cohort, names, stages, text, "tumor")
    if index is None:
        every = ", ".join(map(plain, names))
        raise ConfigError(f"{cohort.path} has no tumor {quoted(text)}; it has {every}")
    return index


def find_gene(cohort: Cohort, text: str) -> int:
    """Index of the gene with this name.

    The case does not count, nor does the version of an Ensembl ID or the mark of an entrapped gene.
    If no whole name fits, a part of one may, such as TP53 or 7157 of TP53|7157.

    Raises
    ------
    ConfigError
        If several genes fit (the message lists them) or none (it names similar ones, or why
        `prepare` left this gene out).
    """
    folded, key = text.casefold(), _gene_key(text)
    stages: list[Fits] = [
        lambda name: name == text,
        lambda name: name.casefold() == folded,
        lambda name: _gene_key(name) == key,
        lambda name: bool(key) and key in map(_gene_key, name_parts(name)),
    ]
    names = cohort.genes.tolist()
    index = _first_fit(cohort, names, stages, text, "gene")
    if index is None:
        hint = _left_out(cohort, folded) or _near(names, text)
        raise ConfigError(f"{_absent(cohort, names, text, 'gene')}; {hint}")
    return index


def _first_fit(
    cohort: Cohort, names: Sequence[str], stages: Sequence[Fits], text: str, kind: str
) -> int | None:
    """Index of the only name that fits by the first stage that any name fits by; None without."""
    for fits in stages:
        matches = [i for i, name in enumerate(names) if fits(name)]
        if len(matches) > 1:
            every = listed([names[i] for i in matches], N_LISTED)
            msg = (
                f"{quoted(text)} fits {len(matches)} {kind}s of {cohort.path}: {every}; "
                f"wanted a name that only one {kind} has"
            )
            raise ConfigError(msg)
        if matches:
            return matches[0]
    return None


def _gene_key(name: str) -> str:
    return without_version(name.removesuffix(ENTRAPPED).strip().upper()).casefold()


def name_parts(name: str) -> list[str]:
    """The symbol and the other IDs of a gene's name such as TP53|7157 or TP53 (7157)."""
    whole = name.removesuffix(ENTRAPPED).strip()
    match = WITH_ENTREZ.fullmatch(whole)
    return list(match.groups()) if match else whole.split("|")


def _absent(cohort: Cohort, names: Sequence[str], text: str, kind: str) -> str:
    return f"{cohort.path} has no {kind} {quoted(text)} among its {len(names):,}"


def _near(names: Sequence[str], text: str) -> str:
    """Similar names, whatever their case, or the first one as an example."""
    by_key = {name.casefold(): name for name in reversed(names)}
    keys = difflib.get_close_matches(text.casefold(), list(by_key), n=N_CLOSE)
    if keys:
        return f"did you mean {listed([by_key[key] for key in keys], N_CLOSE)}"
    return f"such as {plain(names[0])}"


def _left_out(cohort: Cohort, folded: str) -> str:
    """Why `prepare` left the gene out; empty if the input lacks it, or it varies too little."""
    genes = cohort.dropped[cohort.dropped["kind"] == "gene"]
    reasons = genes.loc[genes["name"].astype(str).str.casefold() == folded, "reason"]
    return f"prepare left it out: {reasons.iloc[0]}" if len(reasons) else ""
