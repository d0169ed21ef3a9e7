"""Values that are missing, too large or negative: how many there are, and what happens to them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.drops import STOP
from tumorcam.cohort.kept_values import SIGNED
from tumorcam.cohort.scales import MAX_VALUE, largest_value
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import CohortSettings

SMALL_NEGATIVE = 1e-6  # below it a negative value is a rounding error
INT32_MIN = -(2**31)
REPAIRING = ("drop", "repair")  # rules under which what stays is repaired


class LeftOut(NamedTuple):
    """`mask` (samples or genes,) bool: those that are left out; and the list of them."""

    mask: np.ndarray
    dropped: list[Drop]


@dataclass(frozen=True)
class Names:
    """What the rows and columns of the values are called.

    Attributes
    ----------
    genes : list of str
        Of the matrix.
    is_gene : (genes,) bool
        False for rows that are no genes.
    samples : (samples,) str
        The kept samples.
    tumors : (tumors,) str
        Tumor types in the order of their indices.
    where : str
        The file, for messages.
    """

    genes: list[str]
    is_gene: np.ndarray
    samples: np.ndarray
    tumors: np.ndarray
    where: str


@dataclass
class BadValueCounts:
    """How many bad values each gene and each sample has, band by band.

    Parameters
    ----------
    n_genes : int
        Genes of the matrix.
    tumor : (samples,) int
        Index of the tumor of each sample.
    scale : str
        As `input.scale`.
    """

    n_genes: int
    tumor: np.ndarray
    scale: str

    def __post_init__(self) -> None:
        n_samples = len(self.tumor)
        self.of_gene = np.zeros(self.n_genes, np.int64)
        self.of_sample = np.zeros(n_samples, np.int64)
        self.lacking_tumor = np.full(self.n_genes, -1)  # a tumor all of whose values are missing
        self.n_kinds = {"missing": 0, "infinite": 0, "too large": 0, "negative": 0}
        self.smallest = 0.0
        self.first: dict[int, tuple[int, float]] = {}  # its first bad sample and value, by gene

    def add(self, genes: slice, band: np.ndarray, is_gene: np.ndarray) -> None:
        """Count the bad values of a band of raw values.

        Parameters
        ----------
        band : (band, samples) float32
        is_gene : (band,) bool
            False for rows that are no genes, which do not count.
        """
        largest = largest_value(self.scale)
        is_bad = ~(np.abs(band) <= largest)
        if self.scale not in SIGNED:
            is_bad |= band < 0
        is_bad[~is_gene] = False
        rows = np.flatnonzero(is_bad.any(axis=1))
        if not len(rows):
            return
        self.of_gene[genes] = is_bad.sum(axis=1)
        self.of_sample += is_bad.sum(axis=0)
        values = band[rows][is_bad[rows]]
        is_negative = values < 0
        self.n_kinds["missing"] += int(np.isnan(values).sum())
        self.n_kinds["negative"] += int(is_negative.sum())
        self.n_kinds["infinite"] += int((values > MAX_VALUE).sum())
        self.n_kinds["too large"] += int(((values > largest) & (values <= MAX_VALUE)).sum())
        self.smallest = min(self.smallest, float(values[is_negative].min(initial=0)))
        tumors = np.arange(self.tumor.max() + 1)
        n_of_tumor = np.bincount(self.tumor)
        for row in rows.tolist():
            sample = int(is_bad[row].argmax())
            self.first[genes.start + row] = (sample, float(band[row, sample]))
            missing = is_bad[row] & ~(band[row] < 0)
            n_missing = np.bincount(self.tumor[missing], minlength=len(tumors))
            if (n_missing == n_of_tumor).any():
                self.lacking_tumor[genes.start + row] = int((n_missing == n_of_tumor).argmax())

    def figures(self, names: Names) -> str:
        """How many values are bad, and where most of them are."""
        kinds = [f"{n:,} {kind}" for kind, n in self.n_kinds.items() if n]
        gene, sample = int(self.of_gene.argmax()), int(self.of_sample.argmax())
        return (
            f"{' and '.join(kinds)} values in {(self.of_gene > 0).sum():,} genes and "
            f"{(self.of_sample > 0).sum():,} samples; gene {plain(names.genes[gene])} has "
            f"{self.of_gene[gene] / len(names.samples):.0%} of its values bad, sample "
            f"{plain(names.samples[sample])} {self.of_sample[sample] / names.is_gene.sum():.0%}"
        )


def require_good(counts: BadValueCounts, names: Names, policy: str) -> None:
    """Check that there is no bad value, if the rule is "error"; InputError with figures if so."""
    if policy == STOP and counts.of_gene.any():
        n_full = int((counts.of_sample >= names.is_gene.sum()).sum())
        msg = (
            f"{names.where}: bad values: {counts.figures(names)}; first: {_first(counts, names)}; "
            f"{_advice(counts, n_full)}"
        )
        raise InputError(msg)


def bad_samples(counts: BadValueCounts, names: Names, cohort: CohortSettings) -> LeftOut:
    """The samples that `cohort.bad_values` leaves out.

    Raises
    ------
    InputError
        If no sample would be left.
    """
    share = counts.of_sample / max(1, int(names.is_gene.sum()))
    at_most = {"drop": cohort.bad_share, "drop_samples": 0.0}.get(cohort.bad_values, 1.0)
    mask = share > at_most
    if mask.all() or (cohort.bad_values != STOP and (share == 1).all()):
        remedy = "check input.scale, or repair the matrix"
        if cohort.bad_values == "drop_samples":
            remedy = 'set cohort.bad_values = "drop"'
        msg = f"{names.where}: every sample has bad values: {counts.figures(names)}; {remedy}"
        raise InputError(msg)
    dropped = [
        Drop("sample", name, f"{n} of its values are missing, too large or negative")
        for name, n in zip(names.samples[mask], counts.of_sample[mask], strict=True)
    ]
    return LeftOut(mask, dropped)


def bad_genes(counts: BadValueCounts, names: Names, cohort: CohortSettings) -> LeftOut:
    """The genes that `cohort.bad_values` leaves out, of samples that are kept.

    A gene without any value in a whole tumor type is left out, not repaired: what would stand for
    it there comes from other tumors alone.

    Raises
    ------
    InputError
        If no gene would be left.
    """
    share = counts.of_gene / len(names.samples)
    at_most = {"drop": cohort.bad_share, "drop_genes": 0.0}.get(cohort.bad_values, 1.0)
    mask = (share > at_most) | ((counts.lacking_tumor >= 0) & (cohort.bad_values in REPAIRING))
    if mask[names.is_gene].all():
        msg = (
            f"{names.where}: every gene has bad values, so that cohort.bad_values = "
            f'"{cohort.bad_values}" leaves none: {counts.figures(names)}; set cohort.bad_values = '
            f'"{"drop_samples" if cohort.bad_values == "drop" else "drop"}", or check input.scale'
        )
        raise InputError(msg)
    dropped = [
        Drop("gene", names.genes[i], _reason(counts, i, names))
        for i in np.flatnonzero(mask).tolist()
    ]
    return LeftOut(mask, dropped)


def _reason(counts: BadValueCounts, gene: int, names: Names) -> str:
    if counts.lacking_tumor[gene] >= 0:
        return f"missing in all samples of {names.tumors[counts.lacking_tumor[gene]]}"
    sample, value = counts.first[gene]
    share = f"{counts.of_gene[gene]} of {len(names.samples)} values are bad"
    return f"{share}: is {value:g} in sample {names.samples[sample]}"


def _first(counts: BadValueCounts, names: Names) -> str:
    return listed(
        [
            f"{plain(names.genes[gene])} (is {value:g} in sample {names.samples[sample]})"
            for gene, (sample, value) in sorted(counts.first.items())
        ]
    )


def _advice(counts: BadValueCounts, n_full: int) -> str:
    if counts.smallest == -np.inf:
        return "-inf is the logarithm of 0: write the matrix again as log2(x + 1)"
    if counts.smallest <= INT32_MIN:
        return (
            f"{counts.smallest:.0f} is what an overflow of 32-bit integers leaves: write the "
            "matrix again with 64 bits or as floating-point numbers"
        )
    if counts.n_kinds["too large"]:
        return (
            f"values above {largest_value(counts.scale):g} are no logarithms, and what has them "
            'is perhaps no gene: set cohort.bad_values = "drop", which leaves out genes with more '
            "than cohort.bad_share of them, or correct the matrix"
        )
    if n_full:
        return (
            f'{n_full} samples have no value at all: set cohort.bad_values = "drop", which leaves '
            "them out"
        )
    if not counts.n_kinds["missing"] and -SMALL_NEGATIVE < counts.smallest < 0:
        return 'these are rounding errors: set cohort.bad_values = "repair", which makes them 0'
    return (
        'set cohort.bad_values = "drop", which leaves out samples and genes with more than '
        "cohort.bad_share of them and repairs the rest (negative: 0; missing: the gene's mean)"
        f"{_keeping(counts)}"
    )


def _keeping(counts: BadValueCounts) -> str:
    """How negative logarithms are kept, which stand for values of x below 1."""
    if counts.scale != "log2" or not counts.n_kinds["negative"]:
        return ""
    return (
        "; or, if the values are log2 of x itself, such as edgeR's log2 CPM, set input.scale = "
        '"as_is", which keeps them'
    )
