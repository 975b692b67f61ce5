"""`jobledger watch`: the active jobs, and their transitions as they happen."""

import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import click

from job_ledger.answers import JOB
from job_ledger.command.looked_at import families_text, options_text
from job_ledger.command.options import (
    Duration,
    connection_options,
    job_options,
    ledger,
    set_filters,
)
from job_ledger.command.output import COLOURS, console, printable, time_text
from job_ledger.command.table import JobTable, unique_length
from job_ledger.errors import ApiError, ConnectionFailed
from job_ledger.types import Job

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from job_ledger.client import JobLedger

ACTIVE = ("SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED")
# A job can be new and over between two looks. The service lists a new one some seconds late, and the ledger
# up to a sync later.
_RECENT = timedelta(hours=1)
_NOT_FOUND = 404


@click.command()
@job_options
@click.option(
    "--interval", type=Duration(), default="15s", show_default=True, help="Time between two looks."
)
@connection_options
@click.pass_context
def watch(ctx: click.Context, /, interval: timedelta, **filters: Any) -> None:
    """Show the active jobs of every family, and each change of a status, until Ctrl-C.

    In a pipe, only the changes are printed, one a line.

    \b
    Example:
      jobledger watch --family PHI
    """
    chosen = set_filters(**filters)
    watched = Watched(ledger(ctx), chosen)
    out, terminal, seconds = console(), sys.stdout.isatty(), interval.total_seconds()
    with _live(out) if terminal else nullcontext() as live:
        while True:
            problem = ""
            try:
                for change in watched.changes(datetime.now(UTC)):
                    out.print(change.fitted(out.width) if terminal else change.whole())
            except ConnectionFailed as error:
                problem = str(error)
            except ApiError as error:
                if not error.transient:
                    raise
                problem = str(error)
            if live:
                live.update(_screen(watched, out.width, chosen, problem), refresh=True)
            elif problem:
                click.echo(problem, err=True)
            time.sleep(max(seconds, 0.1))


def _live(out: "Console") -> Any:
    from rich.live import Live

    return Live(console=out, auto_refresh=False)


def _screen(watched: "Watched", width: int, filters: dict[str, Any], problem: str) -> "Group":
    from rich.console import Group
    from rich.text import Text

    now = datetime.now(UTC)
    where = " ".join(text for text in (families_text(filters), options_text(filters)) if text)
    title = Text(f"\n{len(watched.active)} active at {now:%H:%M:%S} UTC in {where}", "bold")
    lines = JobTable(width).lines(watched.active, now, heading=bool(watched.active))
    for line in (title, *lines):
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(title, *lines, Text(printable(problem), "bold red"))


@dataclass(frozen=True, slots=True)
class Change:
    """A transition of a job."""

    at: str
    before: str
    after: str
    job_id: str
    name: str
    short_id: str

    def whole(self) -> "Text":
        """Return it as a line for a pipe."""
        line = self._transition(f"{time_text(self.at)}  ")
        return line.append(f"  {self.job_id}  {printable(self.name)}")

    def fitted(self, width: int) -> "Text":
        """Return it as a line for a terminal: the name, the statuses, the start of the id."""
        from rich.text import Text

        rest = self._transition(f"  {time_text(self.at)[11:]}  ").append(f"  {self.short_id}")
        name = Text(printable(self.name))
        name.truncate(max(4, width - rest.cell_len), overflow="ellipsis")
        line = name.append_text(rest)
        line.truncate(width, overflow="ellipsis")
        return line

    def _transition(self, start: str) -> "Text":
        from rich.text import Text

        after = printable(self.after)
        return Text(f"{start}{printable(self.before)} -> ").append(after, COLOURS.get(after, ""))


class Watched:
    """The jobs that match, as of the last look."""

    def __init__(self, client: "JobLedger", filters: dict[str, Any]) -> None:
        """Take what to watch; the first look reports nothing."""
        self._client = client
        self._filters = filters
        self._statuses: dict[str, str] | None = None
        self._looks = 0
        self._asked: dict[str, int] = {}
        self._deleted: set[str] = set()
        self.active: list[Job] = []

    def changes(self, now: datetime) -> list[Change]:
        """Look, and return each transition since the last look, in the ledger's order."""
        found = self._found(now)
        before = self._statuses
        ended = {
            job_id for job_id, status in (before or {}).items() if status in ACTIVE
        } - found.keys()
        statuses = {job_id: job.get("JobStatus", "-") for job_id, job in found.items()}
        changed = {i for i, s in statuses.items() if before is not None and before.get(i) != s}
        length = unique_length(list(found))
        changes = [
            change
            for job_id in changed | ended
            for change in self._transitions(job_id, (before or {}).get(job_id), job_id[:length])
        ]
        listed = [job for job in found.values() if job.get("JobStatus") in ACTIVE]
        active = self._known_to_the_service(listed, now)
        # Only now, so that a look that fails is repeated as a whole.
        self._statuses, self.active = statuses, active
        return sorted(changes, key=lambda change: change.at)

    def _found(self, now: datetime) -> dict[str, Job]:
        """Return the active and the recently submitted jobs by id, newest first."""
        since = f"{now - _RECENT:%Y-%m-%dT%H:%M:%S}"
        newest: dict[str, Any] = self._filters | {"order": "descending", "max_results": 100}
        recent = takewhile(
            lambda job: job.get("SubmitTime", "") >= since, self._client.jobs(**newest)
        )
        active: dict[str, Any] = self._filters | {"order": "descending", "job_status": ACTIVE}
        return {
            job["JobId"]: job for job in (*recent, *self._client.jobs(**active)) if "JobId" in job
        }

    def _known_to_the_service(self, jobs: Iterable[Job], now: datetime) -> list[Job]:
        """Return the jobs that the service has not deleted: those keep the status that they had.

        A description says it, a list does not. A look asks about new jobs, and again about the one that was
        asked about longest ago.
        """
        time = f"{now:%Y-%m-%dT%H:%M:%S}"
        left = [job for job in jobs if job["JobId"] not in self._deleted]
        left = [job for job in left if job.get("ExpirationTime", time) >= time]
        self._looks += 1
        asked = [job["JobId"] for job in left if job["JobId"] in self._asked]
        due = {min(asked, key=lambda job_id: self._asked[job_id])} if asked else set()
        for job in left:
            if job["JobId"] in due or job["JobId"] not in self._asked:
                self._asked[job["JobId"]] = self._looks
                if self._is_deleted(job["JobId"]):
                    self._deleted.add(job["JobId"])
        return [job for job in left if job["JobId"] not in self._deleted]

    def _is_deleted(self, job_id: str) -> bool:
        try:
            return bool(self._client.job(job_id).get("ExpiredUpstream"))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return True

    def _transitions(self, job_id: str, before: str | None, short_id: str) -> list[Change]:
        """Return a job's transitions since the status `before`."""
        described = self._client.job(job_id)
        name = described[JOB].get("JobName", "-")
        changes = []
        known = before is not None
        last = before or "(new)"
        for entry in described["History"]:
            status = entry.get("JobStatus", "-")
            if known:
                known = status != before
                continue
            changes.append(Change(entry["ObservedAt"], last, status, job_id, name, short_id))
            last = status
        return changes
