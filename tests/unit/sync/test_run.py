"""The sync function: which families it syncs, its answer, its deadline, its log lines and its metrics."""

import itertools
import json

import pytest

from jobledger.errors import DeadlineReached, InvalidParameters, UnexpectedError
from jobledger.handlers import sync
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import run as module
from jobledger.sync.pace import Pace
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing.api import Context, logged_lines
from testing.builders import NOW, SCOPE, SECOND, listed_job
from testing.world import World

KEPT = (Family.SNOMEDCT, Family.PHI, Family.RXNORM)
CURRENT = FamilySync(rfc3339(NOW))


class Function:
    """The sync function on a service in this process; `published` has each family's metrics."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pace = Pace(Table(world.database, "ledger"), SCOPE, sleep=lambda seconds: None)
        world.upstream = Upstream(world.client(), self.pace)
        self.parts = Settings("ledger", SCOPE, KEPT), world.ledger, world.upstream, self.pace
        self.published: dict[str, dict[str, float]] = {}

    def invoke(self, *families: str, seconds: float = 840, **event: object):
        """The answer to an event, with so many seconds left."""
        named = {"Families": [*families]} if families else {}
        return self.send(event | named, seconds)

    def send(self, event, seconds: float = 840):
        context = Context()
        context.milliseconds = round(seconds * 1000)
        return sync.handler(event, context)["Families"]

    def publish(self, values, family) -> None:
        self.published[family] = {metric.name: number for metric, number in values.items()}


@pytest.fixture
def function(monkeypatch):
    with World([listed_job("job", 5_000)], hostile=False) as world:
        made = Function(world)
        monkeypatch.setattr(sync, "_connect", lambda: made.parts)
        monkeypatch.setattr(sync, "_now", world.clock.now)
        monkeypatch.setattr(module, "publish_metrics", made.publish)
        yield made


def results(monkeypatch, **by_family: FamilySync | Exception) -> list[Sync]:
    """Let each family's sync end with this; return the syncs that ran."""
    ran: list[Sync] = []

    def run(sync):
        ran.append(sync)
        result = by_family.get(sync._family.value, CURRENT)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(Sync, "run", run)
    return ran


# The payload, and the answer.


ACCEPTS = "This payload accepts Families, IfOlderThanSeconds"
EMPTY_OR = "payload: {}, or a JSON object with Families, IfOlderThanSeconds, or both"
FAMILIES_RULE = "Families: a list of one or more families in this ledger: SNOMEDCT, PHI, RXNORM"
SECONDS_RULE = "IfOlderThanSeconds: a number from 0 to 86400"


@pytest.mark.parametrize(
    "payload, message",
    [
        *((None, EMPTY_OR), ([], EMPTY_OR)),
        ({"Family": ["PHI"]}, f"Family: Unknown member. Did you mean Families? {ACCEPTS}"),
        *(
            ({"Families": families}, FAMILIES_RULE)
            for families in (["ICD10CM", "PHI"], "PHI", [], None)
        ),
        *(({"IfOlderThanSeconds": seconds}, SECONDS_RULE) for seconds in (-1, "2")),
        ({"Families": ["phi"], "IfOlderThanSeconds": 86_401}, f"{FAMILIES_RULE}; {SECONDS_RULE}"),
    ],
)
def test_a_payload_that_is_not_understood_is_an_error_and_syncs_nothing(function, payload, message):
    with pytest.raises(InvalidParameters) as refused:
        function.send(payload)
    assert str(refused.value) == message
    assert function.world.calls_received() == 0


@pytest.mark.parametrize(
    "asked, synced",
    [([], KEPT), (["PHI", "PHI"], KEPT[1:2]), (["PHI", "SNOMEDCT"], KEPT[:2])],
)
def test_an_event_syncs_the_families_that_it_names_or_all_and_each_has_its_result(
    asked, synced, function, monkeypatch
):
    found = FamilySync(rfc3339(NOW), upstream_calls=3, observed=9, changed=2)
    failed = FamilySync(None, upstream_calls=4, error="ThrottlingException")
    results(monkeypatch, SNOMEDCT=found, PHI=failed)
    expected = {
        "SNOMEDCT": {"AsOf": rfc3339(NOW), "UpstreamCalls": 3, "Changed": 2},
        "PHI": {"AsOf": None, "UpstreamCalls": 4, "Changed": 0, "Error": "ThrottlingException"},
        "RXNORM": {"AsOf": rfc3339(NOW), "UpstreamCalls": 0, "Changed": 0},
    }
    assert function.invoke(*asked) == {family: expected[family] for family in synced}


def test_the_first_unexpected_error_is_raised_after_all_families_have_run(function, monkeypatch):
    ran = results(monkeypatch, SNOMEDCT=KeyError(), PHI=ValueError())
    with pytest.raises(UnexpectedError, match="KeyError"):
        function.invoke()
    assert [sync._family for sync in ran] == [*KEPT]


@pytest.mark.parametrize(
    "event,reconciles",
    [({}, True), ({"IfOlderThanSeconds": 0}, True), ({"IfOlderThanSeconds": 1}, False)],
)
def test_a_sync_that_callers_wait_for_leaves_the_daily_walk_to_another(
    event, reconciles, function, monkeypatch
):
    ran = results(monkeypatch)
    function.invoke("PHI", **event)
    (sync,) = ran
    assert sync._reconcile is reconciles
    assert sync._check_deadline == function.pace.check_deadline


