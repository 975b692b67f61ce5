"""What a month of a deployment requests, counted while the real code runs on a metered table.

An hour of one-minute syncs over all families is simulated against the stand-in, with jobs that take five
minutes, and then a full walk, a page and a digest. Counts per hour, walk, page and digest are multiplied.
"""

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

# The Tracer and the Metrics read these when their module is imported.
os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "1")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "job-ledger")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "JobLedger")

from jobledger.api.listing import list_jobs
from jobledger.clients import session
from jobledger.digest.content import DigestReader
from jobledger.digest.windows import Window
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.observability import logger
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.pace import Pace
from jobledger.sync.run import sync_families
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.times import rfc3339
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Hostility, Server
from testing.metered_dynamodb import Metered

HOURS = 730
DAYS = 30
SYNCS = 43_200
API_CALLS = 100_000
PAGE = 100
# The shortest time after which the service's examples delete a job.
LISTED_DAYS = 120
_JOB_MINUTES = 5
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
_SCOPE = "111122223333/us-east-1"
# What each line has of the invocation, in its length (Powertools' inject_lambda_context).
_LAMBDA_KEYS: dict[str, Any] = {
    "cold_start": False,
    "function_name": "JobLedger-SyncFunction0123ABCD-ABCDEFGHIJKL",
    "function_memory_size": "512",
    "function_arn": f"arn:aws:lambda:us-east-1:111122223333:function:{'x' * 43}",
    "function_request_id": "00000000-0000-0000-0000-000000000000",
    "correlation_id": "00000000-0000-0000-0000-000000000000",
    "xray_trace_id": "1-00000000-000000000000000000000000",
}


@dataclass(frozen=True)
class Month:
    """The counts of a month: DynamoDB's request units and bytes, log bytes, metrics and status changes."""

    jobs: int
    reads: float
    writes: float
    stored_bytes: float
    sync_log_bytes: float
    sync_metrics: int
    changes: int
    walk_reads: float = 0.0
    """The part of `reads` that full walks and recounts take."""


@cache
def month(jobs_a_day: int) -> Month:
    """Return the counts for a number of jobs a day, spread over all families."""
    with MeteredDeployment() as deployment:
        deployment.sync()  # the first fill, of nothing
        hour = deployment.hour(jobs_a_day)
        walk = deployment.full_walk()
        deployment.submit_again()
        walk_a_job = walk.reads_of_each_job(deployment.full_walk())
        page, digest = deployment.page(), deployment.digest()
    walk_reads = (walk.reads + walk_a_job * jobs_a_day * LISTED_DAYS) * DAYS
    return Month(
        jobs=jobs_a_day * DAYS,
        reads=hour.reads * HOURS + walk_reads + page * API_CALLS + digest * DAYS,
        writes=hour.writes * HOURS,
        stored_bytes=hour.stored * HOURS,
        sync_log_bytes=hour.log_bytes * HOURS,
        sync_metrics=hour.metrics,
        changes=hour.changes * HOURS,
        walk_reads=walk_reads,
    )


@dataclass(frozen=True)
class _Hour:
    reads: float
    writes: float
    stored: float
    log_bytes: float
    metrics: int
    changes: int


@dataclass(frozen=True)
class _Walk:
    """Read units of a full walk over a number of jobs, with the recount that follows it."""

    reads: float
    jobs: int

    def reads_of_each_job(self, larger: "_Walk") -> float:
        """Return what each further job of a larger walk costs; the rest is the same for any number."""
        return (larger.reads - self.reads) / max(larger.jobs - self.jobs, 1)


@contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """Collect what a function writes to its log."""
    log = io.StringIO()
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    stdout = handler.setStream(log)
    # The variable of the service does nothing when the logger was made before it was set.
    logger.append_keys(**_LAMBDA_KEYS, service=os.environ["POWERTOOLS_SERVICE_NAME"])
    try:
        with contextlib.redirect_stdout(log):
            yield log
    finally:
        handler.setStream(stdout)
        logger.remove_keys(list(_LAMBDA_KEYS))
        logger.append_keys(service=logger.service)


