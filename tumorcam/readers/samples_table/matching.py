"""The rows of one column of a samples table whose IDs belong to the samples of a matrix."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tumorcam.readers.samples_table.identifiers import canonical, identify, levels

EXACT, SPELLING, SPECIMEN, PATIENT = "exact", "spelling", "specimen", "patient"  # the rules


class Match(NamedTuple):
    """The rows (int) and the rule (str) of each sample that has rows, by name."""

    rows: dict[str, list[int]]
    rules: dict[str, str]

    @property
    def score(self) -> tuple[float, int]:
        """How many samples have a row, and how many of them are spelled alike."""
        rules = list(self.rules.values())
        return len(rules) - rules.count(PATIENT) / 2, rules.count(EXACT)


def match_columns(
    samples: Sequence[str], columns: Mapping[str, Sequence[str]], first: Sequence[str]
) -> dict[str, Match]:
    """The rows of each sample by each column of a table, in the order of the columns.

    If the first columns, or the one with most samples in the spelling of the matrix, have rows for
    all samples, the other columns are left out: comparing them takes time.

    Parameters
    ----------
    samples : sequence of str
        Names in the matrix.
    columns : mapping of str to sequence of str
        The cells of each column, at least one; the empty text is missing.
    first : sequence of str
        Names of the columns to compare first.
    """
    names = set(samples)
    n_exact = {name: len(names.intersection(cells)) for name, cells in columns.items()}
    best = max(columns, key=n_exact.__getitem__)
    order = [name for name in columns if name in first or (name == best and n_exact[name])]
    matches = {name: match_column(samples, columns[name]) for name in order}
    if max((match.score[0] for match in matches.values()), default=0) < len(samples):
        matches |= {n: match_column(samples, columns[n]) for n in columns if n not in matches}
    return {name: matches[name] for name in columns if name in matches}


def match_column(samples: Sequence[str], cells: Sequence[str]) -> Match:
    """The rows of each sample by the first rule that gives any.

    Parameters
    ----------
    samples : sequence of str
        Names in the matrix.
    cells : sequence of str
        The cells of the column; the empty text is missing.
    """
    by_cell = _index((cell, i) for i, cell in enumerate(cells))
    if all(sample.strip() in by_cell for sample in samples):
        exact = {sample: by_cell[sample.strip()] for sample in samples}
        return Match(exact, dict.fromkeys(exact, EXACT))
    by_spelling = _index((canonical(cell), i) for cell, rows in by_cell.items() for i in rows)
    whole, by_level = dict[str, list[int]](), defaultdict[str, list[int]](list)
    for cell, rows in by_cell.items():
        if identity := identify(cell):
            whole.setdefault(identity.key, []).extend(rows)
            for level in levels(identity):
                by_level[level].extend(rows)
    match = Match({}, {})
    for sample in samples:
        name = sample.strip()
        if name in by_cell:
            match.rows[sample], match.rules[sample] = by_cell[name], EXACT
        elif canonical(name) in by_spelling:
            match.rows[sample], match.rules[sample] = by_spelling[canonical(name)], SPELLING
        elif by_level:
            _match_barcode(match, sample, whole, by_level)
    return match


def _match_barcode(
    match: Match, sample: str, whole: Mapping[str, list[int]], by_level: Mapping[str, list[int]]
) -> None:
    """Add the rows whose barcode has most in common with the sample's, the type at least.

    A patient's row counts for all samples of the patient, and a sample that is a whole patient
    takes all rows of the patient.
    """
    identity = identify(sample)
    if identity is None:
        return
    patient, *specimens = levels(identity)
    for level in reversed(specimens):
        if level in by_level:
            match.rows[sample], match.rules[sample] = by_level[level], SPECIMEN
            return
    rows = whole.get(patient) or (by_level.get(patient) if not specimens else None)
    if rows:
        match.rows[sample], match.rules[sample] = rows, PATIENT


def _index(items: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = {}
    for key, row in items:
        if key:
            index.setdefault(key, []).append(row)
    return index
