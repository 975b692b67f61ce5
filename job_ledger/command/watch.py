"""`jobledger watch`: the active jobs, and their transitions as they happen."""

import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

import click

from job_ledger.answers import JOB, JOBS
from job_ledger.command.looked_at import families_text, options_text
from job_ledger.command.options import (
    Duration,
    connection_options,
    job_options,
    ledger,
    set_filters,
)
from job_ledger.command.output import (
    COLOURS,
    age_text,
    console,
    printable,
    source_of,
    source_text,
    time_text,
)
from job_ledger.command.table import JobTable, unique_length
from job_ledger.errors import ApiError, ConnectionFailed
from job_ledger.types import Job

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from job_ledger.client import JobLedger

# A job can begin and end between two looks. The service lists new jobs some seconds late, and the ledger up to a
# sync later.
_RECENT = timedelta(hours=1)
_NOT_FOUND = 404
_Key = tuple[str, tuple[tuple[str, str], ...]]
"""A job: its id, and the filters of its source."""


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
    others = options_text({**filters, "family": ("ALL",)})
    where = f"in {families_text(filters)}" + (f", {others}" if others else "")
    title = Text(f"\n{len(watched.active)} active at {now:%H:%M:%S} UTC {where}", "bold")
    lines = JobTable(width).lines(watched.active, now, heading=bool(watched.active))
    for line in (title, *lines):
        line.no_wrap, line.overflow = True, "ellipsis"
    if problem:
        return Group(title, *lines, Text(printable(problem), "bold red"))
    return Group(title, *lines, Text(age_text(watched.as_of, now), "yellow"))


@dataclass(frozen=True, slots=True)
class Change:
    """A transition of a job."""

    at: str
    before: str
    after: str
    job_id: str
    name: str
    short_id: str
    source: str = ""

    def whole(self) -> "Text":
        """Return it as a line for a pipe."""
        line = self._transition(f"{time_text(self.at)}  ")
        line.append(f"  {self.job_id}  {printable(self.name)}")
        return line.append(f"  {self.source}" if self.source else "")

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
        self._statuses: dict[_Key, str] | None = None
        self.active: list[Job] = []
        self.as_of: str | None = None

    def changes(self, now: datetime) -> list[Change]:
        """Look, and return each transition since the last look, in the ledger's order."""
        recent = self._recent(now)
        pages = list(self._client.pages(**self._active()))
        active = self._by_id(job for page in pages for job in page[JOBS])
        found = recent | active
        before = self._statuses
        ended = self._by_id(self.active).keys() - found.keys()
        statuses = {key: job.get("JobStatus", "-") for key, job in found.items()}
        changed = {i for i, s in statuses.items() if before is not None and before.get(i) != s}
        length = unique_length([job_id for job_id, _ in found])
        changes = [
            change
            for key in changed | ended
            for change in self._transitions(key, (before or {}).get(key), key[0][:length])
        ]
        # Only now: after a failure above, the next look reports the same changes.
        self._statuses, self.active = statuses, list(active.values())
        # Several pages are as old as the oldest, which is the first.
        self.as_of = pages[0]["AsOf"]
        return sorted(changes, key=lambda change: change.at)

    def _active(self) -> Any:
        """Return the filters of the active jobs, newest first. The API knows which ones the service has deleted."""
        chosen = {name: value for name, value in self._filters.items() if name != "job_status"}
        return chosen | {"order": "descending", "active": True}

    def _recent(self, now: datetime) -> dict[_Key, Job]:
        """Return the recently submitted jobs by id, newest first."""
        since = f"{now - _RECENT:%Y-%m-%dT%H:%M:%S}"
        newest: dict[str, Any] = self._filters | {"order": "descending", "max_results": 100}
        listed = self._client.jobs(**newest)
        return self._by_id(takewhile(lambda job: job.get("SubmitTime", "") >= since, listed))

    @staticmethod
    def _by_id(jobs: Iterable[Job]) -> dict[_Key, Job]:
        return {
            (job["JobId"], tuple(source_of(job).items())): job for job in jobs if "JobId" in job
        }

    def _transitions(self, key: _Key, before: str | None, short_id: str) -> list[Change]:
        """Return a job's transitions since the status `before`."""
        job_id, source = key
        try:
            described = self._client.job(job_id, **cast(Any, dict(source)))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return []  # an operator has erased it
        name, shown = described[JOB].get("JobName", "-"), source_text(described[JOB])
        changes = []
        known = before is not None
        last = before or "(new)"
        for entry in described["History"]:
            status = entry.get("JobStatus", "-")
            if known:
                known = status != before
                continue
            changes.append(Change(entry["ObservedAt"], last, status, job_id, name, short_id, shown))
            last = status
        return changes
