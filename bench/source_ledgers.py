"""A ledger of several sources with many jobs in a large table, beside one of a single source. Runs on the built bundle."""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from bench.events import SCOPE
from bench.large_table import NumberedRow
from bench.reads import ReadLedger
from bench.sizes import duration, service_job
from jobledger.digest.content import DigestReader
from jobledger.digest.windows import Window
from jobledger.jobs import Job
from jobledger.ledger.counters import Changes
from jobledger.ledger.counts import LAYOUT, submit_day
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.rows import job_row
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import encode
from jobledger.service import Family
from jobledger.sources import tagged
from jobledger.times import rfc3339
from testing.dynamodb_limits import Item

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
# Of a source with a hundred jobs a day.
SPAN_A_JOB = timedelta(days=1) / 20
NAMES = tuple(f"nightly-{number}" for number in range(4))
CHANGES = 100
ACTIVE = 20
_FAMILIES = tuple(Family)
_ONE_FAILED_OF = 20


def sources_of(number: int) -> tuple[str, ...]:
    """Return so many sources, two regions of each account; the first one is the ledger's own."""
    accounts = (111_122_223_333 + account for account in range(number))
    pairs = (f"{account}/{region}" for account in accounts for region in ("us-east-1", "us-west-2"))
    found = tuple(source for source, _ in zip(pairs, range(number), strict=False))
    assert found[0] == SCOPE
    return found


class SourcesLedger(ReadLedger):
    """A ledger whose sources have the same number of jobs in each family, at the same times but for milliseconds.

    With one source it is a ledger without the setting. Every source's statuses, names and durations are spread alike.
    """

    def __init__(self, path: Path, sources: int, jobs: int) -> None:
        self.members = sources_of(sources)
        super().__init__(path, NOW, self.members if sources > 1 else ())
        self._jobs = jobs
        self.table.insert_numbered(self._rows(), self._row)
        self._count()
        self._agree()
        self._change()

    def _rows(self) -> Iterator[NumberedRow]:
        """Yield the rows, oldest first. The number of a row says which family, job and source it has."""
        keys = functools.cache(self._keys)
        families, sources = [*enumerate(_FAMILIES)], [*enumerate(self.members)]
        apart = 1000 // len(sources)
        number = 0
        for job in range(self._jobs):
            second = rfc3339(_submitted(job, self._jobs))[: len("2026-11-23T12:00:00")]
            for source, name in sources:
                tag = tagged(f"{number // len(families):032x}", name if source else None)
                sort_key = f"{second}.{source * apart:03d}Z#{tag}"
                kind = (_status(job, source), _name(job, source), source)
                for place, family in families:
                    yield number + place, sort_key, keys(family, *kind)
                number += len(families)

    def _keys(self, family: Family, status: str, name: str, source: int) -> dict[str, str]:
        scope = self.ledger.partition(family)
        keys = {
            "PK": scope,
            "StatusKey": f"{scope}#{status}",
            "NameKey": f"{scope}#{name}",
            "NameStatusKey": f"{scope}#{status}#{name}",
        }
        return keys | ({"SourceKey": f"{self.members[source]}/{family}"} if source else {})

    def _row(self, number: int) -> Item:
        """Return the row of a number, as the ledger writes it."""
        rest, place = divmod(number, len(_FAMILIES))
        job = self._job(*divmod(rest, len(self.members)), _FAMILIES[place])
        time = str(job.submit_time)
        return encode(job_row(self.ledger.partition(job.family), job, None, time, time))

    def _job(self, number: int, source: int, family: Family) -> Job:
        apart = timedelta(milliseconds=source * (1000 // len(self.members)))
        job = service_job(
            number * len(self.members) + source,
            _submitted(number, self._jobs) + apart,
            duration(number),
            family,
            JobStatus=_status(number, source),
            JobName=_name(number, source),
        )
        return replace(job, source=self.members[source] if source else None)

    def check(self) -> None:
        """Check that the keys of some rows are those that the ledger writes."""
        most = self._jobs * len(self.members) * len(_FAMILIES)
        for number in range(0, most, most // 1000 + 1):
            row = self._row(number)
            found = self.table.get((row["PK"]["S"], row["SK"]["S"]))
            assert found == row, row

    def _count(self) -> None:
        """Write the ledger's counters. Jobs that differ in their source alone count as one many times."""
        for family in _FAMILIES:
            changes = Changes(SCOPE, family)
            for number in range(self._jobs):
                statuses = [_status(number, source) for source in range(len(self.members))]
                for status in set(statuses):
                    job = replace(self._job(number, statuses.index(status), family), source=None)
                    day = submit_day(job.sort_key)
                    changes.add(day, facts_of_job(job), statuses.count(status))
            for increment in changes.increments():
                self.table.insert([encode({**increment.key, **increment.amounts})])

    def _agree(self) -> None:
        """Note of every family of each source that the ledger agrees with the service."""
        now = rfc3339(NOW)
        state = SyncState(
            as_of=now, high_water_mark=now, full_walk_after=now, counted=LAYOUT, idle=False
        )
        for source in self.members:
            ledger = self.ledger.of(source)
            for family in _FAMILIES:
                assert ledger.save_state(family, state)

    def _change(self) -> None:
        """Let a hundred jobs of all sources change their status within the digest's window."""
        self.now = NOW - timedelta(minutes=30)
        for number in range(CHANGES):
            family = _FAMILIES[number % len(_FAMILIES)]
            source = self.members[number % len(self.members)]
            submitted = NOW - timedelta(minutes=40, seconds=number)
            active = number < ACTIVE
            status = "SUBMITTED" if active else "FAILED"
            seconds = None if active else 60
            job = service_job(2**64 + number, submitted, seconds, family, JobStatus=status)
            job = replace(job, source=source if source != SCOPE else None)
            listed_at = rfc3339(self.now)
            self.ledger.of(source).record(family, [job], listed_at, announce_new=True)
        self.now = NOW

    def digest(self) -> None:
        """Read the contents of a digest."""
        window = Window(rfc3339(NOW - timedelta(hours=1)), rfc3339(NOW - timedelta(minutes=2)))
        reader = DigestReader(self.ledger, _FAMILIES, sync_minutes=1, include_details=False)
        found = reader.read(window, NOW, first_start=None, covers_gap=False)
        assert (found.counts.total(), found.active.total) == (CHANGES, ACTIVE)


def _submitted(number: int, jobs: int) -> datetime:
    """Return a whole second; the newest job is two days old."""
    return (NOW - timedelta(days=2) - SPAN_A_JOB * (jobs - number)).replace(microsecond=0)


def _status(number: int, source: int) -> str:
    return "COMPLETED" if (number + source) % _ONE_FAILED_OF else "FAILED"


def _name(number: int, source: int) -> str:
    return NAMES[(number // 3 + source) % len(NAMES)]
