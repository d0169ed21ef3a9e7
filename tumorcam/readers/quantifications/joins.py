"""Several expression matrices joined to one: by sample, or by gene."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.genes.identifiers import without_version
from tumorcam.readers.matrix import SAMPLE, Drop, Fact, Matrix
from tumorcam.readers.quantifications.alignment import LIBRARY_SIZES, align
from tumorcam.readers.quantifications.sample_names import stem
from tumorcam.readers.samples_table.identifiers import canonical
from tumorcam.readers.wording import listed, plain
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues

MIN_SHARED = 0.5  # of the names of the smallest file, for the files to have the same
FILE = "file"  # label of a sample: the file that it comes from


def join(matrices: Sequence[Matrix], folder: Path | None) -> Matrix:
    """One matrix of several, which have the same genes or the same samples.

    Genes that not all files have are left out where the files are joined by sample, samples that
    not all have where they are joined by gene; each has a Drop. The order is the first file's.

    Raises
    ------
    InputError
        If the files have both in common, or neither.
    """
    if len(matrices) == 1:
        return matrices[0]
    genes = _alike([matrix.genes for matrix in matrices], without_version)
    samples = _alike([matrix.samples for matrix in matrices], canonical)
    has_genes, has_samples = (_shared(names) >= MIN_SHARED for names in (genes, samples))
    if has_genes and not has_samples:
        return _join_by_sample(matrices, genes, folder)
    if has_samples and not has_genes:
        return _join_by_gene(matrices, samples, folder)
    first, second = matrices[:2]
    common = "both genes and samples" if has_genes else "neither genes nor samples"
    msg = (
        f"the {len(matrices)} files of input.expression, such as {plain(first.path.name)} (genes "
        f"{listed(first.genes[:2])}; samples {listed(first.samples[:2])}) and "
        f"{plain(second.path.name)} (genes {listed(second.genes[:2])}; samples "
        f"{listed(second.samples[:2])}), have {common} in common; wanted the same genes and other "
        "samples, or the same samples and other genes: set input.expression to one of them, or to "
        "files that belong together"
    )
    raise InputError(msg)


def _alike(
    lists: Sequence[Sequence[str]], spelling: Callable[[str], str]
) -> Sequence[Sequence[str]]:
    """The names as they are if the files share them, else in one spelling.

    They stay as they are, too, if two names of a file would become the same.
    """
    if _shared(lists) >= MIN_SHARED:
        return lists
    spelled = [[*map(spelling, names)] for names in lists]
    is_safe = all(len(set(a)) == len(set(b)) for a, b in zip(spelled, lists, strict=True))
    return spelled if is_safe else lists


def _shared(lists: Sequence[Sequence[str]]) -> float:
    """The share of the shortest list's names that all lists have."""
    n_common = len(reduce(set.intersection, map(set, lists)))
    return n_common / max(1, min(len(set(names)) for names in lists))


def _join_by_sample(
    matrices: Sequence[Matrix], genes_of: Sequence[Sequence[str]], folder: Path | None
) -> Matrix:
    """The samples of all matrices, with the genes that all of them have, as `genes_of` says."""
    positions, dropped = _common(genes_of, matrices, "gene")
    values = StoredValues(folder)
    samples = [sample for matrix in matrices for sample in matrix.samples]
    step = max(1, BAND_VALUES // max(1, len(samples)))
    for start in range(0, positions.shape[1], step):
        rows = positions[:, start : start + step]
        bands = [matrix.values.rows(index) for matrix, index in zip(matrices, rows, strict=True)]
        values.add_genes(np.concatenate(bands, axis=1))
    first, reason = matrices[0], f"{positions.shape[1]:,} genes in common"
    reason += f"; {LIBRARY_SIZES}" if dropped else ""
    genes = [first.genes[row] for row in positions[0]]
    annotation = first.annotation
    if len(annotation) == len(first.genes):
        annotation = annotation.iloc[positions[0]].reset_index(drop=True)
    return Matrix(
        path=first.path,
        samples=samples,
        genes=genes,
        values=values,
        dropped=_all_dropped(matrices) + dropped,
        facts=_joined_facts(matrices, "sample", reason, dropped),
        labels=pd.concat([_labels(matrix) for matrix in matrices], ignore_index=True).fillna(""),
        sources=[str(matrix.path) for matrix in matrices for _ in matrix.samples],
        annotation=annotation,
    )


def _join_by_gene(
    matrices: Sequence[Matrix], samples_of: Sequence[Sequence[str]], folder: Path | None
) -> Matrix:
    """The genes of all matrices, with the samples that all of them have, as `samples_of` says."""
    positions, dropped = _common(samples_of, matrices, "sample")
    values = StoredValues(folder)
    for matrix, columns in zip(matrices, positions, strict=True):
        for _, band in matrix.values.bands():
            values.add_genes(band[:, columns])
    first = matrices[0]
    samples = [first.samples[column] for column in positions[0]]
    labels = first.labels
    if labels is not None:
        labels = labels.iloc[positions[0]].reset_index(drop=True)
    annotation = [matrix.annotation.reindex(range(len(matrix.genes))) for matrix in matrices]
    return Matrix(
        path=first.path,
        samples=samples,
        genes=[gene for matrix in matrices for gene in matrix.genes],
        values=values,
        dropped=_all_dropped(matrices) + dropped,
        facts=_joined_facts(matrices, "gene", f"{len(samples):,} samples in common", dropped),
        labels=labels,
        annotation=pd.concat(annotation, ignore_index=True).fillna(""),
    )


def _common(
    lists: Sequence[Sequence[str]], matrices: Sequence[Matrix], kind: str
) -> tuple[np.ndarray, list[Drop]]:
    """(files, common names) positions of the names that all files have, and drops of the others."""
    first = lists[0]
    alignments = [align(first, names) for names in lists]
    index = np.stack([alignment.positions for alignment in alignments])
    is_common: np.ndarray = np.all(index >= 0, axis=0)
    n_files = Counter(name for names in lists for name in set(names))
    lacking = [name for name, common in zip(first, is_common, strict=True) if not common]
    others = [name for alignment in alignments for name in alignment.others]
    dropped = [
        Drop(kind, name, f"{n_files[name]} of {len(matrices)} files have it; all must")
        for name in dict.fromkeys([*lacking, *others])
    ]
    return index[:, is_common], dropped


def _labels(matrix: Matrix) -> pd.DataFrame:
    """What a matrix says of its samples, and the name of its file."""
    labels = matrix.labels
    if labels is None:
        labels = pd.DataFrame({SAMPLE: matrix.samples})
    return labels.assign(**{FILE: stem(matrix.path.name)})


def _all_dropped(matrices: Sequence[Matrix]) -> list[Drop]:
    return [drop for matrix in matrices for drop in matrix.dropped]


def _joined_facts(
    matrices: Sequence[Matrix], kind: str, reason: str, dropped: Sequence[Drop]
) -> list[Fact]:
    """The facts of the files, which are the first's where all agree, and of the join."""
    per_file: dict[Fact, list[str]] = {}
    for matrix in matrices:
        for fact in matrix.facts:
            per_file.setdefault(fact, []).append(matrix.path.name)
    facts = [
        fact
        if len(names) == len(matrices)
        else fact._replace(text=f"{fact.text} (in {listed(names)})")
        for fact, names in per_file.items()
    ]
    files = [matrix.path.name for matrix in matrices]
    others = f"{len(dropped):,} others are left out" if dropped else ""
    text = f"{len(matrices)} files are joined by {kind}: {listed(files)}"
    return [*facts, Fact("files", text, reason, others)]
