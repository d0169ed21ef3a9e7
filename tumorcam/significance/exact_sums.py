"""Sums and ranks of the columns of a matrix, whose bits do not depend on the other columns."""

import numpy as np


def group_sums(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of the rows of each group, added up from the first to the last.

    Parameters
    ----------
    values : (rows, columns) float
    group : (rows,) int
        From 0 to n_groups - 1, in any order.

    Returns
    -------
    (n_groups, columns) float64
    """
    order = np.argsort(group, kind="stable")
    n_rows = np.bincount(group, minlength=n_groups)
    first = np.cumsum(n_rows) - n_rows
    sums = np.zeros((n_groups, values.shape[1]))
    if n_rows.max(initial=0) > n_groups:  # few large groups
        for i, (start, n) in enumerate(zip(first, n_rows, strict=True)):
            sums[i] = column_sums(values[order[start : start + n]])
        return sums
    for nth in range(n_rows.max(initial=0)):  # many small ones, such as patients' samples
        has = np.flatnonzero(n_rows > nth)
        sums[has] += values[order[first[has] + nth]]
    return sums


def column_sums(values: np.ndarray) -> np.ndarray:
    """(columns,) float64 sums of (rows, columns), added up from the first row to the last."""
    wide = values if values.shape[1] > 1 else np.repeat(values, 2, axis=1)
    # np.sum adds row to row, but a single column in halves of halves, which round otherwise
    sums: np.ndarray = np.ascontiguousarray(wide).sum(axis=0, dtype=np.float64)
    return sums[: values.shape[1]]


def known_mean(values: np.ndarray) -> np.ndarray:
    """float64 mean over the first axis that leaves NaN out; NaN where all values are NaN."""
    n_known = (~np.isnan(values)).sum(axis=0)
    total = np.nan_to_num(values).sum(axis=0, dtype=np.float64)
    return np.asarray(total / np.where(n_known > 0, n_known, np.nan))


def midranks(values: np.ndarray) -> np.ndarray:
    """(rows, columns) float64: each value's rank in its row from 1 up, the mean rank for ties.

    The numbers of `scipy.stats.rankdata` in a third of its time; a row with NaN is all NaN.
    """
    n_rows, n_columns = values.shape
    place = np.argsort(values, axis=1)
    place += n_columns * np.arange(n_rows)[:, np.newaxis]
    upwards = np.take(values, place)
    ranks = np.empty(values.shape)
    np.put(ranks, place, np.arange(1.0, n_columns + 1))  # over and over: the same for each row
    is_repeat = np.zeros((n_rows, n_columns + 1), dtype=np.int8)  # of the value before
    is_repeat[:, 1:n_columns] = upwards[:, 1:] == upwards[:, :-1]
    ends = np.flatnonzero(np.diff(is_repeat.ravel()))  # the first and the last of equal values
    (row, first), last = np.divmod(ends[::2], n_columns + 1), ends[1::2] % (n_columns + 1)
    n_equal = last - first + 1
    nth = np.arange(n_equal.sum()) - np.repeat(np.cumsum(n_equal) - n_equal, n_equal)
    tied = place[np.repeat(row, n_equal), np.repeat(first, n_equal) + nth]
    np.put(ranks, tied, np.repeat((first + last) / 2 + 1, n_equal))
    ranks[np.isnan(upwards[:, -1:]).any(axis=1)] = np.nan
    return ranks
