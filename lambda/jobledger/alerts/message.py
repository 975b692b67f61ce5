"""The message of one or more job status changes: subject and text for people, JSON for programs.

docs/events.md shows one.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from jobledger.alerts.changes import Change, Place
from jobledger.ledger.job_facts import duration_of
from jobledger.ledger.output import Output
from jobledger.sns import MAX_BYTES, Notification
from jobledger.times import rfc3339, seconds_between
from jobledger.wording import (
    COLUMNS,
    MAX_SUBJECT,
    board_page,
    job_arguments,
    open_page,
    printable,
    signed_request,
    source_query,
    span,
    status_label,
)

VERSION = "1"
KIND = "Alert"
_MOST_LISTED = 10
_LONGEST = 256
# All other statuses follow in alphabetical order.
_MOST_URGENT = ("FAILED", "PARTIAL_SUCCESS", "STOPPED")
_SHORT_LABELS = {"PARTIAL_SUCCESS": "partial"}


def listed(changes: Sequence[Change]) -> list[Change]:
    """Return the changes of which the e-mail has a line: of each status the first ones."""
    statuses = _by_urgency(Counter(change.job_status for change in changes))
    return [
        change
        for status in statuses
        for change in [each for each in changes if each.job_status == status][:_MOST_LISTED]
    ]


def render(
    changes: Sequence[Change],
    place: Place,
    now: datetime,
    outputs: Mapping[str, Output] = MappingProxyType({}),
) -> Notification:
    """Return the message. When it is too large for SNS, the JSON leaves out changes and says how many.

    `outputs` is what jobs processed, by EventId, as far as it is known.
    """
    email = _text(changes, place, now, outputs)
    kept = list(changes)
    while True:
        notification = _notification(changes, kept, place, email, outputs)
        if notification.size() <= MAX_BYTES or not kept:
            return notification
        # Cut in proportion to the excess, and at least one, so that the loop ends.
        del kept[min(len(kept) - 1, len(kept) * MAX_BYTES // notification.size()) :]


def render_chat(changes: Sequence[Change], place: Place) -> Notification:
    """Return the message as an Amazon Q Developer custom notification.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    title = _subject(changes)
    said = {
        "version": "1.0",
        "source": "custom",
        "id": changes[0].event_id,
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": _verdict(changes),
            "keywords": [KIND, *_unique(change.family for change in changes)],
            **({} if changes[0].test else {"nextSteps": _next_steps(changes, place)}),
        },
        "metadata": {"summary": title, "eventType": KIND},
    }
    return Notification(bodies={"default": json.dumps(said)})


def _notification(
    changes: Sequence[Change],
    kept: Sequence[Change],
    place: Place,
    email: str,
    outputs: Mapping[str, Output],
) -> Notification:
    document: dict[str, Any] = {
        "Version": VERSION,
        "Kind": KIND,
        "Account": place.account,
        "Region": place.region,
        "Counts": Counter(change.job_status for change in changes),
        "Changes": [_entry(number, change, place, outputs) for number, change in enumerate(kept)],
        "Truncated": {"Changes": len(changes) - len(kept)} if len(kept) < len(changes) else {},
    }
    attributes: dict[str, str | tuple[str, ...]] = {
        "Kind": KIND,
        "Version": VERSION,
        "Families": _unique(change.family for change in changes),
        "JobStatuses": _unique(change.job_status for change in changes),
    }
    if place.shared:
        attributes["Accounts"] = _all(change.account for change in changes)
        attributes["Regions"] = _all(change.region for change in changes)
    if changes[0].test:
        document["Test"] = True
        attributes["Test"] = "true"
    return Notification(
        bodies={
            "default": json.dumps(document, ensure_ascii=False, separators=(",", ":")),
            "email": email,
        },
        subject=_subject(changes),
        attributes=attributes,
    )


def _entry(
    number: int, change: Change, place: Place, outputs: Mapping[str, Output]
) -> dict[str, Any]:
    """Return a change of the list. The first ones, which the e-mail lists too, have the address of the job's page."""
    linked = number < _MOST_LISTED
    page = board_page(place.api_url, change.job_id, _source(change, place)) if linked else None
    output = outputs.get(change.event_id)
    processed = {"Processed": output.facts()} if output else {}
    return dict(change.detail) | processed | ({"Board": page} if page else {})


def _unique(values: Iterator[str]) -> tuple[str, ...]:
    return _all(values)[:_MOST_LISTED]


def _all(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted({_line(value) for value in values}))


