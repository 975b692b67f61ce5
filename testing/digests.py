"""A digest function on a table, a topic and a clock in memory, and digests made by hand."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import jsonschema_rs
from botocore.exceptions import ClientError
from msgspec.structs import replace

from jobledger.digest.content import Digest
from jobledger.digest.parts import JobList
from jobledger.digest.run import Dependencies, assemble, run
from jobledger.digest.text import TextOptions
from jobledger.digest.windows import Window
from jobledger.jobs import job_from_service
from jobledger.ledger.job_facts import JobFacts
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import TERMINAL, Family
from jobledger.sns import Notification, Notifier
from jobledger.sources import in_environment
from jobledger.times import rfc3339
from testing.builders import agree
from testing.memory_dynamodb import MemoryDynamoDB, error

SCOPE = "111122223333/eu-central-1"
NOW = datetime(2026, 11, 23, 8, 0, 4, tzinfo=UTC)
REMEMBERED = "remembered"
WINDOW = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}
OF_READERS = {
    "LEDGER_TABLE_NAME": "ledger",
    "FAMILIES": ",".join(Family),
    "IDEMPOTENCY_TABLE_NAME": REMEMBERED,
    "SYNC_MINUTES": "1",
    "POWERTOOLS_TRACE_DISABLED": "1",
    "POWERTOOLS_SERVICE_NAME": "job-ledger",
    "POWERTOOLS_METRICS_NAMESPACE": "JobLedger",
}
"""The variables that the digest function and the API's have in common."""
ENVIRONMENT = OF_READERS | {
    "LEDGER_SCOPE": SCOPE,
    "DIGEST_TOPIC_ARN": "arn:aws:sns:eu-central-1:111122223333:digests",
    "DIGEST_TIMEZONE": "Europe/Zurich",
}


