"""What is odd in the service and in the table, beside the faults on the way: answers, jobs, and rows that a person deletes.

The control paths of the stand-in switch them on. Odd jobs have ids that begin with `ODD`; readers leave them out of lists,
because a job whose submit time changes has another place on each page.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment import ACCOUNT, REGION
from soak.answers import ODD
from soak.evidence import change_in
from soak.place import Place
from soak.verdict import Change
from soak.writer import OPERATIONS

EVERY_SECONDS = 6.0
_DAY = 86_400.0
_LIST = "ComprehendMedicalAsyncJobPropertiesList"
_FOREIGN = ("", "{}", "null", "[]", "<html>Sign in</html>", f'{{"{_LIST}": null}}')
_TOO_LARGE: dict[str, Any] = {
    "Message": "m" * 410_000,
    "ExpirationTime": 1e15,
    "KMSKey": "k" * 10_000,
}
# Each sync lists those of its last hour.
_MOST_TOO_LARGE = 5
ANSWERS, NULLS = "answers of List that were not one", "pages of List with a null"
REFUSED, NOT_FOUND = "Describe refused", "Describe that did not find a job once"
TOO_LARGE, MOVED = "jobs that cannot be stored as they are", "changes of a submit time"
ERASED = "rows of the change log that were deleted"
KINDS = (ANSWERS, NULLS, REFUSED, NOT_FOUND, TOO_LARGE, MOVED, ERASED)


class Oddities:
    """One kind after the other.

    `started` are the odd jobs with their families, `old` those of the first fill, `altered` the properties of a job
    that cannot be stored, `erased` the changes whose rows were deleted, and `counts` how often each kind was met.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._random = random.Random(24)
        self._next = 0.0
        self._table: Any = None
        self._moving: tuple[str, dict[str, Any]] | None = None
        self._unfinished: dict[str, tuple[str, dict[str, Any]]] = {}
        self._bodies = itertools.cycle(_FOREIGN)
        steps = (self._answer, self._move, self._refuse, self._oversize, self._null, self._erase)
        self._steps: itertools.cycle[Callable[[], None]] = itertools.cycle((*steps, self._lose))
        self._given: Counter[str] = Counter()
        self.started: dict[str, str] = {}
        self.old: dict[str, str] = {}
        self.altered: dict[str, tuple[str, ...]] = {}
        self.erased: list[Change] = []
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        """Put a job into each family that is so old that a sync describes it, before the first fill."""
        for family in OPERATIONS:
            self.old[self._put(family, "IN_PROGRESS", ago=100 * _DAY)] = family

    def tick(self, table: str) -> None:
        """Do the next one when it is due."""
        if time.monotonic() < self._next:
            return
        self._table = table
        next(self._steps)()
        self._next = time.monotonic() + EVERY_SECONDS

    def end(self) -> None:
        """End all of it; every odd job ends."""
        self._count_met()
        self._control("reset", {})
        for job_id in list(self._unfinished):
            self._complete(job_id)

    def _answer(self) -> None:
        self._fault(ANSWERS, Operation="List*", Body=next(self._bodies), Count=3)

    def _null(self) -> None:
        self._control("faults", {"NullJobs": 2})
        self._given[NULLS] += 2

    def _refuse(self) -> None:
        self._fault(REFUSED, **self._described(), Error="AccessDeniedException", Count=4)

    def _lose(self) -> None:
        self._fault(NOT_FOUND, **self._described(), Error="ResourceNotFoundException", Count=1)

    def _described(self) -> dict[str, str]:
        return {"Operation": "Describe*", "JobId": self._random.choice(sorted(self.old))}

    def _move(self) -> None:
        """Start a job; then change its submit time; then end it."""
        if self._moving is None:
            family = self._random.choice(list(OPERATIONS))
            job_id = self._put(family, "IN_PROGRESS")
            self.started[job_id] = family
            self._moving = self._unfinished[job_id]
            return
        family, job = self._moving
        self._control("jobs", {"Put": {family: [job | {"SubmitTime": job["SubmitTime"] - 7}]}})
        job["SubmitTime"] -= 7
        self.counts[MOVED] += 1
        if self._random.random() < 0.5:
            self._complete(job["JobId"])
            self._moving = None

    def _oversize(self) -> None:
        if len(self.altered) == _MOST_TOO_LARGE:
            return
        family = self._random.choice(list(OPERATIONS))
        job_id = self._put(family, "SUBMITTED", **_TOO_LARGE)
        self.started[job_id] = family
        self.altered[job_id] = tuple(_TOO_LARGE)
        self.counts[TOO_LARGE] += 1

    def _erase(self) -> None:
        """Delete the oldest row of a family's change log, as the documents tell a person to do."""
        family = self._random.choice(list(OPERATIONS))
        client = self._place.client("dynamodb")
        with contextlib.suppress(ClientError, BotoCoreError):
            rows = client.query(
                TableName=self._table,
                KeyConditionExpression="PK = :log",
                ExpressionAttributeValues={":log": {"S": f"{ACCOUNT}/{REGION}/{family}#changes"}},
                Limit=1,
            )["Items"]
            for row in rows:
                # Before the call: it can be done although its answer is lost.
                self.erased.append(change_in(row))
                client.delete_item(TableName=self._table, Key={at: row[at] for at in ("PK", "SK")})
                self.counts[ERASED] += 1

    def _put(self, family: str, status: str, ago: float = 0.0, **more: Any) -> str:
        job_id = f"{ODD}{len(self.started) + len(self.old):029x}"
        submitted = round(time.time() - ago, 3)
        job = {"JobId": job_id, "JobStatus": status, "SubmitTime": submitted, **more}
        self._control("jobs", {"Put": {family: [job]}})
        self._unfinished[job_id] = family, job
        return job_id

    def _complete(self, job_id: str) -> None:
        family, job = self._unfinished.pop(job_id)
        ended = {"JobStatus": "COMPLETED", "EndTime": round(time.time(), 3)}
        self._control("jobs", {"Put": {family: [job | ended]}})

    def _fault(self, kind: str, **fault: Any) -> None:
        self._control("faults", {**fault, "Message": kind})
        self._given[kind] += fault["Count"]

    def _count_met(self) -> None:
        left = self._place.stand_in("faults")
        met = Counter(self._given)
        for fault in left["Pending"]:
            met[fault["Message"]] -= fault["Count"]
        met[NULLS] -= left["NullJobs"]
        self.counts += met

    def _control(self, path: str, body: Mapping[str, Any]) -> None:
        url = f"{self._place.stand_in_endpoint}/_control/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=60).close()
