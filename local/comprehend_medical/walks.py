"""Listing: the order of a walk, its pages, and the tokens that lead from page to page.

A walk lists every job that exists from its beginning to its end, at least once. Its token has all of its state. A walk
in time order continues after a (SubmitTime, key). A walk without a documented order steps through the log's positions
by a stride that is prime to their number: it visits each position once, in an order that looks random.
"""

import base64
import hashlib
import hmac
import json
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from local.comprehend_medical.errors import ServiceError
from local.comprehend_medical.families import Family
from local.comprehend_medical.jobs import Job
from local.comprehend_medical.settings import Hostility
from local.comprehend_medical.store import Log, Shelf

DEFAULT_PAGE = 100
NOTHING = Log()
RING = 3  # number of pages after which tokens repeat under the fault TokenCycle


class Query(NamedTuple):
    """A validated List request."""

    family: Family
    name: str | None = None
    status: str | None = None
    before: float | None = None
    after: float | None = None

    @classmethod
    def of(cls, family: Family, wanted: Mapping[str, Any], single_filter: bool) -> "Query":
        """Parse a validated Filter. "You can only set one filter at a time", according to four of five families."""
        filters = {name: value for name, value in wanted.items() if value is not None}
        if single_filter and len(filters) > 1:
            raise ServiceError("InvalidRequestException", "You can only set one filter at a time.")
        return cls(
            family,
            filters.get("JobName"),
            filters.get("JobStatus"),
            filters.get("SubmitTimeBefore"),
            filters.get("SubmitTimeAfter"),
        )

    @property
    def timed(self) -> bool:
        """Whether the order is documented."""
        return self.before is not None or self.after is not None

    def fits(self, job: Job, now: float) -> bool:
        """Whether the job matches, without time filters."""
        return (
            job.listed_from <= now
            and (self.name is None or self.name == job.name)
            and (self.status is None or self.status == job.status)
        )

    def log(self, shelf: Shelf) -> Log:
        """Return the shortest log that contains all matching jobs."""
        if self.name is not None:
            return shelf.by_name.get(self.name, NOTHING)
        if self.status is not None:
            return shelf.by_status.get(self.status, NOTHING)
        return shelf.everything


class Cursor(NamedTuple):
    """The position of a walk. The token contains all of it."""

    walk: int
    issued: float
    path: tuple[int, int, int]  # positions, stride and offset of a walk without order
    after: tuple[float, int] | None = (
        None  # SubmitTime (or position) and key of the last one passed
    )
    last: int | None = None  # key of the last job listed
    page: int = 0
    blanks: int = 0  # remaining empty pages (fault EmptyPages)
    ring: tuple[tuple[float, int] | None, int | None] | None = (
        None  # position to which the tokens return
    )


class Page(NamedTuple):
    """The jobs of a page, and the position of the next one, if any."""

    jobs: list[Job]
    following: Cursor | None


def begin(
    query: Query, shelf: Shelf, walk: int, now: float, shuffle: bool, seed: int, blanks: int = 0
) -> Cursor:
    """Start a walk. Without the switch shuffle, undocumented orders are newest first."""
    positions = 0 if query.timed else len(query.log(shelf).slots)
    stride, offset = -1, positions - 1
    if shuffle and positions > 1:
        rng = random.Random(f"{seed}/{walk}")
        offset = rng.randrange(positions)
        stride = rng.randrange(1, positions)
        while math.gcd(stride, positions) > 1:
            stride = rng.randrange(1, positions)
    return Cursor(walk, now, (positions, stride, offset), blanks=blanks)


def turn(
    query: Query,
    shelf: Shelf,
    cursor: Cursor,
    limit: int,
    hostility: Hostility,
    now: float,
    seed: int,
) -> Page:
    """Return the page at the cursor."""
    if cursor.blanks:
        return Page([], cursor._replace(blanks=cursor.blanks - 1, page=cursor.page + 1))
    rng = random.Random(f"{seed}/{cursor.walk}/{cursor.page}")
    size = _size(limit, hostility, rng)
    jobs = _repeated(query, shelf, cursor, size, hostility, rng, now)
    repeated = len(jobs)
    items = _from(query, shelf, cursor, now)
    after, last = cursor.after, cursor.last
    for after, job in islice(items, size - repeated):  # noqa: B007 - the last one is read below
        jobs.append(job)
        last = job.key
    # A last page can still have a token, and the next page is then empty.
    more = next(items, None) is not None or (
        hostility.empty_pages and len(jobs) > repeated and rng.random() < 0.25
    )
    following = cursor._replace(after=after, last=last, page=cursor.page + 1)
    return Page(jobs, following if more else None)