class MemoryTables(MemoryDynamoDB):
    """The ledger's table, and beside it the one in which Powertools remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: dict[str, dict[str, Any]] = {}
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))
        self.meta.events.register_first = self.meta.events.register_last = lambda *_: None

    def get_item(self, **request: Any) -> dict[str, Any]:
        if request["TableName"] != REMEMBERED:
            return super().get_item(**request)
        with self._call("get_remembered"):
            item = self.remembered.get(request["Key"]["id"]["S"])
            return {"Item": dict(item)} if item else {}

    def put_item(self, **request: Any) -> dict[str, Any]:
        """Powertools' put: refused while the key is done, or in progress and not overdue."""
        if request["TableName"] != REMEMBERED:
            return super().put_item(**request)
        item = request["Item"]
        with self._call("put_remembered"):
            known = self.remembered.get(item["id"]["S"])
            if known and not _is_over(known, request["ExpressionAttributeValues"]):
                refused: Any = error("ConditionalCheckFailedException")
                refused.response["Item"] = dict(known)
                raise refused
            self.remembered[item["id"]["S"]] = dict(item)
            return {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        assert request["TableName"] == REMEMBERED
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        with self._call("update_remembered"):
            item = self.remembered.setdefault(request["Key"]["id"]["S"], dict(request["Key"]))
            for assignment in request["UpdateExpression"].removeprefix("SET ").split(", "):
                name, value = assignment.split(" = ")
                item[names[name]] = values[value]
            return {}

    def delete_item(self, **request: Any) -> dict[str, Any]:
        assert request["TableName"] == REMEMBERED
        with self._call("delete_remembered"):
            self.remembered.pop(request["Key"]["id"]["S"], None)
            return {}


def _is_over(item: dict[str, Any], values: dict[str, Any]) -> bool:
    if int(item["expiration"]["N"]) < int(values[":now"]["N"]):
        return True
    until = item.get("in_progress_expiration")
    overdue = until is not None and int(until["N"]) < int(values[":now_in_millis"]["N"])
    return item["status"]["S"] == "INPROGRESS" and overdue


class MemoryTopic:
    """An SNS client that keeps what it takes; `failures` are raised first, one a call (None: none)."""

    def __init__(self) -> None:
        self.tried: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.failures: list[Exception | None] = []
        self.before: Callable[[str], None] = lambda operation: None
        self.after: Callable[[str], None] = lambda operation: None
        self._lock = threading.Lock()

    def publish(self, **request: Any) -> dict[str, Any]:
        self.before("publish")
        with self._lock:
            self.tried.append(request)
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
            self.taken.append(request)
            message_id = f"message-{len(self.taken)}"
        self.after("publish")
        return {"MessageId": message_id}


class Context:
    """What Lambda hands to a handler beside the event, with as much time left as is said."""

    function_name = "api"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:api"
    aws_request_id = "r"

    def __init__(self, milliseconds: int = 300_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


class DigestWorld:
    """The digest function as it is deployed, at a time that moves only when a test moves it."""

    def __init__(
        self,
        *,
        tables: Any = None,
        topic: Any = None,
        sleep: Callable[[float], Any] | None = None,
        now: datetime = NOW,
        **environment: str,
    ) -> None:
        self.environment = ENVIRONMENT | environment
        self.tables = tables or MemoryTables()
        self.topic = topic or MemoryTopic()
        self.now = now
        self.slept = 0.0
        self.sleep = sleep or self._count
        table = Table(self.tables, self.environment["LEDGER_TABLE_NAME"])
        with mock.patch.dict(os.environ, self.environment):
            sources = in_environment()
        self.ledger = Ledger(table, SCOPE, lambda: self.now, sources)
        self.dead: set[str] = set()
        self.dependencies = self.assembled()
        self.agree()

    def assembled(self) -> Dependencies:
        """The dependencies of one execution environment; others see the same tables."""
        with mock.patch.dict(os.environ, self.environment):
            return assemble(self.tables, Notifier(self.topic), lambda: self.now, self.sleep)

    def _count(self, seconds: float) -> None:
        self.slept += seconds

    def agree(self) -> None:
        """The service and the ledger agree now, for every family of every source that is not dead."""
        for source in self.ledger.sources:
            if source not in self.dead:
                agree(self.ledger.of(source), rfc3339(self.now))

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.agree()

    def run(
        self, event: dict[str, Any] | None = None, context: Context | None = None
    ) -> dict[str, Any]:
        """One run; without an event that of the schedule at this time."""
        scheduled = {"ScheduledTime": rfc3339(self.now.replace(second=0, microsecond=0))}
        return run(self.dependencies, scheduled if event is None else event, context or Context())

    def observe(
        self,
        job_id: str,
        status: str,
        family: Family = Family.SNOMEDCT,
        *,
        source: str = SCOPE,
        **more: Any,
    ) -> None:
        """The sync of a source finds a job; without times it was submitted an hour ago, and ended now."""
        properties: dict[str, Any] = {"JobId": job_id, "JobStatus": status}
        properties |= {"SubmitTime": self.now - timedelta(hours=1)} | more
        if status in TERMINAL:
            properties.setdefault("EndTime", self.now)
        job = job_from_service(family, properties)
        assert job is not None
        self.ledger.of(source).record(family, [job], rfc3339(self.now), announce_new=True)


def refusal(code: str, status: int, *, attempts: int = 1) -> ClientError:
    """What botocore raises when SNS answers with an error."""
    metadata = {"HTTPStatusCode": status, "RetryAttempts": attempts - 1}
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": metadata}
    return ClientError(answer, "Publish")


def sent(world: DigestWorld) -> list[dict[str, Any]]:
    """The machines' part of each message that went out."""
    return [json.loads(json.loads(taken["Message"])["default"]) for taken in world.topic.taken]


def place_of(entry: dict[str, Any]) -> str:
    """The source of a digest, of a part of it or of a job."""
    return f"{entry['Account']}/{entry['Region']}"


def windows(world: DigestWorld) -> list[tuple[str, str]]:
    return [(digest["Window"]["Start"], digest["Window"]["End"]) for digest in sent(world)]


def check_schema(digest: dict[str, Any]) -> None:
    """Check that a digest is as docs/digest.schema.json says, with every member."""
    schema = json.loads((Path(__file__).parents[1] / "docs" / "digest.schema.json").read_text())
    jsonschema_rs.validator_for(schema).validate(digest)
    assert digest.keys() | {"Processed", "Sources"} == schema["properties"].keys()


def machine(notification: Notification) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(notification.bodies["default"])
    return said


# Digests made by hand, for what they look like.

ZURICH = TextOptions(
    ZoneInfo("Europe/Zurich"), "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
)
DAY = Window("2026-11-22T06:58:00.000Z", "2026-11-23T06:58:00.000Z")


def ago(hours: float, *, now: datetime | None = None) -> str:
    """A written time that many hours before the digests' own."""
    return rfc3339((now or datetime(2026, 11, 23, 7, 0, 4, tzinfo=UTC)) - timedelta(hours=hours))


def listed(jobs: Iterable[JobFacts], total: int | None = None) -> JobList:
    kept = tuple(jobs)
    return JobList(len(kept) if total is None else total, kept)


def a_digest(**more: Any) -> Digest:
    """A quiet day, and what is said of it otherwise."""
    lists = ("failed", "partial_success", "completed", "active", "long_running", "expiring_soon")
    nothing: dict[str, Any] = dict.fromkeys(lists, JobList(0, ()))
    quiet = Digest(
        scope=SCOPE,
        families=tuple(Family),
        window=DAY,
        now="2026-11-23T07:00:04.000Z",
        as_of="2026-11-23T06:59:31.000Z",
        stale=False,
        covers_gap=False,
        counts=Counter(),
        previous=None,
        totals=Counter(),
        changed_families=(),
        **nothing,
        details={},
    )
    return replace(quiet, **more)


def published(world: DigestWorld) -> dict[str, Any]:
    """The machines' part of the digest that goes out now."""
    world.run({})
    return sent(world)[-1]
