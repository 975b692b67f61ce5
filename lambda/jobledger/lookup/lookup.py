"""Finds jobs for a stack's look-up, and writes the failure reasons for CloudFormation.

Reasons name properties, not their values, and a job by its JobId, not by its name or Message: Lambda logs
them, and everybody who may describe the stack can read them.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobledger.errors import LookupFailed
from jobledger.jobs import s3_uri
from jobledger.ledger.as_of import as_of, oldest
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.pages import read_page
from jobledger.lookup.request import LookupRequest
from jobledger.service import JobStatus
from jobledger.times import CLOCK_SKEW, rfc3339, seconds_between
from jobledger.totals.scan import read_facts

Attributes = dict[str, str]

MOST_COUNTED = 10_000
"""The largest Count: an exact one could mean reading the jobs of many years."""

ATTRIBUTES = (
    "JobId",
    "JobName",
    "JobStatus",
    "Family",
    "SubmitTime",
    "EndTime",
    "ModelVersion",
    "InputS3Uri",
    "OutputS3Uri",
    "ManifestS3Uri",
    "DurationSeconds",
    "Count",
)
OF_SEVERAL_SOURCES = ("Account", "Region")
"""The attributes that jobs have in a ledger with several sources."""

_ENDED_BADLY = (JobStatus.FAILED, JobStatus.STOPPED)


def find(ledger: Ledger, request: LookupRequest, now: datetime) -> Attributes | None:
    """Return the attributes of the selected job; None when no job matches.

    Raises LookupFailed when `only` one job may match and several do, and LedgerUnavailable.
    """
    jobs = _first(ledger, request.query, 2 if request.select == "only" else 1, now)
    if not jobs:
        return None
    count = _count(ledger, request.query)
    if len(jobs) > 1:
        most = " or more" if count == MOST_COUNTED else ""
        ids = " and ".join(str(job["JobId"]) for job in jobs)
        raise LookupFailed(f"Select is only, and {count}{most} jobs match, of which two are {ids}.")
    return _attributes(jobs[0], max(count, 1), names_of(ledger))


def nothing_found(ledger: Ledger) -> Attributes:
    """Return the attributes when no job matches."""
    return dict.fromkeys(names_of(ledger), "") | {"Count": "0"}


def names_of(ledger: Ledger) -> tuple[str, ...]:
    """Return the names of the attributes."""
    return ATTRIBUTES + (OF_SEVERAL_SOURCES if ledger.is_shared else ())


def check_still_possible(
    ledger: Ledger, request: LookupRequest, started: datetime, now: datetime
) -> None:
    """Raise LookupFailed when the awaited job, identified by its name, ended FAILED or STOPPED.

    That is the newest job with the name, if it ended during the wait, or if SubmitTimeAfter excludes older
    runs. A job that ended before the wait does not count: the next one can still appear.
    """
    job = _newest_of_name(ledger, request, now)
    if job is None or job.get("JobStatus") not in _ENDED_BADLY:
        return
    ended = job.get("EndTime") or rfc3339(now)
    # The service's clock can differ from ours. And a wait of over an hour takes several resources in sequence, so
    # that the job can have ended during an earlier one: SubmitTimeAfter says which runs count.
    if request.query.after is not None or ended >= rfc3339(started - CLOCK_SKEW):
        raise LookupFailed(f"JobName: the job waited for {_status_of(job)}.")


def failure(ledger: Ledger, request: LookupRequest, now: datetime, *, stale: bool) -> LookupFailed:
    """Return the failure for a look-up without a result, with hints for the stack's owner.

    `stale`: the service could not be reached. Raises LedgerUnavailable.
    """
    sentences = [
        _waited(request),
        _no_match(ledger, request, now),
        f"Searched: {', '.join(request.query.families)}.",
        _freshness(ledger, request),
        "Comprehend Medical could not be reached." if stale else "",
    ]
    return LookupFailed(" ".join(filter(None, sentences)))


def attributes_too_large(attributes: Attributes, size: int, limit: int) -> LookupFailed:
    """Return the failure for a job whose attributes exceed CloudFormation's limit."""
    sizes = {name: len(text.encode()) for name, text in attributes.items()}
    longest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    lengths = ", ".join(f"{name} has {sizes[name]}" for name in longest)
    return LookupFailed(
        f"The attributes of job {attributes['JobId']} are too long: CloudFormation accepts a response of "
        f"{limit} bytes, and this one has {size} ({lengths})."
    )


