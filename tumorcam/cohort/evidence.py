"""What the values of a matrix say of their scale, gathered in one pass over bands of genes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

N_EXAMINED = 256  # samples whose values are examined closely, evenly spread over all
MAX_WHOLE = 2.0**16  # above, float32 leaves too few binary digits to tell a whole number
MAX_SMALL_COUNT = 30.5  # up to here, three decimals of log2(count + 1) tell a whole count
COUNT_TOLERANCE = 0.02  # of a small count that was read from its logarithm
MAX_EXPONENT = 64.0  # larger values are no logarithms
MAX_LOG2 = 35.0  # log2(x + 1) of GDC's FPKM-UQ, the largest numbers in use, reaches 31
MAX_LOG_SKEWNESS = 2.0  # of log2(x + 1); whole transcriptomes have 1 or less
MAX_LOG_WHOLE = 0.5  # share of whole numbers; small counts are whole, their logarithms are not
MAX_ODD = 0.02  # share of the genes that may be none
MIN_SMALL = 100  # values; fewer say nothing of whole counts
TOTAL_TOLERANCE = 1e-5  # relative, of a row that holds the totals of the samples


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Figures of a matrix by which its scale is recognised.

    All of them are of finite values. Shares and sums are of at most 256 samples, evenly spread.

    Attributes
    ----------
    n_genes, n_samples : int
    n_values, n_missing, n_infinite, n_negative : int
        Numbers of finite, missing, infinite and negative values.
    smallest, largest : float
        Of all values; NaN if there are none.
    n_positive : int
        Positive values up to 65,536 of the examined samples.
    smallest_positive : float
        NaN if there is none.
    whole_share : float
        Share of whole numbers among the `n_positive` values; NaN if there are none.
    log2_counts_share, log_e_counts_share : float
        Share of values that stand for whole counts, among those that stand for 30 counts or fewer
        if they are log2(count + 1) or ln(count + 1); NaN if there are fewer than 100.
    zero_share, floor_share : float
        Share of values that are 0, and that are the smallest value.
    skewness : float
        Of the positive values: up to about 3 for logarithms, far more for linear scales.
    standardised_share : float
        Share of genes with a mean near 0 and a standard deviation near 1.
    sums, sums_exp2, sums_exp : (examined samples,) float64
        Sums over the genes of x, of 2^x - 1 and of e^x - 1, without samples that have no values.
    total_gene : int
        Position of the gene whose values are the sums of all others; -1 if there is none.
    n_odd : int
        Genes that have values larger than any logarithm where all others look like logarithms, such
        as scores among the genes. No other figure counts them.
    """

    n_genes: int
    n_samples: int
    n_values: int
    n_missing: int
    n_infinite: int
    n_negative: int
    smallest: float
    largest: float
    n_positive: int
    smallest_positive: float
    whole_share: float
    log2_counts_share: float
    log_e_counts_share: float
    zero_share: float
    floor_share: float
    skewness: float
    standardised_share: float
    sums: np.ndarray
    sums_exp2: np.ndarray
    sums_exp: np.ndarray
    total_gene: int
    n_odd: int


