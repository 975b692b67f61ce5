"""The state of each family's sync: its row, and how it is read and saved."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Key, Put, Row, Table, version_of
from jobledger.service import Family
from jobledger.times import is_time, known, later_than


class Walk(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A walk over the service's list in progress, stored so that another run can resume it.

    `after` is its SubmitTimeAfter (None: all jobs), `next_token` the next page, `pages` the number of pages
    read. `reached` is the oldest submit time on them; of the active jobs that are newer, `unconfirmed` were
    neither listed nor described. A version without active rows stored the active jobs that were listed as
    `active`.
    """

    started_at: str
    after: str | None = None
    next_token: str | None = None
    pages: int = 0
    reached: str | None = None
    unconfirmed: int = 0
    high_water_mark: str | None = None
    active: dict[str, str] = {}


class Round(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A round of Describe over the active jobs that are not listed. One run describes a part of them.

    It began with a walk at `since` and continues with the jobs after `after`, a JobId. `failed` says that one of
    the jobs before could not be described.
    """

    since: str
    after: str = ""
    failed: bool = False


class LastError(msgspec.Struct, frozen=True, rename="pascal"):
    """The name and time of the error that ended the last sync of a family."""

    name: str
    at: str


class SyncState(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """The sync state of one family. `as_of` is None until the first fill is complete.

    Times that a wrong clock left in the future are None; `lost_as_of` says that `as_of` was one.
    `full_walk` is the daily walk over all jobs. It runs beside `walk`, so that it delays nothing.
    `full_walk_after` is the earliest time of the next one. `settled_at` is the time when the state was last
    written: each new job that is written later has a later FirstObservedAt. `counted` is the layout of the
    counters that include all jobs of all sources, 0 when none does; only the keeper's says so. `recounted` is the last
    month that the recount in progress has checked, empty at its start; None when no recount is due.

    `round` is the round of Describe in progress. `describe_refused_at` is the time when Describe last failed:
    for an hour, walks list as many of the active jobs as they can.

    `idle` says that the family has no active rows. `quiet` is the version of the state that a run saved when it
    saw no active job; a run that begins later and finds no row either makes the family idle. A job becomes
    active only in a state that is neither. A version without active rows stored the active jobs as `active`.
    """

    as_of: str | None = None
    lost_as_of: bool = False
    full_walk: Walk | None = None
    full_walk_after: str | None = None
    high_water_mark: str | None = None
    active: dict[str, str] = {}
    walk: Walk | None = None
    last_error: LastError | None = None
    settled_at: str | None = None
    counted: int = 0
    recounted: str | None = None
    round: Round | None = None
    describe_refused_at: str | None = None
    idle: bool = False
    quiet: int = 0
    version: int = 0

    @property
    def filled(self) -> bool:
        """Whether the first fill is complete."""
        return self.as_of is not None or self.lost_as_of

    @property
    def counters_complete(self) -> bool:
        """Whether the counters include every job of the family, as this version counts them."""
        return self.counted == LAYOUT

    @property
    def without_rows(self) -> dict[str, str]:
        """Active jobs that an older version has stored here, with their submit times."""
        walks = [walk.active for walk in (self.walk, self.full_walk) if walk]
        return {job: time for active in (*walks, self.active) for job, time in active.items()}


Named = tuple[str, Family, SyncState]
"""A source, a family, and the state of its syncs."""


def named_state(row: Row, now: datetime) -> Named:
    account, region, family = str(row["SK"]).split("/")
    return f"{account}/{region}", Family(family), state_from_row(row, now)


class States(dict[Family, SyncState]):
    """The state of each family over all configured sources. `by_source` has that of each source, also of removed ones."""

    def __init__(self, named: Iterable[Named], keeper: str, sources: tuple[str, ...]) -> None:
        by_source: dict[str, dict[Family, SyncState]] = {}
        for source, family, state in named:
            by_source.setdefault(source, {})[family] = state
        self.by_source: Mapping[str, Mapping[Family, SyncState]] = by_source
        found = [(source, by_source[source]) for source in sources if source in by_source]
        super().__init__(
            {
                family: self.together(family, keeper, sources)
                for family in Family
                if any(family in of_source for _, of_source in found)
            }
        )

    def together(self, family: Family, keeper: str, sources: tuple[str, ...]) -> SyncState:
        """Return the state of a family over some sources: what is known holds for each of them.

        The counters are the keeper's.
        """
        # Jobs of removed sources stay as active as they were.
        idle = all(self.of(source, family).idle for source in {*sources, *self.by_source})
        kept = msgspec.structs.replace(self.of(keeper, family), idle=idle)
        if sources == (keeper,):
            return kept
        states = [self.of(source, family) for source in sources]
        errors = [state.last_error for state in states if state.last_error]
        return msgspec.structs.replace(
            kept,
            as_of=_oldest(state.as_of for state in states),
            lost_as_of=kept.filled,
            settled_at=_oldest(state.settled_at for state in states),
            last_error=max(errors, key=lambda error: error.at, default=None),
        )

    def of(self, source: str, family: Family) -> SyncState:
        """Return the state of a family of one source; an empty one when it was never synced."""
        return self.by_source.get(source, {}).get(family, SyncState())


def _oldest(times: Iterable[str | None]) -> str | None:
    found = list(times)
    return None if None in found else min(filter(None, found))


def state_from_row(row: Row, now: datetime) -> SyncState:
    """Return a stored state without the times that a clock ahead of ours wrote. Raises NotUnderstood."""
    try:
        state = msgspec.json.decode(str(row["Sync"]), type=SyncState)
    except (msgspec.DecodeError, KeyError) as error:
        raise NotUnderstood("a state") from error
    # No condition of a write would hold for another version.
    if state.version != version_of(row) or not all(map(is_time, _times_of(state))):
        raise NotUnderstood("a state")
    as_of = known(state.as_of, now)
    return msgspec.structs.replace(
        state,
        as_of=as_of,
        lost_as_of=state.filled and as_of is None,
        high_water_mark=known(state.high_water_mark, now),
        settled_at=known(state.settled_at, now),
        round=state.round if state.round and known(state.round.since, now) else None,
        describe_refused_at=known(state.describe_refused_at, now),
        walk=_known_walk(state.walk, now),
        full_walk=_known_walk(state.full_walk, now),
    )


def _times_of(state: SyncState) -> Iterator[str]:
    walks = [walk for walk in (state.walk, state.full_walk) if walk]
    times = [state.as_of, state.full_walk_after, state.high_water_mark, state.settled_at]
    times += [state.describe_refused_at]
    times += [state.round.since] if state.round else []
    times += [state.last_error.at] if state.last_error else []
    for walk in walks:
        times += [walk.started_at, walk.after, walk.reached, walk.high_water_mark]
    return filter(None, times)


def _known_walk(walk: Walk | None, now: datetime) -> Walk | None:
    """Return a walk; None when its beginning is unknown: it is started again."""
    return walk if walk and known(walk.started_at, now) else None


class SyncStates:
    """The states of the syncs. It writes those of one `source`, and reads those of all `sources`."""

    def __init__(
        self,
        table: Table,
        source: str,
        keeper: str,
        sources: tuple[str, ...],
        now: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._source = source
        self._keeper = keeper
        self._sources = sources
        self._now = now
        self._recent: tuple[datetime, States] | None = None

    def key(self, family: Family) -> Key:
        """Return the key of the row of a family's state."""
        return {"PK": "state", "SK": f"{self._source}/{family}"}

    def state(self, family: Family) -> SyncState:
        """Return the family's sync state, read consistently. A damaged row is replaced: a walk over all jobs follows."""
        row, now = self._table.get(self.key(family)), self._now()
        if row is None:
            return SyncState()
        if state := next(readable([row], lambda row: state_from_row(row, now)), None):
            return state
        unknown = SyncState(lost_as_of=True, version=version_of(row) + 1)
        anew = self._row(family, unknown)
        self._table.put_alone(Put(anew))
        return unknown

    def _row(self, family: Family, state: SyncState) -> Row:
        text = msgspec.json.encode(state).decode()
        return {**self.key(family), "Sync": text, "Version": state.version}

    def states(self, *, consistent: bool = False, within: timedelta = timedelta(0)) -> States:
        """Return the state of every family of every source that was ever synced, in one query.

        States that were read less than `within` ago are returned from memory: "as of" is still true a few
        seconds later. Without `within`, the table is read, and what is in memory is dropped, because the
        caller may go on to sync.
        """
        now, recent = self._now(), self._recent
        if recent is not None and timedelta(0) <= now - recent[0] < within:
            return recent[1]
        states = self._read(now, consistent=consistent)
        self._recent = (now, states) if within else None
        return states

    def _read(self, now: datetime, *, consistent: bool) -> States:
        rows = self._table.query_all(
            ConsistentRead=consistent,
            KeyConditionExpression="PK = :state",
            ExpressionAttributeValues={":state": {"S": "state"}},
        )
        named = readable(rows, lambda row: named_state(row, now))
        return States(named, self._keeper, self._sources)

    def demand_recount(self, family: Family) -> None:
        """Let the keeper's next sync recount a family. When another sync is faster, the daily one does."""
        keeper = SyncStates(self._table, self._keeper, self._keeper, self._sources, self._now)
        state = keeper.state(family)
        if state.filled:
            keeper.save_state(family, msgspec.structs.replace(state, recounted=""))

    def save_state(self, family: Family, state: SyncState) -> SyncState | None:
        """Write the next version of a state; None when another sync was faster."""
        self._recent = None
        settled_at = later_than(state.settled_at, self._now())
        following = msgspec.structs.replace(state, version=state.version + 1, settled_at=settled_at)
        row = self._row(family, following)
        return following if self._table.put_next_alone(row, state.version) else None