def _first(ledger: Ledger, query: JobQuery, most: int, now: datetime) -> list[Mapping[str, Any]]:
    """Return the first jobs of a query, over as many pages as needed."""
    jobs: list[Mapping[str, Any]] = []
    position = None
    while True:
        page = read_page(ledger, query, most - len(jobs), position, rfc3339(now))
        jobs += map(json.loads, page.jobs)
        position = page.position
        if position is None or len(jobs) == most:
            return jobs


def _count(ledger: Ledger, query: JobQuery) -> int:
    return sum(1 for _ in itertools.islice(read_facts(ledger, query), MOST_COUNTED))


def _newest_of_name(
    ledger: Ledger, request: LookupRequest, now: datetime
) -> Mapping[str, Any] | None:
    """Return the newest job with the requested name, in any status; None without a name."""
    if request.query.name is None:
        return None
    query = replace(request.query, statuses=(), order="descending")
    return next(iter(_first(ledger, query, 1, now)), None)


def _no_match(ledger: Ledger, request: LookupRequest, now: datetime) -> str:
    """Return which properties no job matches, and the newest job of the name in any status."""
    query = request.query
    status = " or ".join(query.statuses)
    given = {
        **{condition.filter: condition.value for condition in query.conditions},
        "SubmitTimeAfter": query.after,
        "SubmitTimeBefore": query.before,
    }
    names = " and ".join(name for name, value in given.items() if value)
    if query.name is None:
        return f"{names or 'JobStatus'}: no {status} job matches (MustExist is true)."
    matching = f" and matches {names}" if names else ""
    job = _newest_of_name(ledger, request, now)
    newest = "none has it in any status"
    if job is not None:
        newest = f"the newest job with this name {_status_of(job)}"
    return f"JobName: no {status} job has this name{matching}; {newest}."


def _status_of(job: Mapping[str, Any]) -> str:
    """Return a job's status in words, and where its Message is."""
    end = f" since {job['EndTime']}" if job.get("EndTime") else ""
    return f"is {job.get('JobStatus')}{end}; look up JobId {job['JobId']} in the ledger"


def _freshness(ledger: Ledger, request: LookupRequest) -> str:
    oldest_time = oldest(as_of(ledger, request.query.sources), request.query.families)
    if oldest_time is None:
        return "No complete sync of the ledger is known."
    return f"The ledger is as of {oldest_time}."


def _waited(request: LookupRequest) -> str:
    if not request.waits:
        return ""
    minutes = request.patience / timedelta(minutes=1)
    if minutes == request.wait_minutes:
        return f"WaitMinutes: {minutes:g} minutes have passed."
    return (
        f"WaitMinutes: {minutes:g} of {request.wait_minutes:g} minutes have passed, and CloudFormation "
        "limits the time of one resource; another resource can continue to wait."
    )


def _attributes(job: Mapping[str, Any], count: int, names: Iterable[str]) -> Attributes:
    given = {name: _text(job.get(name)) for name in names}
    submitted, ended = job.get("SubmitTime"), job.get("EndTime")
    seconds = seconds_between(submitted, ended) if submitted and ended else None
    return given | {
        "InputS3Uri": _text(s3_uri(job.get("InputDataConfig"))),
        "OutputS3Uri": _text(s3_uri(job.get("OutputDataConfig"))),
        "ManifestS3Uri": _manifest_uri(job),
        "DurationSeconds": "" if seconds is None else f"{seconds:.3f}".rstrip("0").rstrip("."),
        "Count": str(count),
    }


def _manifest_uri(job: Mapping[str, Any]) -> str:
    """Return the manifest's location: in the output's bucket, unless the path names another."""
    path = job.get("ManifestFilePath")
    if not path or str(path).startswith("s3://"):
        return _text(path)
    bucket = (job.get("OutputDataConfig") or {}).get("S3Bucket")
    return _text(s3_uri({"S3Bucket": bucket, "S3Key": str(path).lstrip("/")}))


def _text(value: object) -> str:
    """Return a property as text that CloudFormation accepts, without lone surrogates."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode()
