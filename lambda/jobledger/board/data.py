"""Reads what the board shows, in bounded numbers of rows.

Only this module, `counting`, `grid` and `sources` read the ledger. The others render their frozen values.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from jobledger.api.listing import Listing, list_jobs
from jobledger.board.counting import Counts, read_counts
from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import RECENT, Ledger
from jobledger.ledger.output import output_in
from jobledger.ledger.pages import read_page
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState
from jobledger.service import Family, JobStatus
from jobledger.times import parse, rfc3339
from jobledger.totals.read import States, Usual, active_jobs, read_active_rows, read_usual
from jobledger.totals.rules import RECENT_DAYS

DAYS = RECENT_DAYS
TROUBLE_DAYS = 7
TROUBLES = (JobStatus.FAILED, JobStatus.PARTIAL_SUCCESS)
# The service runs at most 10 jobs of a family at a time (quotas page).
_MOST_ACTIVE = 50
_MOST_TROUBLES = 10


class BoardReader(msgspec.Struct, frozen=True):
    """What the board reads from: the ledger, its families and the clock.

    `check_time` runs after each request for counts and raises TooMuchToSummarise when time runs out.
    """

    ledger: Ledger
    families: Sequence[Family]
    now: Callable[[], datetime]
    check_time: Callable[[], None]

    @property
    def sources(self) -> Sequence[str]:
        """The sources that a reader can choose from; none when the ledger has one. Raises LedgerUnavailable."""
        return self.ledger.known_sources() if self.ledger.is_shared else ()


class ListedJob(msgspec.Struct, frozen=True):
    """The properties of a job that a list shows. A property that the service omits is None.

    `output` says in a sentence what it did not process, or why that is not known. `source` is its `account/region` in a
    ledger of several; `removed` says that the ledger no longer has it.
    """

    job_id: str
    family: Family
    name: str | None
    status: str | None
    submit_time: str | None
    end_time: str | None
    message: str | None
    output: str | None = None
    source: str | None = None
    removed: bool = False


class Active(msgspec.Struct, frozen=True):
    """The oldest active jobs, the number of all, and what their families' jobs usually take.

    `usual` is empty when there are too many jobs to find out.
    """

    jobs: tuple[ListedJob, ...]
    total: int
    usual: Mapping[Family, Usual]


class Troubles(msgspec.Struct, frozen=True):
    """The newest jobs with one of `TROUBLES`, and whether there are more."""

    jobs: tuple[ListedJob, ...]
    more: bool


class Overview(msgspec.Struct, frozen=True):
    """What needs attention now, and the counts; `counts` is None when there are too many jobs to count."""

    active: Active
    troubles: dict[JobStatus, Troubles]
    counts: Counts | None


class SubmitTimes(msgspec.Struct, frozen=True):
    """The submit times that an overview covers, exclusive, in the format of `times.rfc3339`.

    `last_day` is the last day (UTC) that is counted by itself; the first is at most 29 days earlier.
    """

    after: str
    before: str | None
    troubles_after: str
    last_day: datetime


def last_days(now: datetime) -> SubmitTimes:
    """Return the submit times of the board: 30 days ending today, and for troubles the last 7."""
    first_day = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return SubmitTimes(
        after=rfc3339(first_day - timedelta(milliseconds=1)),
        before=None,
        troubles_after=rfc3339(now - timedelta(days=TROUBLE_DAYS)),
        last_day=now,
    )


def read_overview(
    reader: BoardReader,
    families: Sequence[Family],
    submitted: SubmitTimes,
    now: datetime,
    sources: tuple[str, ...] = (),
) -> Overview:
    """Return the overview of some families, and of some sources unless it is of all, read side by side.

    Raises LedgerUnavailable.
    """
    shown = JobQuery(tuple(families), before=submitted.before, sources=sources)
    states = reader.ledger.states(within=RECENT)
    with ThreadPoolExecutor(len(TROUBLES) + 1) as pool:
        counts = pool.submit(
            read_counts,
            reader.ledger,
            replace(shown, after=submitted.after),
            _days_of(submitted),
            states,
            reader.check_time,
        )
        troubles = {
            status: pool.submit(_read_troubles, reader, shown, status, submitted, now)
            for status in TROUBLES
        }
        return Overview(
            active=_read_active(reader, shown, states, now),
            troubles={status: found.result() for status, found in troubles.items()},
            counts=counts.result(),
        )


def _read_active(reader: BoardReader, shown: JobQuery, states: States, now: datetime) -> Active:
    ledger = reader.ledger
    # A family whose first fill has just begun has no state yet.
    begun = {family: states.get(family, SyncState()) for family in shown.families}
    every = [
        (family, job)
        for family, job in active_jobs(ledger, begun, shown.families)
        if shown.has_source(job.source or ledger.scope)
    ]
    oldest = every[:_MOST_ACTIVE]
    rows = read_active_rows(ledger, oldest, lambda: None)
    jobs = listed_jobs(readable((row for _, row in rows), ledger.shown.of_row))
    total = len(every) - len(oldest) + len(jobs)
    active = {job.family for job in jobs}
    try:
        usual = read_usual(reader.ledger, states, active, now, reader.check_time)
    except TooMuchToSummarise:
        usual = {}
    return Active(jobs, total, usual)


def _read_troubles(
    reader: BoardReader, shown: JobQuery, status: JobStatus, submitted: SubmitTimes, now: datetime
) -> Troubles:
    query = replace(shown, statuses=(status,), after=submitted.troubles_after)
    found = read_page(reader.ledger, query, _MOST_TROUBLES, None, rfc3339(now))
    return Troubles(listed_jobs(found.jobs), found.position is not None)


def read_jobs(reader: BoardReader, values: Mapping[str, Any], max_results: int) -> Listing:
    """Return a page of the list for parsed parameters: the page of `GET /jobs`, and its rules.

    Raises InvalidParameters, InvalidToken and LedgerUnavailable.
    """
    limited = {**values, "MaxResults": max_results}
    return list_jobs(reader.ledger, limited, reader.now, reader.families)


def listed_jobs(jobs: Iterable[str]) -> tuple[ListedJob, ...]:
    """Return jobs, each given as JSON, as the values that a list shows."""
    return tuple(readable(map(json.loads, jobs), _listed))


def _listed(job: dict[str, Any]) -> ListedJob:
    return ListedJob(
        job_id=str(job["JobId"]),
        family=Family(job["Family"]),
        name=_text(job, "JobName"),
        status=_text(job, "JobStatus"),
        submit_time=_text(job, "SubmitTime"),
        end_time=_text(job, "EndTime"),
        message=_text(job, "Message"),
        output=_output_text(job),
        source=f"{job['Account']}/{job['Region']}" if "Account" in job else None,
        removed="SourceRemoved" in job,
    )


def _output_text(job: dict[str, Any]) -> str | None:
    output = output_in(job)
    return output.text if output and output.notable else None


def _text(job: dict[str, Any], name: str) -> str | None:
    value = job.get(name)
    return None if value is None or value == "" else str(value)


def _days_of(submitted: SubmitTimes) -> list[str]:
    """Return the days (UTC) of these times, at most the last 30."""
    last = submitted.last_day
    days = min(max((last.date() - parse(submitted.after).date()).days + 1, 1), DAYS)
    return [rfc3339(last - timedelta(days=back))[:10] for back in range(days - 1, -1, -1)]
