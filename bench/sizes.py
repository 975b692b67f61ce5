"""How reads and processor time depend on the size of the ledger. Runs on the built bundle.

    python -m bench.sizes SIZE…

For each size it prints one JSON object. The processor time is that of the handler with AWS's client: the table's
is subtracted.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from bench.alone import Raw
from bench.events import request
from bench.large_table import LargeTable
from jobledger.api import deployment
from jobledger.clients import session
from jobledger.digest.content import DigestReader
from jobledger.digest.windows import Window
from jobledger.handlers import api
from jobledger.jobs import Job, job_from_service
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import CONFIG, Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.bulk import bulk_rows

SCOPE = "111122223333/us-east-1"
FAMILY = Family.SNOMEDCT
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
CHANGES = 100
ACTIVE = 4
REPEATS = 200
# The fractional parts of this number's multiples are spread evenly, however many there are.
_GOLDEN = 0.618_033_988_749_895
WIRES: dict[str, "Wire"] = {}


class Wire:
    """Answers the requests of a botocore client from a table, and counts calls, rows and its own processor time."""

    def __init__(self, table: LargeTable) -> None:
        self._table = table
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.seconds, self.calls, self.rows = 0.0, 0, 0

    def send(self, asked: Any) -> AWSResponse:
        """Answer one request."""
        began = time.thread_time()
        operation = asked.headers["X-Amz-Target"].decode().partition(".")[2]
        parameters = json.loads(asked.body)
        parameters.pop("ClientRequestToken", None)
        answer = getattr(self._table, xform_name(operation))(**parameters)
        self.calls += 1
        self.rows += answer.get("ScannedCount", 0) + ("Item" in answer)
        self.rows += sum(map(len, answer.get("Responses", {}).values()))
        body = Raw(json.dumps(answer).encode())
        self.seconds += time.thread_time() - began
        return AWSResponse(asked.url, 200, {}, body)


class Sized:
    """A ledger with a number of jobs, spread over the same three years whatever their number."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.active = ACTIVE
        table = LargeTable(path)
        self.wire = Wire(table)
        self.now = NOW - timedelta(minutes=30)
        endpoint = f"http://{size}.invalid"
        WIRES[endpoint] = self.wire
        client = session().create_client("dynamodb", config=CONFIG, endpoint_url=endpoint)
        self.ledger = Ledger(Table(client, "ledger"), SCOPE, lambda: self.now)
        jobs = (_old_job(number, size) for number in range(size))
        table.insert(bulk_rows(self.ledger, FAMILY, jobs))
        self._change()
        self.now = NOW

    def _change(self) -> None:
        """Let a hundred jobs change their status within the digest's window; some of them are active."""
        jobs = [_new_job(number) for number in range(CHANGES)]
        self.ledger.record(FAMILY, jobs, rfc3339(self.now), announce_new=True)
        version = self.ledger.state(FAMILY).version
        state = SyncState(as_of=rfc3339(NOW), counted=LAYOUT, version=version)
        assert self.ledger.save_state(FAMILY, state)

    def submit_long_running(self) -> None:
        """Record a job that has been active for two days, with which recent durations are compared."""
        job = _job(CHANGES, NOW - timedelta(days=2), JobStatus="IN_PROGRESS")
        self.ledger.record(FAMILY, [job], rfc3339(self.now), announce_new=False)
        self.active += 1

    def call(self, path: str) -> None:
        """Let the API's handler answer a request from this ledger."""
        setattr(deployment, "ledger", lambda: self.ledger)  # noqa: B010 - mypy refuses the assignment
        setattr(deployment, "now", lambda: self.now)  # noqa: B010 - as above
        assert api.handler(request(path), _Context())["statusCode"] == 200

    def digest(self) -> None:
        """Read the contents of a digest."""
        window = Window(rfc3339(NOW - timedelta(hours=1)), rfc3339(NOW - timedelta(minutes=2)))
        reader = DigestReader(self.ledger, (FAMILY,), sync_minutes=1, include_details=False)
        found = reader.read(window, NOW, first_start=None, covers_gap=False)
        assert (found.counts.total(), found.active.total) == (CHANGES, self.active)


class _Context:
    function_name = "api"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:api"
    aws_request_id = "r"

    def get_remaining_time_in_millis(self) -> int:
        """Return more time than the API has."""
        return 10_000_000


def _old_job(number: int, size: int) -> Job:
    """Return one of the jobs that ended, oldest first. Their durations are alike at every size."""
    submitted = NOW - timedelta(days=2) - SPAN * (1 - number / size)
    seconds = 60 + 3_000 * (number * _GOLDEN % 1)
    return _job(10_000 + number, submitted, seconds, JobStatus="COMPLETED")


def _new_job(number: int) -> Job:
    submitted = NOW - timedelta(minutes=40, seconds=number)
    if number < ACTIVE:
        return _job(number, submitted, JobStatus="SUBMITTED")
    return _job(number, submitted, 60, JobStatus="FAILED")


def _job(number: int, submitted: datetime, seconds: float | None = None, **more: Any) -> Job:
    ended = {} if seconds is None else {"EndTime": submitted.timestamp() + seconds}
    job = job_from_service(
        FAMILY,
        {
            "JobId": f"{number:032x}",
            "JobName": f"nightly-{number % 50}",
            "SubmitTime": submitted.timestamp(),
            "ExpirationTime": submitted.timestamp() + 120 * 86_400,
            "InputDataConfig": {"S3Bucket": "notes", "S3Key": "in/"},
            "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/"},
            "LanguageCode": "en",
            "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
            "ModelVersion": "3.0.0",
            **ended,
            **more,
        },
    )
    assert job is not None
    return job


def costs(ledgers: list[Sized], read: Callable[[Sized], None]) -> list[dict[str, float]]:
    """Return what a read costs in each ledger; they take turns, so that all meet the same machine."""
    seconds: list[list[float]] = [[] for _ in ledgers]
    for _ in range(REPEATS):
        for ledger, spent in zip(ledgers, seconds, strict=True):
            ledger.wire.reset()
            began = time.process_time()
            read(ledger)
            spent.append(time.process_time() - began - ledger.wire.seconds)
    return [
        {
            "calls": ledger.wire.calls,
            "rows": ledger.wire.rows,
            "milliseconds": median(spent) * 1000,
        }
        for ledger, spent in zip(ledgers, seconds, strict=True)
    ]


def measures(sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Fill a ledger of each size, and measure its reads."""
    URLLib3Session.send = lambda _, asked: WIRES[asked.url.rstrip("/")].send(asked)
    with tempfile.TemporaryDirectory() as folder:
        ledgers = [Sized(Path(folder) / f"{size}", size) for size in sizes]
        found = {
            "summary": costs(ledgers, lambda ledger: ledger.call("/summary")),
            "page": costs(ledgers, lambda ledger: ledger.call("/jobs")),
            "digest": costs(ledgers, Sized.digest),
        }
        for ledger in ledgers:
            ledger.submit_long_running()
        found["long_running"] = costs(ledgers, Sized.digest)
    for number, size in enumerate(sizes):
        yield {"jobs": size, **{name: each[number] for name, each in found.items()}}


if __name__ == "__main__":
    for measured in measures([int(text) for text in sys.argv[1:]]):
        print(json.dumps(measured), flush=True)
