"""A first fill of 100,000 jobs, beside its 200 List calls alone. Runs on the built bundle.

    python -m bench.fill ENDPOINT [limited]

Prints one JSON object. The ledger's table accepts everything and keeps the state only, and nothing waits for
the shared rate limit, so that the fill's own work is what is measured. With `limited`, it is the table of the
endpoint (`bench/limits.py`), through botocore: then the time that DynamoDB's limits take is measured.
"""

import json
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobledger.clients import session
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import CONFIG as TABLE_CONFIG
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import Sync

SCOPE = "111122223333/us-east-1"


class Accepting:
    """A table's client that keeps the rows of the sync's state; `seconds` is the time spent in it."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}

    def get_item(self, *, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - botocore's name
        """Return a row of the state."""
        found = self._states.get(Key["SK"]["S"])
        return {"Item": found} if found else {}

    def batch_get_item(self, **_: Any) -> dict[str, Any]:
        """Return no row: every job is new."""
        return {"Responses": {}}

    def query(self, **_: Any) -> dict[str, Any]:
        """Return no row."""
        return {"Items": []}

    def put_item(self, *, Item: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - as above
        """Accept a row of the state, or of the pace."""
        self._states[Item["SK"]["S"]] = Item
        return {}

    def transact_write_items(self, *, TransactItems: Any) -> dict[str, Any]:  # noqa: N803 - as above
        """Accept all rows."""
        return {}


def main(endpoint: str) -> None:
    """Fill, and measure the processor time and the memory."""
    client = session().create_client("comprehendmedical", endpoint_url=endpoint, config=CONFIG)
    ledger = Ledger(Table(Accepting(), "ledger"), SCOPE, _now)
    upstream = Upstream(client)
    before = _resident_mib()
    began = time.process_time()
    done = Sync(Family.SNOMEDCT, upstream, ledger, _now, reconcile=False).run()
    seconds = time.process_time() - began
    assert (done.error, done.observed) == (None, 100_000), done
    growth = _resident_mib("VmHWM") - before
    print(json.dumps({"calls": done.upstream_calls, "seconds": seconds, "growth_mib": growth}))


def main_limited(endpoint: str) -> None:
    """Fill, and measure the time and what was written."""
    client = session().create_client("comprehendmedical", endpoint_url=endpoint, config=CONFIG)
    table = session().create_client("dynamodb", endpoint_url=endpoint, config=TABLE_CONFIG)
    ledger = Ledger(Table(table, "ledger"), SCOPE, _now)
    began = time.monotonic()
    done = Sync(Family.SNOMEDCT, Upstream(client), ledger, _now, reconcile=False).run()
    seconds = time.monotonic() - began
    assert done.error is None, done
    asked = urllib.request.Request(endpoint, b"{}", {"X-Amz-Target": "Bench.Units"})
    with urllib.request.urlopen(asked) as answer:
        print(json.dumps({"jobs": done.observed, "seconds": seconds, **json.load(answer)}))


def _now() -> datetime:
    return datetime.now(UTC)


def _resident_mib(name: str = "VmRSS") -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (size,) = (line for line in lines if line.startswith(name))
    return int(size.split()[1]) / 1024


if __name__ == "__main__":
    (main_limited if sys.argv[2:] else main)(sys.argv[1])
