"""Reads that do not depend on each other, at once: their time is that of the longest."""

from collections.abc import Callable
from typing import Any


def side_by_side(*reads: Callable[[], Any]) -> list[Any]:
    """Return the results of some reads, in their order. The first error is raised when all have ended."""
    if len(reads) < 2:
        return [read() for read in reads]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(reads)) as pool:
        return [found.result() for found in [pool.submit(read) for read in reads]]
