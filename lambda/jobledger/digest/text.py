"""A digest as subject and plain text, readable on a phone in ten seconds.

Lines have at most 78 columns, except commands, which stay on one line for copying. Only numbers are
aligned by spaces: in most proportional fonts, digits have equal width.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from jobledger.digest.content import Digest
from jobledger.digest.job_lines import age, ended_line, running_line, section, wrapped
from jobledger.digest.parts import Verdict
from jobledger.digest.source_lines import changed_sources, source_sections, stale_sources
from jobledger.ledger.job_facts import JobFacts
from jobledger.service import JobStatus
from jobledger.times import parse, rfc3339
from jobledger.wording import (
    MAX_SUBJECT,
    STATUS_LABELS,
    board_page,
    open_page,
    signed_request,
    span,
    status_label,
)


class TextOptions(msgspec.Struct, frozen=True):
    """Options of the text; `api_url` is None when unknown."""

    zone: ZoneInfo
    api_url: str | None

    def board_of(self, job: JobFacts, source: str | None) -> str | None:
        """Return the address of the board's page of a job; None when the API's is unknown."""
        return board_page(self.api_url, job.job_id, source)


class Texts(msgspec.Struct, frozen=True):
    """The texts of one digest for people. `look_closer` has the commands that show troubled jobs, if there are any."""

    subject: str
    verdict: str
    look_closer: tuple[str, ...]
    email: str


def render_texts(digest: Digest, options: TextOptions) -> Texts:
    """Return all texts of a digest."""
    return Texts(
        subject=subject(digest, options),
        verdict=verdict_sentence(digest),
        look_closer=look_closer(digest, options),
        email=text(digest, options),
    )


def subject(digest: Digest, options: TextOptions) -> str:
    """Return a subject of counts and dates only, in printable ASCII."""
    counts = [
        (digest.failed.total, "FAILED"),
        (digest.partial_success.total, "partial"),
        (digest.long_running.total, "running long"),
        (digest.completed.total, "completed"),
    ]
    parts = [f"{number} {label}" for number, label in counts if number]
    if not parts:
        changes = digest.counts.total()
        parts = [f"{changes or 'no'} change{'' if changes == 1 else 's'}"]
    if digest.verdict is Verdict.STALE:
        parts.insert(0, "STALE")
    start, end = (_local(time, options).date() for time in (digest.window.start, digest.window.end))
    dates = f"{start} to {end}" if digest.covers_gap else str(end)
    mark = f"[job-ledger] {digest.source}:" if digest.source else "[job-ledger]"
    said = f"{mark} {', '.join([*parts, dates])}"
    while len(said) > MAX_SUBJECT:
        parts.pop()  # the least urgent
        said = f"{mark} {', '.join([*parts, dates])}"
    return said


def text(digest: Digest, options: TextOptions) -> str:
    """Return the e-mail text."""
    paragraphs = (
        [*wrapped(verdict_sentence(digest)), *wrapped(_rest(digest))],
        _gap(digest, options),
        *(source_sections(digest) or _troubled(digest)),
        _closer_look(digest, options),
        *([] if digest.sources else [_long_running(digest)]),
        _counts(digest),
        _totals(digest),
        _processed(digest),
        _expiring(digest, options),
        _window(digest, options),
        _how_to_stop(digest),
    )
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def verdict_sentence(digest: Digest) -> str:
    """Return the first line: whether anyone needs to act, and why."""
    counts = (
        (digest.failed.total, "job failed", "jobs failed"),
        (digest.partial_success.total, "finished only in part", "finished only in part"),
        (digest.long_running.total, "runs unusually long", "run unusually long"),
    )
    troubles = [
        f"{number:,} {one if number == 1 else many}" for number, one, many in counts if number
    ]
    if digest.verdict is Verdict.STALE:
        found = f" Until then: {', '.join(troubles)}." if troubles else ""
        return f"STALE: {stale_sources(digest) or _since(digest)}{found}"
    if digest.verdict is Verdict.ATTENTION:
        return f"ATTENTION: {', '.join(troubles)}."
    return "OK: no action is needed."


def _since(digest: Digest) -> str:
    since = "has no known sync with Comprehend Medical"
    if digest.as_of is not None:
        since = f"last synced with Comprehend Medical {age(digest.as_of, digest)} ago"
    return (
        f"the {'source' if digest.source else 'ledger'} {since}; it may not include recent changes."
    )


def _rest(digest: Digest) -> str:
    said = f"{_jobs(digest.completed.total)} completed, {digest.active.total:,} active now."
    return f"{said}{changed_sources(digest)}"


def _troubled(digest: Digest) -> list[list[str]]:
    return [
        section("FAILED", digest.failed, ended_line, digest),
        section("FINISHED IN PART", digest.partial_success, ended_line, digest),
    ]


def _long_running(digest: Digest) -> list[str]:
    return section("RUNNING UNUSUALLY LONG", digest.long_running, running_line, digest)


def look_closer(digest: Digest, options: TextOptions) -> tuple[str, ...]:
    """Return the command that opens the first troubled job, and the API call that lists all of them."""
    troubled = (*digest.failed.jobs, *digest.partial_success.jobs)
    if not troubled:
        return ()
    families = {job.family.value for job in troubled}
    parameters = [("Family", families.pop() if len(families) == 1 else "ALL")]
    if digest.source:
        parameters += [("Account", digest.account), ("Region", digest.region)]
    if digest.failed.total:
        parameters.append(("JobStatus", JobStatus.FAILED.value))
    if digest.partial_success.total:
        parameters.append(("JobStatus", JobStatus.PARTIAL_SUCCESS.value))
    submitted = [job.submit_time for job in troubled]
    total = digest.failed.total + digest.partial_success.total
    if None not in submitted and len(submitted) == total:
        # The bound is exclusive.
        first = parse(min(filter(None, submitted))) - timedelta(seconds=1)
        parameters.append(("SubmitTimeAfter", f"{rfc3339(first)[:19]}Z"))
    url = f"{options.api_url or '$API_URL'}/jobs?{urlencode(parameters, safe=':')}"
    first_page = open_page(troubled[0].job_id, digest.shown_source(troubled[0]))
    return first_page, signed_request(_region_of_ledger(digest), url)


def _closer_look(digest: Digest, options: TextOptions) -> list[str]:
    commands = look_closer(digest, options)
    return ["Look closer (Message has the reason):", *commands] if commands else []


def _counts(digest: Digest) -> list[str]:
    previous = digest.previous
    compared = "" if previous is None else " (and the change from the preceding window)"
    lines = [f"IN THIS WINDOW{compared}"]
    for status in _by_importance(digest.counts.keys() | (previous or {}).keys()):
        number = digest.counts[status]
        change = "" if previous is None else f" ({number - previous[status]:+,})"
        lines.append(f"{number:>7,}  {status_label(status)}{change.replace('+0', '=')}")
    return lines if len(lines) > 1 else ["IN THIS WINDOW: no job changed its status."]


def _by_importance(statuses: Iterable[str]) -> list[str]:
    order = list(STATUS_LABELS)
    return sorted(statuses, key=lambda s: (order.index(s) if s in order else len(order), s))


def _totals(digest: Digest) -> list[str]:
    counts = +digest.totals
    said = ", ".join(f"{counts[s]:,} {status_label(s)}" for s in _by_importance(counts))
    total = digest.totals.total()
    return wrapped(f"In the ledger now: {_jobs(total)}{': ' if said else ''}{said}.")


def _processed(digest: Digest) -> list[str]:
    """Return what all jobs processed; nothing where outputs are not read."""
    counted = [totals for by_status in digest.processed.values() for totals in by_status.values()]
    if not counted:
        return []
    files, left, characters = (
        sum(getattr(totals, name) for totals in counted)
        for name in ("files", "unprocessed", "characters")
    )
    return wrapped(
        f"Processed in all: {characters:,} characters of {files:,} files; {left:,} files were not processed."
    )


def _expiring(digest: Digest, options: TextOptions) -> list[str]:
    expiring = digest.expiring_soon
    if not expiring.total:
        return []
    loses = "loses its entry" if expiring.total == 1 else "lose their entries"
    said = f"Expiring within 7 days: {_jobs(expiring.total)} {loses} in Comprehend Medical"
    if expiring.jobs:  # empty when the jobs changed after their counters were read
        first = expiring.jobs[0].expiration_time
        assert first is not None  # the list is made by this time
        day = _local(first, options)
        said += f", the first on {day:%a} {day.day} {day:%b}"
    return wrapped(f"{said}. The ledger keeps them.")


def _gap(digest: Digest, options: TextOptions) -> list[str]:
    if not digest.covers_gap:
        return []
    start = _local(digest.window.start, options)
    return wrapped(
        f"Runs were missed: no digest was sent since {start:%Y-%m-%d %H:%M}."
        f" This digest covers the whole time, {span(digest.window.seconds)}."
    )


def _window(digest: Digest, options: TextOptions) -> list[str]:
    start, end = (_local(time, options) for time in (digest.window.start, digest.window.end))
    lines = []
    if options.zone.key != "UTC":
        lines.append(f"Window: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} {options.zone.key}")
    times = (time[:16].replace("T", " ") for time in (digest.window.start, digest.window.end))
    lines.append(f"Window: {' to '.join(times)} UTC")
    if digest.as_of is not None and digest.verdict is not Verdict.STALE:
        lines.append(
            f"The ledger last synced with Comprehend Medical {age(digest.as_of, digest)} ago."
        )
    return lines


def _region_of_ledger(digest: Digest) -> str:
    return digest.scope.partition("/")[2]


def _how_to_stop(digest: Digest) -> list[str]:
    return [
        *wrapped(
            f"Job Ledger of account {digest.scope.partition('/')[0]} in {_region_of_ledger(digest)}"
            f"{f', source {digest.source}' if digest.source else ''}. To stop these e-mails, use"
            " the link below. To get them at another time, or only when something changed or needs"
            " you: cdk deploy with -c digestSchedule=... or -c digestWhen=..."
        ),
        f"Digest {digest.digest_id}",
    ]


def _local(time: str, options: TextOptions) -> datetime:
    return parse(time).astimezone(options.zone)


def _jobs(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"
