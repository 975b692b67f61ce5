"""A digest as one JSON document. Its lists are cut until it fits, the failures last of all.

The schema is docs/digest.schema.json. Within version 1, members are only added.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from jobledger.digest.content import Digest
from jobledger.digest.parts import MOST_SHOWN, JobList, SourcePart
from jobledger.digest.shortlists import age_of
from jobledger.ledger.job_facts import JobFacts, duration_of
from jobledger.sources import place_of
from jobledger.totals.summary import every_status

VERSION = "1"

# In order of priority: lists at the end are truncated first.
_LISTS: dict[str, Callable[[Digest], JobList]] = {
    "Failed": lambda digest: digest.failed,
    "PartialSuccess": lambda digest: digest.partial_success,
    "LongRunning": lambda digest: digest.long_running,
    "Active": lambda digest: digest.active,
    "ExpiringSoon": lambda digest: digest.expiring_soon,
    "Completed": lambda digest: digest.completed,
}
_AGED = frozenset({"Active", "LongRunning"})
# Only these entries have the address of the job's page, and of each list only the first, as in the e-mail. In
# every entry, the address would nearly halve the number of entries that fit.
_FOR_A_PERSON = frozenset({"Failed", "PartialSuccess", "LongRunning"})
_LINKED = MOST_SHOWN
_SOURCES = "Sources"
"""The list of all sources. It is filled first, so that no number of failed jobs hides a source."""
_REMOVED: dict[bool, dict[str, bool]] = {False: {}, True: {"SourceRemoved": True}}

BoardOf = Callable[[JobFacts, str | None], str | None]
"""Returns the address of the page of a job, whose source is given if the ledger has several."""


def machine_json(digest: Digest, room: int, board_of: BoardOf = lambda job, source: None) -> str:
    """Return the digest as JSON of at most `room` bytes when embedded as a JSON string.

    MessageStructure=json embeds it that way: in UTF-8, with every quote escaped.
    """
    totals = {name: choose(digest).total for name, choose in _LISTS.items()}
    if digest.sources:
        totals = {_SOURCES: len(digest.sources)} | totals
    lists: dict[str, list[dict[str, Any]]] = {name: [] for name in totals}
    left = room - _escaped_size(_dumps(_document(digest, lists, totals)))
    for name in totals:
        for entry in _entries(digest, name, board_of):
            size = _escaped_size(_dumps(entry)) + 1  # and a comma
            if size > left:
                break
            left -= size
            lists[name].append(entry)
    truncated = {name: total - len(lists[name]) for name, total in totals.items()}
    return _dumps(_document(digest, lists, truncated))


def _entries(digest: Digest, name: str, board_of: BoardOf) -> Iterator[dict[str, Any]]:
    """Yield the entries of a list."""
    if name == _SOURCES:
        yield from map(_entry_of_source, digest.sources)
        return
    for number, job in enumerate(_LISTS[name](digest).jobs):
        entry = entry_of(digest, name, job)
        linked = name in _FOR_A_PERSON and number < _LINKED
        if linked and (page := board_of(job, digest.shown_source(job))):
            entry["Board"] = page
        yield entry


def _entry_of_source(part: SourcePart) -> dict[str, Any]:
    """Return what there is to say of a source. Of its statuses, it has those that jobs reached."""
    entry = {
        **place_of(part.source),
        "Verdict": part.verdict.value,
        "AsOf": part.as_of,
        "LastError": part.error,
        "Counts": dict(sorted((+part.counts).items())),
        "Active": part.active,
        "LongRunning": part.long_running.total,
        **_REMOVED[part.removed],
    }
    return {key: value for key, value in entry.items() if value is not None or key == "AsOf"}


def entry_of(digest: Digest, name: str, job: JobFacts) -> dict[str, Any]:
    """Return one job as an entry of the list `name`, without unknown members."""
    details, output = digest.details.get(job), digest.outputs.get(job)
    source = digest.shown_source(job)
    entry = {
        "JobId": job.job_id,
        **(place_of(source) if source else {}),
        "Family": job.family.value,
        "JobStatus": job.status,
        "SubmitTime": job.submit_time,
        "EndTime": job.end_time,
        "DurationSeconds": duration_of(job.submit_time, job.end_time),
        "AgeSeconds": age_of(job, digest.now) if name in _AGED else None,
        "ExpirationTime": job.expiration_time if name == "ExpiringSoon" else None,
        "JobName": details and details.name,
        "Output": details and details.output,
        "Processed": output and output.facts(),
        **_REMOVED[source is not None and source not in digest.configured],
    }
    return {key: value for key, value in entry.items() if value is not None}


def _document(
    digest: Digest, lists: dict[str, list[dict[str, Any]]], truncated: dict[str, int]
) -> dict[str, Any]:
    return {
        "Version": VERSION,
        "DigestId": digest.digest_id,
        "Account": digest.account,
        "Region": digest.region,
        "Families": [family.value for family in digest.families],
        "Window": digest.window.to_json(),
        "CoversGap": digest.covers_gap,
        "AsOf": digest.as_of,
        "Verdict": digest.verdict.value,
        "Counts": every_status(digest.counts),
        "Totals": every_status(digest.totals),
        **({"Processed": _processed(digest)} if digest.processed else {}),
        "Previous": None if digest.previous is None else every_status(digest.previous),
        **{name: lists[name] for name in _IN_ORDER if name in lists},
        "Truncated": {name: count for name, count in truncated.items() if count},
    }


def _processed(digest: Digest) -> dict[str, dict[str, dict[str, int]]]:
    """Return what all jobs in the ledger processed, by family and status."""
    return {
        family.value: {status: totals.to_json() for status, totals in by_status.items()}
        for family, by_status in digest.processed.items()
    }


# In the reader's order: jobs that need attention, completed jobs, active jobs.
_IN_ORDER = (
    _SOURCES,
    *("Failed", "PartialSuccess", "Completed", "Active", "LongRunning", "ExpiringSoon"),
)


def _dumps(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _escaped_size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2
