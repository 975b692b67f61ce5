"""Finds a job by its id or by the start of it, as the tables on a terminal show it."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from job_ledger.command.output import printable
from job_ledger.errors import ApiError
from job_ledger.types import JobDescription

if TYPE_CHECKING:
    from job_ledger.client import JobLedger

# Reading them takes two seconds. Older jobs need the whole id.
NEWEST = 5_000
_WHOLE = 32
_NOT_FOUND = 404
_SHOWN = 3


def find_job(client: "JobLedger", job_id: str, source: Any = None) -> JobDescription:
    """Return the job with this id, or the only one of the newest whose id begins with it; `source` are filters.

    Raises ApiError when there is none, and ClickException when there are several.
    """
    source = source or {}
    try:
        return client.job(job_id, **source)
    except ApiError as error:
        if error.status != _NOT_FOUND or not job_id.strip(".") or len(job_id) >= _WHOLE:
            raise
        missing = error
    # A dictionary, because pages can repeat a job.
    newest = {
        job.get("JobId", ""): None for job in islice(client.jobs(family="ALL", **source), NEWEST)
    }
    found = [known for known in newest if known.startswith(job_id)]
    if len(found) == 1:
        return client.job(found[0], **source)
    if found:
        shown = ", ".join(map(printable, found[:_SHOWN])) + (", …" if len(found) > _SHOWN else "")
        raise click.ClickException(
            f"{len(found):,} ids begin with {printable(job_id)} ({shown}): write more of the id."
        )
    detail = (
        f"{missing.problem['detail']} Of the newest {len(newest):,} jobs, no id begins with it."
    )
    raise ApiError({**missing.problem, "detail": detail}, missing.request_id)