def _size(limit: int, hostility: Hostility, rng: random.Random) -> int:
    if hostility.empty_pages and rng.random() < 0.15:
        return 0
    if hostility.short_pages and rng.random() < 0.35:
        return rng.randint(1, limit)
    return limit


def _repeated(
    query: Query,
    shelf: Shelf,
    cursor: Cursor,
    size: int,
    hostility: Hostility,
    rng: random.Random,
    now: float,
) -> list[Job]:
    """Start a page with the last job of the previous one, as if the boundary had shifted."""
    if not hostility.repeat_jobs or cursor.last is None or size < 2 or rng.random() > 0.35:
        return []
    job = shelf.jobs.get(cursor.last)
    return [job] if job is not None and query.fits(job, now) else []


def _from(
    query: Query, shelf: Shelf, cursor: Cursor, now: float
) -> Iterator[tuple[tuple[float, int], Job]]:
    """Yield the remaining jobs, each with the position after it."""
    places = _by_time(query, shelf, cursor) if query.timed else _by_path(query, shelf, cursor)
    return ((place, job) for place, job in places if query.fits(job, now))


def _by_path(query: Query, shelf: Shelf, cursor: Cursor) -> Iterator[tuple[tuple[float, int], Job]]:
    slots = query.log(shelf).slots
    positions, stride, offset = cursor.path
    start = 0 if cursor.after is None else cursor.after[1] + 1
    for step in range(start, positions):
        job = slots[(offset + stride * step) % positions]
        if job is not None:
            yield (0.0, step), job


def _by_time(query: Query, shelf: Shelf, cursor: Cursor) -> Iterator[tuple[tuple[float, int], Job]]:
    """Return jobs by time: SubmitTimeBefore oldest first, SubmitTimeAfter newest first, bounds exclusive."""
    times = shelf.by_time
    low = 0 if query.after is None else bisect_right(times, (query.after, math.inf))
    high = len(times) if query.before is None else bisect_left(times, (query.before, -1))
    if query.before is not None:
        if cursor.after is not None:
            low = max(low, bisect_right(times, cursor.after))
        indexes = range(low, high)
    else:
        if cursor.after is not None:
            high = min(high, bisect_left(times, cursor.after))
        indexes = range(high - 1, low - 1, -1)
    for index in indexes:
        yield times[index], shelf.jobs[times[index][1]]


def around(cursor: Cursor, page: Page) -> Page:
    """Repeat the tokens: after page RING, the walk continues at the token of page 1."""
    following = page.following or cursor._replace(page=cursor.page + 1)
    if following.page == 1 or following.ring is None:
        following = following._replace(page=1, ring=(following.after, following.last))
    elif following.page > RING:
        after, last = following.ring
        following = following._replace(page=1, after=after, last=last)
    return Page(page.jobs, following)


class Tokens:
    """Seals cursors into opaque tokens, each valid for one query, unaltered, until it expires."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, query: Query, cursor: Cursor) -> str:
        """Return the token of a cursor."""
        body = json.dumps(cursor).encode()
        return base64.urlsafe_b64encode(self._signature(query, body) + body).decode()

    def open(self, query: Query, token: str, oldest: float) -> Cursor:
        """Return the cursor of a token that was issued for this query, not before `oldest`."""
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            sealed = b""
        signature, body = sealed[:16], sealed[16:]
        if not hmac.compare_digest(signature, self._signature(query, body)):
            raise ServiceError("InvalidRequestException", "The NextToken is not valid.")
        walk, issued, path, after, last, page, blanks, ring = json.loads(body)
        if issued < oldest:
            raise ServiceError("InvalidRequestException", "The NextToken has expired.")
        return Cursor(
            walk,
            issued,
            tuple(path),
            after and tuple(after),
            last,
            page,
            blanks,
            ring and (ring[0] and tuple(ring[0]), ring[1]),
        )

    def _signature(self, query: Query, body: bytes) -> bytes:
        bound = json.dumps(query).encode()
        return hmac.digest(self._secret, bound + b"\n" + body, hashlib.sha256)[:16]