class MeteredDeployment:
    """The sync function's code on a metered table and the stand-in, with a clock moved by hand."""

    def __init__(self, *, manifests: bool = False) -> None:
        """With `manifests`, ended jobs have the path of one."""
        self._manifests = manifests
        self.now = START
        self.table = Metered()
        self._server = Server(hostility=Hostility.none(), clock=self._seconds)
        self._jobs: dict[Family, list[dict[str, Any]]] = {family: [] for family in Family}

    def __enter__(self) -> "MeteredDeployment":
        self._server.__enter__()
        table = Table(self.table, "ledger")
        self.ledger = Ledger(table, _SCOPE, lambda: self.now)
        pace = Pace(table, _SCOPE, self._seconds, lambda seconds: None)
        client = session().create_client(
            "comprehendmedical",
            endpoint_url=self._server.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CONFIG,
        )
        configured = Settings("ledger", _SCOPE, tuple(Family))
        self._dependencies = (configured, self.ledger, Upstream(client, pace), pace)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def sync(self) -> str:
        """Run the sync function once; return what it writes to its log."""
        with captured_log() as log:
            done = sync_families({}, 1e9, self._dependencies, lambda: self.now)
        assert not [family for family in done["Families"].values() if "Error" in family], done
        return log.getvalue()

    def hour(self, jobs_a_day: int) -> _Hour:
        """Run an hour of syncs with its share of the jobs, after the jobs of the minutes before it."""
        begun = 0
        due: Callable[[int], int] = lambda minute: minute * jobs_a_day // (24 * 60)  # noqa: E731 - short
        before: tuple[float, float, int] = (0.0, 0.0, 0)
        logs = ""
        for minute in range(1, 60 + 2 * _JOB_MINUTES + 1):
            if minute == 2 * _JOB_MINUTES + 1:
                before = (self.table.reads, self.table.writes, self.table.stored)
            self.now += timedelta(minutes=1)
            for number in range(begun, due(minute)):
                self._submit(number)
            begun = due(minute)
            self._server.put_jobs(
                {LocalFamily(family.value): self._listed(family) for family in Family}
            )
            log = self.sync()
            logs += log if minute > 2 * _JOB_MINUTES else ""
        table, changes = self.table, sum("#changes" in pk for pk, _ in self.table.items)
        return _Hour(
            reads=table.reads - before[0],
            writes=table.writes - before[1],
            stored=table.stored - before[2],
            log_bytes=len(logs.encode()),
            metrics=len(set(metrics_in(logs))),
            changes=round(changes * 60 / (60 + 2 * _JOB_MINUTES)),
        )

    def full_walk(self) -> _Walk:
        """Run the daily full walk, a day later."""
        jobs = sum(map(len, self._jobs.values()))
        self.now += timedelta(minutes=1)
        before = self.table.reads
        self.sync()
        at_rest = self.table.reads - before
        self.now += timedelta(days=1)
        before = self.table.reads
        self.sync()
        return _Walk(max(0.0, self.table.reads - before - 2 * at_rest), jobs)

    def submit_again(self) -> None:
        """Submit as many jobs as there are, and let all of them end."""
        for number in range(jobs := sum(map(len, self._jobs.values()))):
            self._submit(jobs + number)
        self.now += timedelta(minutes=2 * _JOB_MINUTES)
        self._server.put_jobs(
            {LocalFamily(family.value): self._listed(family) for family in Family}
        )
        self.sync()

    def page(self) -> float:
        """Return the read units of one page, with its AsOf."""
        self.now += timedelta(minutes=1)
        before = self.table.reads
        asked = {"Family": ["ALL"], "MaxResults": PAGE}
        list_jobs(self.ledger, asked, lambda: self.now)
        return self.table.reads - before

    def digest(self) -> float:
        """Return the read units of one digest of a day."""
        before = self.table.reads
        end = self.now - timedelta(minutes=2)
        window = Window(rfc3339(end - timedelta(days=1)), rfc3339(end))
        reader = DigestReader(self.ledger, tuple(Family), sync_minutes=1, include_details=False)
        reader.read(window, self.now, first_start=None, covers_gap=False)
        return self.table.reads - before

    def _seconds(self) -> float:
        return self.now.timestamp()

    def _submit(self, number: int) -> None:
        family = list(Family)[number % len(Family)]
        self._jobs[family].append(a_job(number, self.now.timestamp() - 30))

    def _listed(self, family: Family) -> list[dict[str, Any]]:
        """Return a family's jobs with the status and the times that they have now."""
        return [job | self._progress(job["SubmitTime"]) for job in self._jobs[family]]

    def _progress(self, submitted: float) -> dict[str, Any]:
        age = self.now.timestamp() - submitted
        if age < 60:
            return {"JobStatus": "SUBMITTED"}
        if age < _JOB_MINUTES * 60:
            return {"JobStatus": "IN_PROGRESS"}
        ended = {"JobStatus": "COMPLETED", "EndTime": submitted + _JOB_MINUTES * 60}
        path = f"out/2026/111122223333-SNOMEDCT-{submitted}/Manifest"
        return ended | ({"ManifestFilePath": path} if self._manifests else {})


def a_job(number: int, submitted: float, *, ended: bool = False) -> dict[str, Any]:
    """Return a job as the service lists it; with `ended`, after five minutes."""
    job: dict[str, Any] = {
        "JobId": f"{number:032x}",
        "JobName": f"nightly-notes-{number % 7}",
        "SubmitTime": submitted,
        "ExpirationTime": submitted + 30 + 120 * 86_400,
        "InputDataConfig": {"S3Bucket": "notes", "S3Key": "in/2026/"},
        "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/2026/"},
        "LanguageCode": "en",
        "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
        "ModelVersion": "3.0.0",
    }
    end = {"JobStatus": "COMPLETED", "EndTime": submitted + _JOB_MINUTES * 60}
    return job | end if ended else job


def metrics_in(log: str) -> Iterator[tuple[str, ...]]:
    """Yield each metric of a log in CloudWatch's embedded format, with the values of its dimensions."""
    for line in log.splitlines():
        entry = json.loads(line)
        for described in entry.get("_aws", {}).get("CloudWatchMetrics", ()):
            for dimensions in described["Dimensions"]:
                values = [str(entry[name]) for name in dimensions]
                yield from ((metric["Name"], *values) for metric in described["Metrics"])
