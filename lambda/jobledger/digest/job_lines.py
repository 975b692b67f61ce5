"""The lines of a digest's e-mail that list jobs, and how a line is broken."""

import textwrap
from collections.abc import Callable, Iterator

from jobledger.digest.content import Details, Digest
from jobledger.digest.parts import MOST_SHOWN, JobList
from jobledger.ledger.job_facts import JobFacts, duration_of
from jobledger.times import seconds_between
from jobledger.wording import COLUMNS, printable, span

_Line = Callable[[JobFacts, Digest], str]


def section(
    title: str, listed: JobList, line: _Line, digest: Digest, most: int = MOST_SHOWN
) -> list[str]:
    """Return a title with the number of jobs, and a line for each of the first ones."""
    if not listed.total:
        return []
    lines = [f"{title}: {listed.total:,}"]
    for job in listed.jobs[:most]:
        said = f"- {job.family} {printable(job.job_id)}, {line(job, digest)}"
        lines += wrapped(said, indent="  ")
        lines += _details(digest.details.get(job))
        if (output := digest.outputs.get(job)) and output.notable:
            lines += wrapped(f"  {output.text}", indent="    ")
    if listed.total > most:
        lines.append(f"- and {listed.total - most:,} more")
    return lines


def _details(details: Details | None) -> Iterator[str]:
    if details and details.name:
        yield from wrapped(f"  name: {printable(details.name)}", indent="    ")
    if details and details.output:
        yield from wrapped(f"  output: {printable(details.output)}", indent="    ")


def ended_line(job: JobFacts, digest: Digest) -> str:
    """Return when a job ended, and how long it took."""
    ended = "" if job.end_time is None else f"{age(job.end_time, digest)} ago"
    seconds = duration_of(job.submit_time, job.end_time)
    took = "" if seconds is None else f" after {span(seconds)}"
    return f"{ended}{took}" or "no time given"


def running_line(job: JobFacts, digest: Digest) -> str:
    """Return the status of an active job, and how old it is."""
    status = printable(job.status or "active").lower().replace("_", " ")
    assert job.submit_time is not None  # a job runs long only by its submit time
    return f"{status} for {age(job.submit_time, digest)}"


def wrapped(said: str, indent: str = "") -> list[str]:
    """Return a text in lines of 78 columns."""
    return textwrap.wrap(
        said,
        COLUMNS,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def age(time: str, digest: Digest) -> str:
    """Return how long before the digest a time was."""
    return span(max(seconds_between(time, digest.now), 0.0))
