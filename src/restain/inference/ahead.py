"""Work done ahead in threads, in order: the device need not wait for the disk."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

READERS = 2
"""Threads: decoding a tile takes about 5 ms, less than any network."""


def ahead(work: Callable[[A], B], items: Iterable[A]) -> Iterator[tuple[A, B]]:
    """Yield each item with its result, in order, while threads work on the next ones.

    At most one item more than there are threads is in memory beside the one that was yielded. An exception of ``work``
    is raised where its result is due.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="restain-read") as threads:
        waiting: deque[tuple[A, Future[B]]] = deque()
        try:
            for item in items:
                waiting.append((item, threads.submit(work, item)))
                if len(waiting) > READERS:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
