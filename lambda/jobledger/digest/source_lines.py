"""What a digest's e-mail says of sources: which are stale, and a section for each that a person has to look at."""

from collections import Counter
from collections.abc import Iterator, Sequence

from jobledger.digest.content import Digest
from jobledger.digest.job_lines import age, ended_line, running_line, section, wrapped
from jobledger.digest.parts import MOST_SHOWN, SourcePart

# Of each list of a source. A source that is the only one has more room.
_MOST_LISTED = 3
_MOST_NAMED = 5


def stale_sources(digest: Digest) -> str:
    """Return which sources are stale, and for how long; empty for a digest of one source."""
    stale = [part for part in digest.sources if part.stale]
    if digest.source or not stale:
        return ""
    names = [part.source for part in stale[:_MOST_NAMED]]
    if len(stale) > _MOST_NAMED:
        names[-1:] = [f"and {len(stale) - _MOST_NAMED + 1:,} more"]
    said = f"{len(stale):,} of {_sources(len(digest.configured))} {_last_synced(stale, digest)}"
    their = "its" if len(stale) == 1 else "their"
    return f"{said}: {', '.join(names)}; {their} recent changes may be missing."


def changed_sources(digest: Digest) -> str:
    """Return how many sources had changes; empty for a digest of one source."""
    if digest.source or not digest.sources:
        return ""
    changed = sum(bool(part.counts.total()) for part in digest.sources)
    return f" Changes in {changed:,} of {_sources(len(digest.sources))}."


def source_sections(digest: Digest) -> list[list[str]]:
    """Return a section for each of the first sources that have something to say, and a line about the others."""
    notable = digest.notable_sources
    most = MOST_SHOWN if len(notable) == 1 else _MOST_LISTED
    sections = [[*_section(part, digest, most)] for part in notable[:MOST_SHOWN]]
    rest = notable[MOST_SHOWN:]
    return [*sections, _others(rest)] if rest else sections


def _section(part: SourcePart, digest: Digest, most: int) -> Iterator[str]:
    removed = " (no longer a source of the ledger)" if part.removed else ""
    yield f"SOURCE {part.source}{removed}"
    said = []
    if part.stale:
        since = "No known sync" if part.as_of is None else "Last synced"
        when = "" if part.as_of is None else f" {age(part.as_of, digest)} ago"
        said.append(f"{since} with Comprehend Medical{when}.")
    if part.error:
        said.append(f"The last sync failed: {part.error}.")
    yield from wrapped(" ".join(said))
    yield from section("FAILED", part.failed, ended_line, digest, most)
    yield from section("FINISHED IN PART", part.partial_success, ended_line, digest, most)
    yield from section("RUNNING UNUSUALLY LONG", part.long_running, running_line, digest, most)


def _others(rest: Sequence[SourcePart]) -> list[str]:
    counts = Counter[str]()
    for part in rest:
        counts["FAILED"] += part.failed.total
        counts["finished in part"] += part.partial_success.total
        counts["running unusually long"] += part.long_running.total
        counts["stale"] += part.stale
        counts["with a failed sync"] += part.error is not None
    jobs = [f"{number:,} {label}" for label, number in counts.items() if number]
    others = "SOURCE" if len(rest) == 1 else "SOURCES"
    return wrapped(f"AND {len(rest):,} MORE {others}: {', '.join(jobs)}.")


def _last_synced(stale: Sequence[SourcePart], digest: Digest) -> str:
    times = [part.as_of for part in stale if part.as_of is not None]
    if not times:
        return f"{'has' if len(stale) == 1 else 'have'} no known sync with Comprehend Medical"
    ages = dict.fromkeys(age(time, digest) for time in (max(times), min(times)))
    never = " or never" if len(times) < len(stale) else ""
    return f"last synced with Comprehend Medical {' to '.join(ages)} ago{never}"


def _sources(number: int) -> str:
    return f"{number:,} {'source' if number == 1 else 'sources'}"
