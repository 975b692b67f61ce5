"""One job with its history, whether or not the service still knows it."""

from datetime import datetime

from jobledger.errors import BadParameter, InvalidParameters, JobNotFound
from jobledger.inputs import may_be_in_a_name
from jobledger.jobs import Family
from jobledger.ledger.table import Row, text_of
from jobledger.ledger.writing import Ledger
from jobledger.sync.freshness import as_of
from jobledger.times import rfc3339

JOB_ID_RULE = "1 to 32 letters, digits, blanks and _ . : = + - % @"


def parse_job_id(text: str) -> str:
    """Return a JobId as the service's model has it. Raises InvalidParameters."""
    if not 1 <= len(text) <= 32 or not all(map(may_be_in_a_name, text)):
        raise InvalidParameters([BadParameter("JobId", JOB_ID_RULE)])
    return text


def describe(ledger: Ledger, job_id: str, now: datetime) -> str:
    """Return the answer about a job, of whatever family, as JSON. Raises JobNotFound."""
    row = ledger.find(job_id)
    if row is None:
        raise JobNotFound
    family = Family(str(row["PK"]).rpartition("/")[2])
    time = as_of(ledger).get(family)
    expired = ',"ExpiredUpstream":true' if _is_expired(row, rfc3339(now)) else ""
    return (
        f'{{"ComprehendMedicalAsyncJobProperties":{row["Job"]},"History":{row["History"]}{expired}'
        f',"AsOf":{_json(time)}}}'
    )


def _is_expired(row: Row, now: str) -> bool:
    """Whether the service has said that it does not know the job, or said when it would forget it."""
    return bool(row.get("ExpiredUpstream")) or (text_of(row, "ExpirationTime") or now) < now


def _json(time: str | None) -> str:
    return f'"{time}"' if time else "null"
