"""Work done in threads, in order, while the caller goes on: a device need not wait for disks and neighbours."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ahead(work: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """Yield the result of each item, in order, while threads work on the next ones.

    The items are taken in the caller's thread. At most ``threads`` results wait beside the one that was yielded. An
    exception of ``work`` is raised where its result is due.

    Args:
        work: what to do with an item. With one thread it may keep a state: it is called in order.
        items: taken one by one, ``threads`` ahead.
        threads: how many.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="restain-ahead") as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for result in waiting:
                result.cancel()
