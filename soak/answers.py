"""What a reader checks of an answer, as functions of what it got. Each returns a problem in words, or None.

No text quotes a job: names can identify patients, and results are committed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

JOBS = "ComprehendMedicalAsyncJobPropertiesList"
_ENDED = ("COMPLETED", "PARTIAL_SUCCESS", "FAILED", "STOPPED")
RANKS = {"SUBMITTED": 0, "IN_PROGRESS": 1, "STOP_REQUESTED": 2} | dict.fromkeys(_ENDED, 3)
ODD = "0dd"
"""The ids of `soak.oddities` begin so."""
_OLDEST_CONSISTENT = timedelta(seconds=60)

Job = Mapping[str, Any]
Query = Mapping[str, Any]


def traversal_problem(jobs: Sequence[Job], query: Query, known: Iterable[str]) -> str | None:
    """Check all pages of a list, newest first: `known` are ids that earlier such lists had."""
    ids = [str(job["JobId"]) for job in jobs]
    keys = [(job["SubmitTime"], job["JobId"]) for job in jobs]
    if len(set(ids)) < len(ids):
        return "a traversal repeats a job"
    if keys != sorted(keys, reverse=True):
        return "a traversal is not in order"
    if not all(_fits(job, query) for job in jobs):
        return "a traversal has a job that its filters exclude"
    if missing := set(known) - set(ids):
        return f"a traversal lacks {len(missing)} jobs that an earlier one had"
    return None


def _fits(job: Job, query: Query) -> bool:
    return (
        query["Family"] in ("ALL", job["Family"])
        and query.get("JobStatus") in (None, job["JobStatus"])
        and query.get("SubmitTimeAfter", "") < job["SubmitTime"]
        and str(job.get("JobName", "")).startswith(query.get("JobNamePrefix", ""))
    )


def same_traversal_problem(first: Sequence[Job], second: Sequence[Job]) -> str | None:
    """Check two traversals with one Idempotency-Key and pages of other sizes."""
    if [job["JobId"] for job in first] != [job["JobId"] for job in second]:
        return "a traversal differs from the list as of its first page"
    return None


def summary_problem(summary: Mapping[str, Any], earlier_total: int) -> str | None:
    """Check a summary: `earlier_total` is the total of an earlier one, and no job disappears."""
    total = summary["Total"]
    if not total == sum(summary["ByStatus"].values()) == sum(summary["ByFamily"].values()):
        return "the counts of a summary do not add up"
    if total < earlier_total:
        return f"a summary has {earlier_total - total} jobs fewer than an earlier one"
    return None


def csv_problem(text: str, header: Sequence[str]) -> str | None:
    """Check a page as CSV; `header` is that of an earlier page, or empty."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or "JobId" not in rows[0]:
        return "a CSV page has no header"
    if header and rows[0] != list(header):
        return "two CSV pages have different columns"
    if any(len(row) != len(rows[0]) for row in rows):
        return "a CSV row does not have the columns of its header"
    return None


def description_problem(answer: Mapping[str, Any], job_id: str, rank: int) -> str | None:
    """Check one job: `rank` is that of the status it had before."""
    job, history = answer["ComprehendMedicalAsyncJobProperties"], answer["History"]
    ranks = [RANKS[step["JobStatus"]] for step in history]
    times = [step["ObservedAt"] for step in history]
    if job["JobId"] != job_id:
        return "a description is of another job"
    if history[-1]["JobStatus"] != job["JobStatus"]:
        return "a history does not end with the job's status"
    if ranks != sorted(ranks) or times != sorted(times):
        return "a history goes backwards"
    if RANKS[job["JobStatus"]] < rank:
        return "a job has moved backwards"
    return None


def consistent_problem(answer: Mapping[str, Any], asked: datetime) -> str | None:
    """Check a ConsistentRead: it is recent, or says that it is not."""
    if answer.get("Stale"):
        return None
    if asked - datetime.fromisoformat(answer["AsOf"]) > _OLDEST_CONSISTENT:
        return "a consistent read is old, and does not say so"
    return None
