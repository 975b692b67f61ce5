"""GET /jobs/{JobId}: one job with its history, including jobs that the service has deleted."""

from datetime import datetime

import msgspec

from jobledger.errors import JobNotFound
from jobledger.jobs import read_stored
from jobledger.ledger.as_of import recent_as_of
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import checked, history_of
from jobledger.ledger.table import Row
from jobledger.service import Family
from jobledger.sources import source_of_key
from jobledger.times import rfc3339


def describe(ledger: Ledger, job_id: str, now: datetime, sources: tuple[str, ...] = ()) -> str:
    """Return a job of any family and, without `sources`, any source as a JSON response body. Raises JobNotFound, and NotUnderstood for a damaged row."""
    row = ledger.find(job_id, sources)
    if row is None:
        raise JobNotFound
    shown = ledger.shown.of_row(checked(row))
    family = Family(str(row["PK"]).rpartition("/")[2])
    time = recent_as_of(ledger, [source_of_key(str(row["SK"])) or ledger.scope]).get(family)
    expired = ',"ExpiredUpstream":true' if _is_expired(row, rfc3339(now)) else ""
    return (
        f'{{"ComprehendMedicalAsyncJobProperties":{shown},"History":{_history(row)}{expired}'
        f',"AsOf":{_json(time)}}}'
    )


def _is_expired(row: Row, now: str) -> bool:
    """Whether the service no longer knows the job, or its ExpirationTime has passed."""
    job = read_stored(str(row["Job"]))
    return bool(row.get("ExpiredUpstream")) or (job.ExpirationTime or now) < now


def _history(row: Row) -> str:
    seen = (
        {"JobStatus": status, "ObservedAt": time} if status else {"ObservedAt": time}
        for status, time in history_of(row)
    )
    return msgspec.json.encode(list(seen)).decode()


def _json(time: str | None) -> str:
    return f'"{time}"' if time else "null"
