"""What the reads of a ledger cost: through botocore, answered by a table in this process. Runs on the built bundle.

The processor time is that of the handler with AWS's client: the table's is subtracted.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from bench.alone import Context, Raw
from bench.events import SCOPE, request
from bench.large_table import LargeTable
from jobledger.api import deployment
from jobledger.clients import session
from jobledger.handlers import api
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import CONFIG, Table

REPEATS = 200
WIRES: dict[str, "Wire"] = {}
_SLOW_SECONDS = 0.05


class Wire:
    """Answers the requests of a botocore client from a table, and counts calls, rows and its own processor time."""

    def __init__(self, table: LargeTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._delay = 0.0
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.seconds, self.calls, self.rows = 0.0, 0, 0
        self._times: list[tuple[float, float]] = []

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Let each answer take so long that requests which are sent side by side overlap."""
        self._delay = _SLOW_SECONDS
        yield
        self._delay = 0.0

    def send(self, asked: Any) -> AWSResponse:
        """Answer one request."""
        sent, began = time.monotonic(), time.thread_time()
        operation = asked.headers["X-Amz-Target"].decode().partition(".")[2]
        parameters = json.loads(asked.body)
        parameters.pop("ClientRequestToken", None)
        answer = getattr(self._table, xform_name(operation))(**parameters)
        rows = answer.get("ScannedCount", 0) + ("Item" in answer)
        rows += sum(map(len, answer.get("Responses", {}).values()))
        body = Raw(json.dumps(answer).encode())
        if self._delay:
            time.sleep(self._delay)
        with self._lock:
            self.calls += 1
            self.rows += rows
            self._times.append((sent, time.monotonic()))
            self.seconds += time.thread_time() - began
        return AWSResponse(asked.url, 200, {}, body)

    def in_turn(self) -> int:
        """Return how many of the requests were sent one after the other, each when the one before was answered."""
        chain, answered = 0, 0.0
        for sent, end in sorted(self._times, key=lambda times: times[1]):
            if sent >= answered:
                chain, answered = chain + 1, end
        return chain


class ReadLedger:
    """A ledger in a large table, at a time that its measures set."""

    def __init__(self, path: Path, now: datetime, sources: tuple[str, ...] = ()) -> None:
        self.now = now
        self.table = LargeTable(path)
        self.wire = Wire(self.table)
        endpoint = f"http://{path.name}.invalid"
        WIRES[endpoint] = self.wire
        client = session().create_client("dynamodb", config=CONFIG, endpoint_url=endpoint)
        self.ledger = Ledger(Table(client, "ledger"), SCOPE, lambda: self.now, sources)

    def call(self, path: str, **query: object) -> None:
        """Let the API's handler answer a request from this ledger."""
        setattr(deployment, "ledger", lambda: self.ledger)  # noqa: B010 - mypy refuses the assignment
        setattr(deployment, "now", lambda: self.now)  # noqa: B010 - as above
        answer = api.handler(request(path, **query), Context())
        assert answer["statusCode"] == 200, answer


AnyLedger = TypeVar("AnyLedger", bound=ReadLedger)


class Cost(NamedTuple):
    """What one read costs."""

    calls: int
    rows: int
    milliseconds: float


def answer_from_tables() -> None:
    """Let every client of this process be answered by the wire of its endpoint."""
    URLLib3Session.send = lambda _, asked: WIRES[asked.url.rstrip("/")].send(asked)


def costs(
    ledgers: Sequence[AnyLedger], read: Callable[[AnyLedger], None], repeats: int = REPEATS
) -> list[Cost]:
    """Return what a read costs in each ledger; they take turns, so that all meet the same machine."""
    seconds: list[list[float]] = [[] for _ in ledgers]
    for _ in range(repeats):
        for ledger, spent in zip(ledgers, seconds, strict=True):
            ledger.wire.reset()
            began = time.process_time()
            read(ledger)
            spent.append(time.process_time() - began - ledger.wire.seconds)
    return [
        Cost(ledger.wire.calls, ledger.wire.rows, median(spent) * 1000)
        for ledger, spent in zip(ledgers, seconds, strict=True)
    ]
