"""`jobledger watch`: the active jobs, and their transitions as they happen."""

import time
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from job_ledger.client import JobLedger
from job_ledger.command.options import (
    Duration,
    connection_options,
    job_options,
    ledger,
    set_filters,
)
from job_ledger.command.output import COLOURS, console, job_lines, printable, time_text
from job_ledger.errors import ApiError, ConnectionFailed
from job_ledger.types import Job

ACTIVE = ("SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED")
# A job can be new and over between two looks. The service lists a new one some seconds late, and the ledger
# up to a sync later.
_RECENT = timedelta(hours=1)


@click.command()
@job_options
@click.option(
    "--interval", type=Duration(), default="15s", show_default=True, help="Time between two looks."
)
@connection_options
@click.pass_context
def watch(ctx: click.Context, /, interval: timedelta, **filters: Any) -> None:
    """Show the active jobs, and each change of a status, until Ctrl-C.

    In a pipe, only the changes are printed, one a line.

    \b
    Example:
      jobledger watch --family ALL
    """
    chosen = set_filters(**filters)
    watched = Watched(ledger(ctx), chosen)
    out = console()
    families = set(chosen.get("family", ()))
    several = len(families) > 1 or "ALL" in families
    try:
        _follow(out, watched, interval.total_seconds(), several)
    except KeyboardInterrupt:
        return


def _follow(out: Console, watched: "Watched", seconds: float, families: bool) -> None:
    with Live(console=out, auto_refresh=False) as live:
        while True:
            problem = ""
            try:
                for line in watched.changes(datetime.now(UTC)):
                    out.print(line)
            except ConnectionFailed as error:
                problem = str(error)
            except ApiError as error:
                if not error.transient:
                    raise
                problem = str(error)
            if out.is_terminal:
                live.update(_table(watched, families, problem), refresh=True)
            elif problem:
                click.echo(problem, err=True)
            time.sleep(max(seconds, 0.1))


def _table(watched: "Watched", families: bool, problem: str) -> Group:
    now = datetime.now(UTC)
    title = Text(f"\n{len(watched.active)} active at {now:%H:%M:%S} UTC", "bold")
    lines = job_lines(watched.active, now, families=families, heading=bool(watched.active))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(title, *lines, Text(problem, "bold red"))


class Watched:
    """The jobs that match, as of the last look."""

    def __init__(self, client: JobLedger, filters: dict[str, Any]) -> None:
        """Take what to watch; the first look reports nothing."""
        self._client = client
        self._filters = filters
        self._statuses: dict[str, str] | None = None
        self.active: list[Job] = []

    def changes(self, now: datetime) -> list[Text]:
        """Look, and return a line for each transition since the last look, in the ledger's order."""
        found = self._found(now)
        before = self._statuses
        ended = {
            job_id for job_id, status in (before or {}).items() if status in ACTIVE
        } - found.keys()
        statuses = {job_id: job.get("JobStatus", "-") for job_id, job in found.items()}
        changed = {i for i, s in statuses.items() if before is not None and before.get(i) != s}
        lines = [
            line
            for job_id in changed | ended
            for line in self._transitions(job_id, (before or {}).get(job_id))
        ]
        # Only now, so that a look that fails is repeated as a whole.
        self._statuses = statuses
        self.active = [job for job in found.values() if job.get("JobStatus") in ACTIVE]
        return [line for _, line in sorted(lines, key=lambda entry: entry[0])]

    def _found(self, now: datetime) -> dict[str, Job]:
        """Return the active and the recently submitted jobs by id, newest first."""
        since = f"{now - _RECENT:%Y-%m-%dT%H:%M:%S}"
        newest: dict[str, Any] = self._filters | {"order": "descending", "max_results": 100}
        found = list(
            takewhile(lambda job: job.get("SubmitTime", "") >= since, self._client.jobs(**newest))
        )
        active: dict[str, Any] = self._filters | {"order": "descending", "job_status": ACTIVE}
        return {
            job["JobId"]: job for job in (*found, *self._client.jobs(**active)) if "JobId" in job
        }

    def _transitions(self, job_id: str, before: str | None) -> list[tuple[str, Text]]:
        """Return the times and lines of a job's transitions since the status `before`."""
        described = self._client.job(job_id)
        name = described["ComprehendMedicalAsyncJobProperties"].get("JobName", "-")
        lines = []
        known = before is not None
        last = before or "(new)"
        for entry in described["History"]:
            status = entry.get("JobStatus", "-")
            if known:
                known = status != before
                continue
            line = Text(f"{time_text(entry['ObservedAt'])}  {printable(last)} -> ")
            line.append(printable(status), COLOURS.get(status, ""))
            lines.append((entry["ObservedAt"], line.append(f"  {job_id}  {printable(name)}")))
            last = status
        return lines
