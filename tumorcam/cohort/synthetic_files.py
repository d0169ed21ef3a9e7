"""The files of a synthetic cohort, as `tumorcam synthesize` writes them."""

import gzip
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from tumorcam.cohort.synthetic import SyntheticCohort
from tumorcam.storage import hdf5
from tumorcam.storage.run_folder import SyntheticInput

COMPRESSION_LEVEL = 3  # gzip; level 9 takes five times as long for a tenth less


def write_synthetic_cohort(cohort: SyntheticCohort, target: SyntheticInput) -> None:
    """Write expression, samples and truth; equal cohorts give equal bytes.

    The expression is written as genes x samples with 4 decimals, as UCSC Xena ships it.

    Parameters
    ----------
    target : SyntheticInput
        Its folder is made if it is missing. Each file appears complete or not at all.

    Raises
    ------
    FileError
        If the disk or a quota is full.
    """
    with hdf5.write_aside(target.expression) as aside, aside.open("wb") as file:
        _write_gzip(file, _expression_lines(cohort))
    samples = cohort.samples.to_csv(sep="\t", index=False, lineterminator="\n")
    hdf5.write_text(target.samples, samples)
    hdf5.write_text(target.truth, cohort.truth.to_csv(index=False, lineterminator="\n"))


def _expression_lines(cohort: SyntheticCohort) -> Iterator[bytes]:
    """The lines of expression.tsv.gz."""
    # Writing is several times as fast if each number is formatted once, not wherever it occurs.
    highest = int(_ten_thousandths(cohort.log2_expression.max()))
    text = [f"{value / 1e4:.4f}" for value in range(highest + 1)]
    yield ("\t".join(["sample", *cohort.samples["sample"]]) + "\n").encode()
    for gene, values in zip(cohort.genes, cohort.log2_expression.T, strict=True):
        cells = map(text.__getitem__, _ten_thousandths(values).tolist())
        yield ("\t".join([gene, *cells]) + "\n").encode()


def _ten_thousandths(values: np.ndarray) -> np.ndarray:
    """Values as integers in units of 0.0001, rounded."""
    return np.rint(np.asarray(values, dtype=np.float64) * 1e4).astype(np.int64)


def _write_gzip(file: BinaryIO, lines: Iterable[bytes]) -> None:
    """Write lines as gzip; equal lines give equal bytes, as the header has no name and no time."""
    with gzip.GzipFile("", "wb", COMPRESSION_LEVEL, fileobj=file, mtime=0) as packed:
        packed.writelines(lines)
