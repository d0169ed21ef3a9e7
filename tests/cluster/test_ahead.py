"""Results that threads make ahead of their reader."""

import threading
from itertools import count

import pytest

from tumorcam.cluster.ahead import ahead


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("n_ahead", [1, 4])
def test_results_keep_their_order(n_threads: int, n_ahead: int) -> None:
    assert [*ahead(lambda i: i * i, range(50), n_ahead, n_threads)] == [i * i for i in range(50)]


def test_no_items_give_no_results() -> None:
    assert [*ahead(abs, [])] == []


def test_at_most_n_ahead_are_made_before_they_are_asked_for() -> None:
    begun = []
    results = ahead(begun.append, count(), n_ahead=3)
    next(results)
    results.close()
    assert len(begun) <= 1 + 3


def test_an_error_is_raised_at_its_item() -> None:
    results = ahead(lambda i: 1 / (3 - i), range(6), n_ahead=6, n_threads=2)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_ends_the_threads() -> None:
    n_before = threading.active_count()
    results = ahead(lambda i: i, count(), n_ahead=2, n_threads=2)
    next(results)
    results.close()
    assert threading.active_count() == n_before