class EvidenceSum:
    """Collects the evidence of a matrix; the size of its bands changes no bit of it."""

    def __init__(self, n_samples: int) -> None:
        self.n_samples = n_samples
        n_examined = min(n_samples, N_EXAMINED)
        self._examined = np.linspace(0, n_samples - 1, n_examined).round().astype(int)
        self._genes: list[pd.DataFrame] = []  # figures of each gene, by band
        self._sums = np.zeros((2, 3, n_examined))  # of x, 2^x - 1 and e^x - 1, of odd genes last
        self._n_finite = np.zeros(n_examined, dtype=int)
        self._largest_gene = np.zeros(n_examined)  # values of the gene with the largest sum

    def add(self, band: np.ndarray) -> None:
        """Add the next genes: (genes, samples) float32; missing values are NaN."""
        is_examined_all = len(self._examined) == band.shape[1]
        examined = (band if is_examined_all else band[:, self._examined]).astype(np.float64)
        is_finite = np.isfinite(examined)
        values = np.where(is_finite, examined, 0)
        figures = pd.concat([_of_all_samples(band), _of_examined(values, is_finite)], axis=1)
        if len(figures):
            self._keep_largest(values, figures["total"].to_numpy())
        self._n_finite += is_finite.sum(axis=0)
        exponents = np.minimum(values, MAX_EXPONENT)
        counts = {"log2": np.exp2(exponents) - 1, "log_e": np.expm1(exponents)}
        for name, array in counts.items():
            is_small = (values > 0) & (array < MAX_SMALL_COUNT)
            is_count = is_small & (np.abs(array - array.round()) < COUNT_TOLERANCE)
            figures[f"n_{name}_small"] = is_small.sum(axis=1)
            figures[f"n_{name}_counts"] = (is_count & (array > 0.5)).sum(axis=1)
        self._genes.append(figures)
        is_large = figures["largest"].to_numpy() > MAX_LOG2
        for i, rows in enumerate((values, *counts.values())):
            for row, place in zip(rows, is_large.astype(int), strict=True):
                self._sums[place, i] += row  # one gene after the other

    def result(self) -> Evidence:
        """The evidence of all genes that were added."""
        if not self._genes:
            self.add(np.empty((0, self.n_samples), np.float32))
        genes = pd.concat(self._genes, ignore_index=True)
        is_odd = _odd_genes(genes)
        all_sums = self._sums[0] if is_odd.any() else self._sums.sum(axis=0)
        total_gene = self._total_gene(genes, all_sums[0])
        genes = genes[~is_odd]
        total = genes.sum()
        n_finite = max(1, total["n_examined"])
        sums, sums_exp2, sums_exp = all_sums[:, self._n_finite > 0]
        smallest = genes["smallest"].min()
        return Evidence(
            n_genes=len(genes),
            n_samples=self.n_samples,
            n_values=int(total["n_finite"]),
            n_missing=int(total["n_missing"]),
            n_infinite=len(genes) * self.n_samples - int(total[["n_finite", "n_missing"]].sum()),
            n_negative=int(total["n_negative"]),
            smallest=float(smallest),
            largest=float(genes["largest"].max()),
            n_positive=int(total["n_judged"]),
            smallest_positive=float(genes["smallest_positive"].min()),
            whole_share=_share(total, "n_whole", "n_judged"),
            log2_counts_share=_share(total, "n_log2_counts", "n_log2_small", MIN_SMALL),
            log_e_counts_share=_share(total, "n_log_e_counts", "n_log_e_small", MIN_SMALL),
            zero_share=float(total["n_zero"] / n_finite),
            floor_share=float(_n_at_floor(genes, smallest) / n_finite),
            skewness=_skewness(total),
            standardised_share=float(genes["is_standardised"].sum() / max(1, len(genes))),
            sums=sums,
            sums_exp2=sums_exp2,
            sums_exp=sums_exp,
            total_gene=total_gene,
            n_odd=int(is_odd.sum()),
        )

    def _keep_largest(self, values: np.ndarray, totals: np.ndarray) -> None:
        """Keep the values of the gene with the largest sum: only it can be a row of totals."""
        largest = int(totals.argmax())
        if totals[largest] > self._largest_gene.sum():
            self._largest_gene = values[largest].copy()

    def _total_gene(self, genes: pd.DataFrame, sums: np.ndarray) -> int:
        """Position of the gene whose values are the sums of all others, or -1."""
        doubled = 2 * self._largest_gene
        is_total = np.isclose(doubled, sums, rtol=TOTAL_TOLERANCE, atol=0)
        if len(genes) < 4 or len(sums) < 3 or not (is_total & (doubled > 0)).all():
            return -1
        return int(genes["total"].argmax())


