"""`jobledger wait`: waits for the end of a job, for shell pipelines."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from job_ledger.client import JobLedger
from job_ledger.command.options import (
    Duration,
    connection_options,
    job_options,
    ledger,
    set_filters,
)
from job_ledger.command.output import console, job_lines
from job_ledger.errors import ApiError, ConnectionFailed
from job_ledger.types import Job

TIMED_OUT = 5
EXIT_CODES = {"COMPLETED": 0, "PARTIAL_SUCCESS": 3, "FAILED": 4, "STOPPED": 4}


@click.command()
@job_options
@click.option(
    "--timeout", type=Duration(), default="60m", show_default=True, help="How long to wait."
)
@click.option(
    "--interval", type=Duration(), default="10s", show_default=True, help="Time between two looks."
)
@connection_options
@click.pass_context
def wait(ctx: click.Context, /, timeout: timedelta, interval: timedelta, **filters: Any) -> int:
    """Wait until the newest job that matches has ended.

    If there is none, wait for one. If it has ended already, return at once: with --after, older runs do not
    count. Each look syncs with the service.

    \b
    Exit codes:
      0  COMPLETED
      3  PARTIAL_SUCCESS
      4  FAILED or STOPPED
      5  the time is over

    \b
    Example:
      jobledger wait --job-name nightly --after 1h --timeout 60m && ./load.sh
    """
    chosen = set_filters(**filters)
    if not chosen.keys() - {"family"}:
        raise click.UsageError("Name the job: use --job-name, --name-prefix or --after.")
    out = console()
    deadline = time.monotonic() + timeout.total_seconds()
    with console(stderr=True).status("waiting") as status:
        watched = _Watched(ledger(ctx), chosen)
        while True:
            job = watched.look()
            if job and (code := exit_code(job)) is not None:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                code = TIMED_OUT
                break
            status.update(f"waiting for {watched.shown()}")
            time.sleep(min(left, max(interval.total_seconds(), 0.1)))
    _report(out, job, code)
    return code


def exit_code(job: Job) -> int | None:
    """Return the exit code for a job's status; None while the job is active."""
    status = job.get("JobStatus", "")
    if status in EXIT_CODES:
        return EXIT_CODES[status]
    # A status that the service added later: the job has ended when it has an end.
    return EXIT_CODES["FAILED"] if job.get("EndTime") else None


class _Watched:
    """The newest job that matches at the first look that finds one."""

    def __init__(self, client: JobLedger, filters: dict[str, Any]) -> None:
        self._client = client
        self._filters = filters | {"order": "descending", "max_results": 1, "consistent_read": True}
        self._job: Job | None = None
        self._looked = False

    def shown(self) -> str:
        return f"{self._job['JobId']} ({self._job.get('JobStatus')})" if self._job else "a job"

    def look(self) -> Job | None:
        """Return the job as it is now, or as it was when the API cannot tell.

        The first look raises every error, because a wrong address does not become right.
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
        if self._job is None or (newest and newest.get("JobId") == self._job["JobId"]):
            return newest
        return self._client.job(self._job["JobId"])["ComprehendMedicalAsyncJobProperties"]

    def _newest(self) -> Job | None:
        for page in self._client.pages(**self._filters):
            for job in page["ComprehendMedicalAsyncJobPropertiesList"]:
                return job
        return None


def _report(out: Console, job: Job | None, code: int) -> None:
    if code == TIMED_OUT:
        text = (
            "The time is over; the job is still active."
            if job
            else "The time is over; no job matches."
        )
        click.echo(text, err=True)
    if job:
        for line in job_lines([job], datetime.now(UTC), families=True, heading=False):
            out.print(Text.assemble(line))
