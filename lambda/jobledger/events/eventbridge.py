"""The only caller of EventBridge: sends one event for each change in the change log."""

import hashlib
import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import EventInvalid, EventRefused
from jobledger.ledger.rows import Change

DETAIL_TYPE = "Comprehend Medical Job State Change"
VERSION = "1"

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
)
# EventBridge refuses an event with one of these codes however often it is sent (API reference, PutEvents).
_INVALID = frozenset(
    {"InvalidArgument", "MalformedDetail", "RedactionFailure", "ValidationException"}
)


class EventBus:
    """EventBridge's default bus of this account and region. `source` is the deployment's own."""

    def __init__(self, client: Any, source: str) -> None:
        self._client = client
        self._source = source

    @classmethod
    def connect(cls, source: str) -> "EventBus":
        """Return the bus with its own client, bounded retries and timeouts."""
        return cls(session().create_client("events", config=CONFIG), source)

    def put(self, change: Change, source: str, job_name: str | None) -> None:
        """Send one change of a source, `account/region`. Raises EventRefused, or EventInvalid when every retry would be refused too."""
        entry = {
            "Source": self._source,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(detail_of(change, source, job_name)),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except ClientError as error:
            raise _refused(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise EventRefused(type(error).__name__) from error
        taken = answer["Entries"][0] if answer["Entries"] else {}
        taken = taken if isinstance(taken, dict) else {}
        code = taken.get("ErrorCode")
        if answer["FailedEntryCount"] or code or not taken.get("EventId"):
            raise _refused(str(code or "InvalidResponse"))


def _refused(code: str) -> EventRefused:
    return EventInvalid(code) if code in _INVALID else EventRefused(code)


def detail_of(change: Change, source: str, job_name: str | None) -> dict[str, str | None]:
    """Return an event's `detail`; `source` is the job's own account and region. Every member is always present, and null when the service omits it.

    `EventId` is the same for repeated deliveries of a change. `JobName` is present only when one is given,
    which the setting includeJobDetails decides.
    """
    account, region = source.split("/")
    identity = f"{source}/{change.family}#{change.observed_at}#{change.job_id}"
    detail = {
        "Version": VERSION,
        "Account": account,
        "Region": region,
        "Family": change.family.value,
        "JobId": change.job_id,
        "JobStatus": change.status,
        "PreviousJobStatus": change.previous,
        "SubmitTime": change.submit_time,
        "EndTime": change.end_time,
        "ObservedAt": change.observed_at,
        "EventId": hashlib.sha256(identity.encode()).hexdigest()[:32],
    }
    return detail if job_name is None else detail | {"JobName": job_name}
