"""`jobledger wait`: waits for the end of a job, for shell pipelines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import click

from job_ledger.answers import JOB, JOBS
from job_ledger.command.ids import find_job
from job_ledger.command.looked_at import none_matches
from job_ledger.command.options import (
    Duration,
    connection_options,
    job_options,
    ledger,
    set_filters,
)
from job_ledger.command.output import console, printable, source_of
from job_ledger.command.table import JobTable, tab_separated
from job_ledger.errors import ApiError, ConnectionFailed
from job_ledger.filters import SOURCE_FILTERS
from job_ledger.types import Job

if TYPE_CHECKING:
    from job_ledger.client import JobLedger

TIMED_OUT = 5
EXIT_CODES = {"COMPLETED": 0, "PARTIAL_SUCCESS": 3, "FAILED": 4, "STOPPED": 4}


@click.command()
@click.argument("job_id", metavar="[ID]", required=False)
@job_options
@click.option(
    "--timeout", type=Duration(), default="60m", show_default=True, help="How long to wait."
)
@click.option(
    "--interval", type=Duration(), default="10s", show_default=True, help="Time between two looks."
)
@connection_options
@click.pass_context
def wait(
    ctx: click.Context,
    /,
    job_id: str | None,
    timeout: timedelta,
    interval: timedelta,
    **filters: Any,
) -> int:
    """Wait until a job has ended: the one with this ID, or the newest of any family that matches.

    If none matches, wait for one. If it has ended already, return at once: with --after, older runs do not
    count. Each look syncs with the service.

    \b
    Exit codes:
      0  COMPLETED
      3  PARTIAL_SUCCESS
      4  FAILED or STOPPED
      5  time is up

    \b
    Examples:
      jobledger wait --job-name nightly --after 1h --timeout 60m && ./load.sh
      jobledger wait 7c9d2cd0
    """
    chosen = set_filters(**filters)
    named = chosen.keys() - {"family"}
    source = {name: chosen[name] for name in SOURCE_FILTERS if name in chosen}
    if job_id is not None and (filters["family"] or named - source.keys()):
        raise click.UsageError("An ID names the job: use it without filters other than its source.")
    if job_id is None and not named:
        raise click.UsageError("Name the job: use --job-name, --name-prefix, --after or its ID.")
    client = ledger(ctx)
    watched = _Watched(client, chosen)
    if job_id is not None:
        watched.follow(find_job(client, job_id, source)[JOB])
    job, code = _wait_for_end(watched, timeout.total_seconds(), interval.total_seconds())
    if code == TIMED_OUT:
        state = "the job is still active." if job else _lower(none_matches(client, chosen))
        click.echo(f"Time is up; {state}", err=True)
        if watched.stale:
            click.echo("The last sync before that did not succeed. See jobledger health.", err=True)
    if job:
        _print_job(job)
    return code


def _wait_for_end(watched: "_Watched", timeout: float, interval: float) -> tuple[Job | None, int]:
    """Return the job as it was at the last look, and the exit code."""
    deadline = time.monotonic() + timeout
    with _waiting() as show:
        while True:
            job = watched.look()
            if job and (code := exit_code(job)) is not None:
                return job, code
            left = deadline - time.monotonic()
            if left <= 0:
                return job, TIMED_OUT
            show(f"waiting for {watched.shown()}")
            time.sleep(min(left, max(interval, 0.1)))


def exit_code(job: Job) -> int | None:
    """Return the exit code for a job's status; None while the job is active."""
    status = job.get("JobStatus", "")
    if status in EXIT_CODES:
        return EXIT_CODES[status]
    # A status that the service has added since: the job has ended when it has an end time.
    return EXIT_CODES["FAILED"] if job.get("EndTime") else None


class _Watched:
    """The newest job that matches at the first look that finds one."""

    def __init__(self, client: "JobLedger", filters: dict[str, Any]) -> None:
        self._client = client
        self._filters = filters | {"order": "descending", "max_results": 1, "consistent_read": True}
        self._job: Job | None = None
        self._looked = False
        self.stale = False

    def follow(self, job: Job) -> None:
        """Wait for this job, whatever the newest is. Reading the newest syncs its family."""
        self._job = job
        self._filters |= {"family": (job["Family"],), **source_of(job)}

    def shown(self) -> str:
        """Return the job in words."""
        if self._job is None:
            return "a job"
        return f"{printable(self._job.get('JobId'))} ({printable(self._job.get('JobStatus'))})"

    def look(self) -> Job | None:
        """Return the job as it is now, or as it was last seen while the API does not answer.

        The first look raises every error, because a wrong address stays wrong.
        """
        try:
            self._job = self._read()
        except (ConnectionFailed, ApiError) as error:
            if not self._looked or (isinstance(error, ApiError) and not error.transient):
                raise
        self._looked = True
        return self._job

    def _read(self) -> Job | None:
        newest = self._newest()
        if self._job is None or (newest and _is_same(newest, self._job)):
            return newest
        return self._client.job(self._job["JobId"], **cast(Any, source_of(self._job)))[JOB]

    def _newest(self) -> Job | None:
        # The API searches for a name prefix a part of the ledger at a time.
        for page in self._client.pages(**cast(Any, self._filters)):
            self.stale = bool(page.get("Stale"))
            for job in page[JOBS]:
                return job
        return None


def _is_same(job: Job, other: Job) -> bool:
    """Whether both are one job: sources can have equal ids."""
    return job.get("JobId") == other.get("JobId") and source_of(job) == source_of(other)


@contextmanager
def _waiting() -> Iterator[Callable[[str], None]]:
    """Show what is waited for, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(stderr=True).status("waiting") as status:
        yield status.update


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _print_job(job: Job) -> None:
    now = datetime.now(UTC)
    if not sys.stdout.isatty():
        for text in tab_separated([job], now, heading=False):
            click.echo(text)
        return
    out = console()
    for line in JobTable(out.width).lines([job], now, heading=True):
        out.print(line)
    if "Message" in job:
        out.print(printable(job["Message"]))
