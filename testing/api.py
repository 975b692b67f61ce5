"""The API in this process: its handler as Lambda calls it, on a ledger in memory."""

import base64
import gzip
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest import mock

from msgspec.structs import replace

from jobledger.api import deployment, keyed_traversals
from jobledger.api.keyed_traversals import KeyedTraversals
from jobledger.handlers import api
from jobledger.jobs import Job, job_from_service
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.observability import logger
from jobledger.service import Family
from jobledger.times import rfc3339
from testing import digests
from testing.builders import NOW, SCOPE, agree
from testing.digests import OF_READERS, REMEMBERED, MemoryTables
from testing.memory_dynamodb import MemoryDynamoDB

REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
ENVIRONMENT = OF_READERS | {
    "LEDGER_SCOPE": SCOPE,
    "SYNC_FUNCTION_NAME": "sync",
    "DIGEST_FUNCTION_NAME": "digest",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}


class Context(digests.Context):
    """What Lambda passes beside the event, with the time for which API Gateway waits."""

    def __init__(self, milliseconds: int = 29_000) -> None:
        super().__init__(milliseconds)


@dataclass(frozen=True)
class Answer:
    """What API Gateway makes of the handler's answer, for a client that can read gzip."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    """As it goes over the wire."""

    @property
    def body(self) -> str:
        zipped = self.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(self.content) if zipped else self.content).decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        found: list[dict[str, Any]] = self.json["ComprehendMedicalAsyncJobPropertiesList"]
        return found

    @property
    def wrong(self) -> dict[str, str]:
        """What a 400 says of each parameter."""
        assert self.status == 400, self.body
        return {error["parameter"]: error["allowed"] for error in self.json["errors"]}


class Api:
    """The handler on one database. `ask` is what the other functions are asked with."""

    def __init__(self, database: MemoryDynamoDB, sources: tuple[str, ...] = ()) -> None:
        self.database = database
        self.now = NOW
        self.ledger = Ledger(Table(database, "ledger"), SCOPE, lambda: self.now, sources)
        self.context = Context()
        self.idempotency = MemoryTables()
        self.slept = 0.0
        self.traversals = KeyedTraversals(self.idempotency, REMEMBERED, self.sleep)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer_of_function: Any = {}

    def call(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Send one request; a list in the query is a parameter that is repeated."""
        repeated = {
            name: [str(text) for text in (value if isinstance(value, list) else [value])]
            for name, value in (query or {}).items()
        }
        return self.send(event(path, repeated, method=method, headers=headers, body=body))

    def send(self, request: dict[str, Any]) -> Answer:
        """Hand an event of API Gateway to the handler."""
        return answer_of(api.handler(request, self.context))

    def get(self, path: str = "/jobs", **query: object) -> Answer:
        return self.call(path, query)

    def pages(self, key: str | None = None, **query: object) -> Iterator[Answer]:
        """Yield page after page of the list; the first request carries the idempotency key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        yield (answer := self.call("/jobs", query, headers=headers))
        while token := answer.json.get("NextToken"):
            yield (answer := self.call("/jobs", {**query, "NextToken": token}))

    def traverse(self, key: str | None = None, **query: object) -> Iterator[list[dict[str, Any]]]:
        """Yield the jobs of each page."""
        return (page.jobs for page in self.pages(key, **query))

    def ids(self, key: str | None = None, **query: object) -> list[str]:
        """Return the ids of the jobs of all pages."""
        return [job["JobId"] for jobs in self.traverse(key, **query) for job in jobs]

    def fill(
        self,
        *jobs: Mapping[str, Any],
        family: Family = Family.SNOMEDCT,
        source: str | None = None,
    ) -> list[Job]:
        """Record jobs as the service would list them; without `source`, those of the deployment's own."""
        listed = [job for job in (job_from_service(family, each) for each in jobs) if job]
        ledger = self.ledger.of(source or SCOPE)
        made = [replace(job, source=ledger.member) for job in listed]
        ledger.record(family, made, rfc3339(self.now), announce_new=False)
        return made

    def mark_synced(
        self, families: Iterable[Family] = Family, as_of: datetime | None = None
    ) -> None:
        """Note that the ledger agrees with the service."""
        agree(self.ledger, rfc3339(as_of or self.now), families)

    def its_ledger(self) -> Ledger:
        """Stand in for `deployment.ledger`."""
        return self.ledger

    def its_time(self) -> datetime:
        """Stand in for `deployment.now`."""
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def function(self, variable: str) -> Any:
        """Stand in for `deployment.function`."""

        def ask(payload: Mapping[str, Any]) -> Any:
            self.asked.append((variable, payload))
            answer = self.answer_of_function
            if isinstance(answer, Exception):
                raise answer
            return answer(payload) if callable(answer) else answer

        return ask


@contextmanager
def running_api(
    database: MemoryDynamoDB | None = None, sources: tuple[str, ...] = ()
) -> Iterator[Api]:
    """The handler, with a database in memory behind it and a clock that stands still."""
    made = Api(database or MemoryDynamoDB(), sources)
    with (
        mock.patch.dict("os.environ", ENVIRONMENT),
        mock.patch.object(deployment, "ledger", made.its_ledger),
        mock.patch.object(deployment, "function", made.function),
        mock.patch.object(deployment, "now", made.its_time),
        mock.patch.object(keyed_traversals, "keyed_traversals", return_value=made.traversals),
    ):
        yield made


@contextmanager
def logged_lines() -> Iterator[list[str]]:
    """Every line that the functions log meanwhile, at every level, as it goes to the log."""
    lines: list[str] = []
    (own,) = logger.handlers
    assert own.formatter
    as_logged = own.formatter.format

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(as_logged(record))

    keep, level = Keep(), logger.log_level
    logger.setLevel("DEBUG")
    logger.addHandler(keep)
    yield lines
    logger.handlers.remove(keep)
    logger.setLevel(level)


def event(
    path: str,
    query: Mapping[str, list[str]] | None = None,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> dict[str, Any]:
    """What API Gateway's REST proxy integration sends."""
    sent = dict(headers or {})
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": sent or None,
        "multiValueHeaders": {name: [value] for name, value in sent.items()} or None,
        "queryStringParameters": {name: texts[-1] for name, texts in (query or {}).items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": REQUEST_ID,
            "stage": "v1",
            "path": f"/v1{path}",
            "httpMethod": method,
        },
        "body": None if body is None else base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": body is not None,
    }


def answer_of(response: Mapping[str, Any]) -> Answer:
    body = response["body"]
    content = base64.b64decode(body) if response["isBase64Encoded"] else body.encode()
    headers = {name: ", ".join(values) for name, values in response["multiValueHeaders"].items()}
    return Answer(response["statusCode"], headers, content)
