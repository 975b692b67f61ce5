"""Calls of the deployed API over HTTP, and what is recorded of each."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONNECTION_LOST = 0
SECONDS = 60


class NoAnswer(Exception):
    """A call had another status than 200. It is recorded already; the reader begins something else."""


@dataclass(frozen=True)
class Failure:
    """A call that failed, or an answer that is wrong (its status is 200). Times are epoch seconds.

    `retry_after` says whether the answer had the header; `own` whether it came from the function and not
    from the emulator.
    """

    began: float
    ended: float
    what: str
    status: int
    retry_after: bool = False
    own: bool = False


@dataclass
class Record:
    """What all readers of a process have seen, in any thread."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, status: int, seconds: float) -> None:
        """Record the end of one call."""
        with self._lock:
            self.statuses[status] += 1
            if status == http.HTTPStatus.OK:
                self.seconds.append(seconds)

    def done(self, kind: str) -> None:
        """Record that a reader has checked something of this kind."""
        with self._lock:
            self.kinds[kind] += 1

    def failed(self, failure: Failure) -> None:
        """Record a failure."""
        with self._lock:
            self.failures.append(failure)


@dataclass(frozen=True)
class Api:
    """The API as one reader calls it. The emulator wants any Authorization header, and does not check it."""

    url: str
    record: Record

    def get(self, path: str, query: Mapping[str, Any], **headers: str) -> tuple[Any, str]:
        """Return the body and its Link header. Raises NoAnswer after recording why."""
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, headers={"Authorization": "soak", **headers})
        began = time.time()
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                body, link = answer.read(), answer.headers.get("Link", "")
                status = answer.status
        except urllib.error.HTTPError as error:
            with error:
                own = b"urn:request:" in _body(error)
            self._fail(began, path, error.code, "Retry-After" in error.headers, own)
        except (OSError, http.client.HTTPException) as error:
            self._fail(began, f"{path}: {type(error).__name__}", CONNECTION_LOST)
        self.record.call(status, time.time() - began)
        csv = query.get("Format") == "csv"
        return (body.decode() if csv else json.loads(body)), link

    def _fail(
        self, began: float, what: str, status: int, retry_after: bool = False, own: bool = False
    ) -> None:
        ended = time.time()
        self.record.call(status, ended - began)
        # The path of a job has its id, which says nothing here.
        what = "/jobs/{JobId}" if what.startswith("/jobs/") else what
        self.record.failed(Failure(began, ended, what, status, retry_after, own))
        raise NoAnswer


def _body(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read()
    except (OSError, http.client.HTTPException):
        return b""
