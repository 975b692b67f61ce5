"""Stops long work while there is still time to respond."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from jobledger.errors import TooMuchToSummarise

_TO_RESPOND = timedelta(seconds=3)


def time_check(context: Any, now: Callable[[], datetime]) -> Callable[[], None]:
    """Return a function that raises TooMuchToSummarise when the invocation's time is nearly over."""
    remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
    deadline = now() + remaining - _TO_RESPOND

    def check() -> None:
        if now() >= deadline:
            raise TooMuchToSummarise

    return check
