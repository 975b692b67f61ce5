"""The job status changes that alerts are about, and the place of the ledger that has them."""

import json
from typing import Any

import msgspec

from jobledger.wording import printable

_LONGEST = 256


class Change(msgspec.Struct, frozen=True, rename="pascal"):
    """The members of an event's `detail` that the text needs, and the complete `detail`."""

    event_id: str
    family: str
    job_id: str
    job_status: str
    account: str = ""
    region: str = ""
    submit_time: str | None = None
    end_time: str | None = None
    observed_at: str = ""
    job_name: str | None = None
    test: bool = False
    detail: dict[str, Any] = msgspec.field(default_factory=dict, name="detail")

    @property
    def source(self) -> str:
        """The account and region of the job, as `account/region`."""
        return f"{self.account}/{self.region}"


class Place(msgspec.Struct, frozen=True):
    """The ledger's place; `api_url` is None when unknown. With `shared`, the jobs are of several sources."""

    account: str
    region: str
    api_url: str | None
    shared: bool = False

    def shown_source(self, change: Change) -> str | None:
        """Return the source of a change's job in a ledger that has several."""
        return line(change.source) if self.shared and change.account else None


def parse_event(body: str) -> Change | None:
    """Return the change in an event of EventBridge; None when the event cannot be parsed."""
    try:
        detail = json.loads(body)["detail"]
        # JSON can carry a lone surrogate, which no message can.
        json.dumps(detail, ensure_ascii=False).encode()
        return msgspec.convert({**detail, "detail": detail}, Change)
    except (ValueError, TypeError, KeyError):
        return None


def line(foreign: str) -> str:
    """Return a text of an event as one line, cut to the length of the longest job name."""
    return printable(foreign)[:_LONGEST]
