"""Bursts of faults between the sync and Comprehend Medical, by the proxy microburst."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

EVERY_SECONDS = 20.0
BURST_SECONDS = 8.0
BURSTS: tuple[Mapping[str, Any], ...] = (
    {"error": {"code": "TooManyRequestsException", "status": 400}, "probability": 0.8},
    {"reset": True, "probability": 0.5},
    {"error": {"code": "InternalServerException", "status": 500}, "probability": 0.7},
    {"timeout_ms": 10_000, "probability": 0.3},
    {"error": {"code": "TooManyRequestsException", "status": 429}},
    {"response": {"abort_frac": 0.5}, "probability": 0.5},
    {"error": {"code": "ServiceUnavailableException", "status": 503}, "probability": 0.7},
    {"latency": {"min": 500, "max": 3000}},
)
_COUNT = re.compile(r'^microburst_faults_total\{.*action="([^"]*)"\} (\d+)$', re.MULTILINE)


class Bursts:
    """One kind of fault after the other, each for a while, with a pause between them."""

    def __init__(self, endpoint: str) -> None:
        self._control = f"{endpoint}/_microburst"
        self._next = time.monotonic()
        self.number = 0

    def tick(self) -> None:
        """Begin the next burst when it is due; it ends by itself."""
        if time.monotonic() < self._next:
            return
        burst = BURSTS[self.number % len(BURSTS)]
        self._rules([{**burst, "service": "*", "ttl_s": BURST_SECONDS}])
        self.number += 1
        self._next = time.monotonic() + EVERY_SECONDS

    def end(self) -> None:
        """End all faults."""
        self._rules([])

    def counts(self) -> Counter[str]:
        """Return how many faults there were, by what was done to the call."""
        with urllib.request.urlopen(f"{self._control}/metrics", timeout=60) as answer:
            return counts_in(answer.read().decode())

    def _rules(self, rules: list[Mapping[str, Any]]) -> None:
        request = urllib.request.Request(
            f"{self._control}/rules",
            json.dumps(rules).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=60).close()


def counts_in(metrics: str) -> Counter[str]:
    """Return the faults that microburst's metrics count, by action."""
    counts: Counter[str] = Counter()
    for action, number in _COUNT.findall(metrics):
        # Each delay has an action of its own: "latency:1224ms".
        counts[re.sub(r":\d+ms$", "", action)] += int(number)
    return counts
