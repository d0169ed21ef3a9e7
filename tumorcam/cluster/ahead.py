"""Results that threads make ready before they are asked for."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], n_ahead: int = 1, n_threads: int = 1
) -> Generator[Result, None, None]:
    """The function's results for all items, in their order, made ahead of the reader.

    An error of the function is raised where the reader comes to its item. Closing the generator
    waits for the threads, so that what they read may be closed then.

    Parameters
    ----------
    items : iterable
        Only the reader's thread takes items from it.
    n_ahead : int
        How many results may wait or be in work.
    """
    items = iter(items)
    with ThreadPoolExecutor(n_threads) as threads:
        waiting = deque(threads.submit(function, item) for item in islice(items, n_ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(threads.submit(function, item) for item in islice(items, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