def _subject(changes: Sequence[Change]) -> str:
    """Return families, statuses and numbers, in printable ASCII."""
    groups = Counter((change.job_status, change.family) for change in changes)
    statuses = Counter(change.job_status for change in changes)
    mark = "TEST: " if changes[0].test else ""
    detailed = [
        f"{groups[status, family]} {printable(family)} {_short(status)}"
        for status in _by_urgency(statuses)
        for family in sorted(family for found, family in groups if found == status)
    ]
    plain = [f"{statuses[status]} {_short(status)}" for status in _by_urgency(statuses)]
    for parts in (detailed, plain, [f"{len(changes)} changes"]):
        said = f"[job-ledger] {mark}{', '.join(parts)}".encode("ascii", "replace").decode()
        if len(said) <= MAX_SUBJECT:
            break
    return said


def _by_urgency(statuses: Iterable[str]) -> list[str]:
    rest = len(_MOST_URGENT)
    urgency = {status: place for place, status in enumerate(_MOST_URGENT)}
    return sorted(statuses, key=lambda status: (urgency.get(status, rest), status))


def _short(status: str) -> str:
    return _SHORT_LABELS.get(status, status_label(status))


def _verdict(changes: Sequence[Change]) -> str:
    if changes[0].test:
        return "TEST: this message shows that alerts arrive. It is not about a job."
    statuses = Counter(change.job_status for change in changes)
    said = (
        f"{number:,} {'job' if number == 1 else 'jobs'} {status_label(status)}"
        for status, number in ((each, statuses[each]) for each in _by_urgency(statuses))
    )
    return f"{', '.join(said)}."


def _text(
    changes: Sequence[Change], place: Place, now: datetime, outputs: Mapping[str, Output]
) -> str:
    statuses = _by_urgency(Counter(change.job_status for change in changes))
    paragraphs = [
        _verdict(changes),
        *(
            "\n".join(_section(status, changes, place, rfc3339(now), outputs))
            for status in statuses
        ),
        *([] if changes[0].test else _where_to_look(changes, place)),
        textwrap.fill(
            f"Job Ledger of account {place.account} in {place.region}. One e-mail a minute at most, for all changes"
            " of that minute. To choose the statuses, or none: cdk deploy with -c alertOn=... To stop these"
            " e-mails, use the link below.",
            COLUMNS,
            break_on_hyphens=False,
        ),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _where_to_look(changes: Sequence[Change], place: Place) -> list[str]:
    return [
        "\n".join(["Look closer (Message has the reason):", *_closer_look(changes, place)]),
        "Or in the AWS console: the dashboard of this deployment in CloudWatch.",
    ]


def _section(
    status: str,
    changes: Sequence[Change],
    place: Place,
    now: str,
    outputs: Mapping[str, Output],
) -> Iterator[str]:
    found = [change for change in changes if change.job_status == status]
    yield f"{status_label(status).upper()}: {len(found):,}"
    for change in found[:_MOST_LISTED]:
        yield f"- {_line(change.family)} {_line(change.job_id)}{_ended(change, now)}"
        if place.shared:
            yield f"  in {_line(change.source)}"
        if change.job_name:
            yield f"  name: {_line(change.job_name)}"
        if (output := outputs.get(change.event_id)) and output.notable:
            yield from textwrap.wrap(f"  {output.text}", COLUMNS, subsequent_indent="    ")
    if len(found) > _MOST_LISTED:
        yield f"- and {len(found) - _MOST_LISTED:,} more"


def _line(foreign: str) -> str:
    """Return a text of an event as one line, cut to the length of the longest job name."""
    return printable(foreign)[:_LONGEST]


def _source(change: Change, place: Place) -> str | None:
    """Return the source of a change's job in a ledger that has several."""
    return _line(change.source) if place.shared else None


def _ended(change: Change, now: str) -> str:
    try:
        ago = "" if change.end_time is None else f", {_since(change.end_time, now)} ago"
        seconds = duration_of(change.submit_time, change.end_time)
    except (ValueError, OverflowError):
        return ""
    return ago + ("" if seconds is None else f" after {span(seconds)}")


def _since(time: str, now: str) -> str:
    return span(max(seconds_between(time, now), 0.0))


def _next_steps(changes: Sequence[Change], place: Place) -> list[str]:
    return [f"Look closer: `{line}`" for line in _closer_look(changes, place)]


def _closer_look(changes: Sequence[Change], place: Place) -> list[str]:
    """Return commands for the first job: in a shell, in a browser, and over HTTPS."""
    job_id, source = _line(changes[0].job_id), _source(changes[0], place)
    url = f"{place.api_url or '$API_URL'}/jobs/{job_id}{source_query(source)}"
    return [
        f"jobledger job {job_arguments(job_id, source)}",
        open_page(job_id, source),
        signed_request(place.region, url),
    ]
