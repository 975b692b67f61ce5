"""50 readers of the API: `python -m soak.readers URL FILE` reads until SIGTERM, then writes what it saw.

Each reader goes through lists, by key and by filter, and reads summaries, CSV pages and single jobs, and checks
each answer with `soak.answers`.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.comprehend_medical.families import Family
from soak import answers
from soak.answers import JOBS, ODD, RANKS
from soak.calls import Api, Failure, NoAnswer, Record

READERS = 50
# The emulator starts a process for each concurrent call, on the machine that runs everything else.
ARRIVING_SECONDS = 90.0
THINKING_SECONDS = (4.0, 12.0)
RETRY_SECONDS = (10.0, 40.0)
FAMILIES = (*(family.value for family in Family), "ALL")
STATUSES = tuple(RANKS)
_WRITE_SECONDS = 5.0


class Reader:
    """One reader, with a memory of what it has read."""

    def __init__(self, api: Api, seed: int) -> None:
        self._api = api
        self._random = random.Random(seed)
        self._known: dict[str, set[str]] = {}
        self._ranks: dict[str, int] = {}
        self._total = 0
        self._header: list[str] = []

    def read_until(self, stopped: threading.Event) -> None:
        """Read and think in turn."""
        kinds = [
            self.traversal,
            self.traversal_by_key,
            self.summary,
            self.csv,
            self.job,
            self.consistent,
        ]
        kinds += [self.traversal, self.job]
        pause = self._random.uniform(0, ARRIVING_SECONDS)
        while not stopped.wait(pause):
            pause = self._random.uniform(*THINKING_SECONDS)
            kind = self._random.choice(kinds)
            began = datetime.now(UTC).timestamp()
            try:
                problem = kind()
            except NoAnswer:
                pause = self._random.uniform(*RETRY_SECONDS)
                continue
            except Exception as error:
                # An answer without a member that every answer has.
                problem = f"{kind.__name__}: {type(error).__name__} in an answer"
            self._api.record.done(kind.__name__)
            if problem:
                ended = datetime.now(UTC).timestamp()
                self._api.record.failed(Failure(began, ended, problem, 200))

    def traversal(self) -> str | None:
        """Read all pages of a list."""
        query = self._query()
        jobs = self._pages(query)
        for job in jobs:
            self._remember(job)
        if query.keys() != {"Family"}:
            return answers.traversal_problem(jobs, query, ())
        known = self._known.setdefault(query["Family"], set())
        problem = answers.traversal_problem(jobs, query, known)
        known.update(str(job["JobId"]) for job in jobs)
        return problem

    def traversal_by_key(self) -> str | None:
        """Read a list twice by one key, with pages of other sizes."""
        query = {"Family": self._random.choice(FAMILIES[:-1])}
        key = uuid.uuid4().hex
        first = self._pages(query, key)
        return answers.same_traversal_problem(first, self._pages(query, key))

    def summary(self) -> str | None:
        """Read the totals of all families."""
        summary, _ = self._api.get("/summary", {"Family": "ALL"})
        problem = answers.summary_problem(summary, self._total)
        self._total = max(self._total, summary["Total"])
        return problem

    def csv(self) -> str | None:
        """Read a page as CSV."""
        query = {**self._query(), "Format": "csv", "MaxResults": self._random.randint(1, 500)}
        text, _ = self._api.get("/jobs", query)
        problem = answers.csv_problem(text, self._header)
        self._header = self._header or text.split("\r\n", 1)[0].replace('"', "").split(",")
        return problem

    def job(self) -> str | None:
        """Read a job that a list had."""
        if not self._ranks:
            return None
        job_id = self._random.choice(list(self._ranks)[-200:])
        answer, _ = self._api.get(f"/jobs/{job_id}", {})
        problem = answers.description_problem(answer, job_id, self._ranks[job_id])
        self._remember(answer["ComprehendMedicalAsyncJobProperties"])
        return problem

    def consistent(self) -> str | None:
        """Read a page after a sync."""
        asked = datetime.now(UTC)
        family = self._random.choice(FAMILIES[:-1])
        query = {"Family": family, "ConsistentRead": "true", "MaxResults": 10}
        answer, _ = self._api.get("/jobs", query)
        return answers.consistent_problem(answer, asked)

    def _query(self) -> dict[str, Any]:
        query: dict[str, Any] = {"Family": self._random.choice(FAMILIES)}
        if self._random.random() < 0.3:
            query["JobStatus"] = self._random.choice(STATUSES)
        if self._random.random() < 0.3:
            after = datetime.now(UTC) - timedelta(minutes=self._random.choice((2, 60, 30_000)))
            query["SubmitTimeAfter"] = after.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        if self._random.random() < 0.1:
            query["JobNamePrefix"] = "soak"
        return query

    def _pages(self, query: dict[str, Any], key: str | None = None) -> list[Any]:
        jobs: list[Any] = []
        token: dict[str, Any] = {}
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            size = {"MaxResults": self._random.choice((100, 250, 500))}
            page, _ = self._api.get("/jobs", {**query, **size, **token}, **headers)
            jobs += [job for job in page[JOBS] if not job["JobId"].startswith(ODD)]
            if "NextToken" not in page:
                return jobs
            token, headers = {"NextToken": page["NextToken"]}, {}

    def _remember(self, job: Any) -> None:
        rank = RANKS[job["JobStatus"]]
        self._ranks[job["JobId"]] = max(rank, self._ranks.pop(job["JobId"], 0))


def write(record: Record, file: Path) -> None:
    """Write what was seen so far, in one step."""
    seen = {
        "Statuses": {str(status): count for status, count in record.statuses.items()},
        "Kinds": dict(record.kinds),
        "Seconds": [round(seconds, 4) for seconds in record.seconds],
        "Failures": [asdict(failure) for failure in record.failures],
    }
    new = file.with_suffix(".new")
    new.write_text(json.dumps(seen))
    new.replace(file)


def main(url: str, file: Path) -> None:
    """Read until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    record = Record()
    readers = [Reader(Api(url, record), seed) for seed in range(READERS)]
    threads = [threading.Thread(target=r.read_until, args=(stopped,), daemon=True) for r in readers]
    for thread in threads:
        thread.start()
    while not stopped.wait(_WRITE_SECONDS):
        write(record, file)
    for thread in threads:
        thread.join()
    write(record, file)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