def _odd_genes(genes: pd.DataFrame) -> pd.Series:
    """(genes,) bool: the few that have values too large for logarithms, which the others have."""
    is_large = genes["largest"] > MAX_LOG2
    rest = genes[~is_large].sum()
    n_most = max(1, MAX_ODD * len(genes))
    looks_like_logarithms = (
        0 < is_large.sum() <= n_most
        and rest["n_positive"] >= MIN_SMALL
        and _skewness(rest) < MAX_LOG_SKEWNESS
        and _share(rest, "n_whole", "n_judged") < MAX_LOG_WHOLE
    )
    return is_large & looks_like_logarithms


def relative_spread(sums: np.ndarray) -> float:
    """The range of the middle 90 % of the sums, divided by their median; infinite if that is 0."""
    if not len(sums):
        return np.inf
    low, median, high = np.quantile(sums, [0.05, 0.5, 0.95])
    return float((high - low) / median) if median > 0 else np.inf


def _of_all_samples(band: np.ndarray) -> pd.DataFrame:
    """Figures of each gene over all of its samples."""
    is_finite = np.isfinite(band)
    n_finite = np.count_nonzero(is_finite, axis=1)
    is_complete = n_finite.sum() == band.size
    finite = band if is_complete else np.where(is_finite, band, np.float32(np.nan))
    return pd.DataFrame(
        {
            "n_finite": n_finite,
            "n_missing": 0 if is_complete else np.count_nonzero(np.isnan(band), axis=1),
            "n_negative": np.count_nonzero(finite < 0, axis=1),
            "smallest": np.fmin.reduce(finite, axis=1, initial=np.nan),
            "largest": np.fmax.reduce(finite, axis=1, initial=np.nan),
        }
    )


def _of_examined(values: np.ndarray, is_finite: np.ndarray) -> pd.DataFrame:
    """Figures of each gene over the examined samples; values that are not finite are 0 here."""
    n_finite = is_finite.sum(axis=1)
    is_positive = values > 0
    is_judged = is_positive & (values < MAX_WHOLE)
    positive = np.where(is_positive, values, 0)
    total = values.sum(axis=1)
    mean = total / np.maximum(n_finite, 1)
    sd = np.sqrt((((values - mean[:, np.newaxis]) * is_finite) ** 2).sum(axis=1) / n_finite.clip(1))
    smallest = np.where(is_finite, values, np.inf).min(axis=1, initial=np.inf)
    return pd.DataFrame(
        {
            "n_examined": n_finite,
            "total": total,
            "n_zero": (is_finite & (values == 0)).sum(axis=1),
            "floor": smallest,
            "n_floor": (is_finite & (values == smallest[:, np.newaxis])).sum(axis=1),
            "smallest_positive": np.fmin.reduce(
                np.where(is_positive, values, np.nan), axis=1, initial=np.nan
            ),
            "n_judged": is_judged.sum(axis=1),
            "n_whole": (is_judged & (values == values.round())).sum(axis=1),
            "n_positive": is_positive.sum(axis=1),
            **{f"power_{k}": (positive**k).sum(axis=1) for k in (1, 2, 3)},
            "is_standardised": (np.abs(mean) < 0.25) & (np.abs(sd - 1) < 0.25),
        }
    )


def _share(total: pd.Series, part: str, whole: str, at_least: int = 1) -> float:
    """One number divided by another; NaN where that is too small."""
    return float(total[part] / total[whole]) if total[whole] >= at_least else float("nan")


def _n_at_floor(genes: pd.DataFrame, smallest: float) -> int:
    """The number of examined values that are the smallest value of the matrix."""
    return int(genes.loc[genes["floor"] == smallest, "n_floor"].sum()) if len(genes) else 0


def _skewness(total: pd.Series) -> float:
    """Skewness of the positive values from their number and sums of powers; 0 if they are equal."""
    n = total["n_positive"]
    if n == 0:
        return 0.0
    first, second, third = (total[f"power_{k}"] / n for k in (1, 2, 3))
    variance = second - first**2
    if variance <= 1e-9 * second:
        return 0.0
    return float((third - 3 * first * second + 2 * first**3) / variance**1.5)