@pytest.mark.parametrize("passed,shared", [(1.999, True), (2, False)])
def test_a_sync_is_shared_up_to_the_requested_age_and_only_on_request(
    passed, shared, function, monkeypatch
):
    results(monkeypatch, PHI=FamilySync(rfc3339(NOW), upstream_calls=3, changed=2))
    own = {"AsOf": rfc3339(NOW), "UpstreamCalls": 3, "Changed": 2}
    assert function.invoke("PHI", IfOlderThanSeconds=2) == {"PHI": own}
    function.world.clock.forward(passed)
    expected = own | ({"UpstreamCalls": 0, "Changed": 0} if shared else {})
    assert function.invoke("PHI", IfOlderThanSeconds=2) == {"PHI": expected}
    assert function.invoke("PHI") == {"PHI": own}


# The deadline: an attempt of ten seconds, and 35 to write its page.


@pytest.mark.parametrize("seconds,begins", [(0, False), (30, False), (44, False), (60, True)])
def test_a_call_begins_only_if_it_can_end_in_time(seconds, begins, function):
    answers = function.invoke("PHI", seconds=seconds)
    assert answers["PHI"].get("Error") == (None if begins else DeadlineReached.__name__)
    assert bool(function.world.calls_received()) is begins


def test_each_family_has_its_share_of_the_time_and_one_that_needs_more_a_second_turn(
    function, monkeypatch
):
    clock, turns = 1_000_000.0, []
    monkeypatch.setattr("jobledger.sync.run.time.time", lambda: clock)
    took = {Family.SNOMEDCT: 1e9, Family.PHI: 1e9, Family.RXNORM: 1}

    def run(sync):
        nonlocal clock
        share = function.pace.deadline - clock
        turns.append(f"{sync._family} {share:.0f}")
        clock += min(share, took[sync._family])
        error = DeadlineReached.__name__ if took[sync._family] > share else None
        return FamilySync(as_of=rfc3339(NOW), error=error)

    monkeypatch.setattr(Sync, "run", run)
    answers = function.invoke(seconds=345)
    assert turns == ["SNOMEDCT 100", "PHI 100", "RXNORM 100", "SNOMEDCT 50", "PHI 50"]
    assert [family for family in answers if "Error" in answers[family]] == ["SNOMEDCT", "PHI"]
    turns.clear()
    clock = 1_000_000.0
    function.invoke(seconds=345, IfOlderThanSeconds=2)  # callers wait: no second turn
    assert len(turns) == 3


# Its metrics.


# Seven calls, six throttles, five jobs, four changed, three transitions, two counters, one job altered.
FOUND = FamilySync(
    rfc3339(NOW - 61.5 * SECOND), 7, 6, 5, 4, 3, 2, 1, 50_000, "LedgerUnavailable", "Throttled"
)
ALL_COUNTS = {"UpstreamCalls": 7.0, "UpstreamThrottles": 6, "JobsObserved": 5, "Transitions": 3}
ALL_COUNTS |= {"CountersRepaired": 2, "JobsAltered": 1, "SyncFailures": 1, "AsOfAgeSeconds": 61.5}
# Another run completes the walk.
NO_FAILURES = ("DeadlineReached", "JobsUnconfirmed", "WalkOvertaken")


@pytest.mark.parametrize(
    "result,published",
    [
        (FOUND, ALL_COUNTS),
        (CURRENT, {"UpstreamCalls": 0, "AsOfAgeSeconds": 0}),
        *((FamilySync(None, error=name), {"UpstreamCalls": 0}) for name in (None, *NO_FAILURES)),
        *(
            (FamilySync(None, error=name), {"UpstreamCalls": 0, "SyncFailures": 1})
            for name in ("LedgerUnavailable", "ThrottlingException", "WalkEndless")
        ),
    ],
)
def test_a_sync_logs_its_result_and_publishes_calls_times_and_counts_that_are_not_zero(
    result, published, function, monkeypatch
):
    results(monkeypatch, PHI=result)
    times = itertools.cycle([1_000.0, 1_002.345_6])
    monkeypatch.setattr("jobledger.sync.run.time.monotonic", lambda: next(times))
    function.world.clock.forward(0.000_4)
    with logged_lines() as lines:
        function.invoke("PHI")
    assert function.published == {"PHI": published | {"SyncSeconds": 2.346}}
    *_, line = [line for line in map(json.loads, lines) if line["message"] == "synced"]
    assert line["family"] == "PHI"
    for name in ("as_of", "upstream_calls", "observed", "changed", "error"):
        assert line.get(name) == getattr(result, name)
    for name in ("active", "cause"):
        assert line.get(name) == (getattr(result, name) or None)


def test_a_run_at_rest_writes_each_state_once_and_reserves_calls_in_one_write(function):
    function.invoke()
    before = dict(function.world.database.items)
    function.world.database.calls.clear()
    function.invoke()
    items = function.world.database.items
    written = sorted(key[0] for key, item in items.items() if item != before[key])
    assert written == ["pace", "state", "state", "state"]
    assert function.world.database.calls["transact_write_items"] == 4
