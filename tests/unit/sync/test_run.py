"""One run of the sync function: its answer, its deadline, its log lines and its metrics."""

import json
from datetime import timedelta

import pytest

from jobledger import metrics
from jobledger.errors import DeadlineReached
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import run as module
from jobledger.sync.pace import Pace
from jobledger.sync.run import sync_families
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import FamilySync, Sync
from jobledger.times import rfc3339
from testing.api import logged_lines
from testing.builders import NOW, SCOPE, listed_job
from testing.world import World

KEPT = (Family.SNOMEDCT, Family.PHI, Family.RXNORM)


class Function:
    """The sync function on a service in this process; `published` has each family's metrics."""

    def __init__(self, world: World, pace: Pace) -> None:
        self.world = world
        self.pace = pace
        self.parts = Settings("ledger", SCOPE, KEPT), world.ledger, world.upstream, pace
        self.published: list[tuple[str, dict[str, float]]] = []

    def invoke(self, event: object = None, seconds: float = 840):
        payload = {} if event is None else event
        return sync_families(payload, seconds, self.parts, self.world.clock.now)["Families"]


@pytest.fixture
def function(monkeypatch):
    with World([listed_job("job", 5_000)], hostile=False) as world:
        pace = Pace(Table(world.database, "ledger"), SCOPE, sleep=lambda seconds: None)
        world.upstream = Upstream(world.client(), pace)
        made = Function(world, pace)

        def publish(values, family):
            made.published.append((family, {metric.name: n for metric, n in values.items()}))

        monkeypatch.setattr(module, "publish_metrics", publish)
        yield made


def results(monkeypatch, **by_family: FamilySync | Exception) -> list[Sync]:
    """Let each family's sync end with this; return the syncs that ran."""
    ran: list[Sync] = []

    def run(sync):
        ran.append(sync)
        result = by_family.get(sync._family.value, FamilySync(as_of=rfc3339(NOW)))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(Sync, "run", run)
    return ran


# The answer.


def test_the_response_has_each_family_s_result_and_its_error_if_any(function, monkeypatch):
    results(
        monkeypatch,
        SNOMEDCT=FamilySync(rfc3339(NOW), upstream_calls=3, observed=9, changed=2),
        PHI=FamilySync(None, upstream_calls=4, error="ThrottlingException"),
    )
    assert function.invoke({"Families": ["PHI", "SNOMEDCT"]}) == {
        "SNOMEDCT": {"AsOf": rfc3339(NOW), "UpstreamCalls": 3, "Changed": 2},
        "PHI": {
            "AsOf": None,
            "UpstreamCalls": 4,
            "Changed": 0,
            "Error": "ThrottlingException",
        },
    }


def test_the_first_unexpected_error_is_raised_after_all_families_have_run(function, monkeypatch):
    ran = results(monkeypatch, SNOMEDCT=KeyError("first"), PHI=ValueError("second"))
    with pytest.raises(KeyError, match="first"):
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
    function.invoke(event | {"Families": ["PHI"]})
    (sync,) = ran
    assert sync._reconcile is reconciles
    assert sync._check_deadline == function.pace.check_deadline


@pytest.mark.parametrize("passed,shared", [(1.999, True), (2, False)])
def test_a_sync_is_shared_up_to_the_requested_age_and_only_on_request(
    passed, shared, function, monkeypatch
):
    results(monkeypatch, PHI=FamilySync(rfc3339(NOW), upstream_calls=3, changed=2))
    asked = {"Families": ["PHI"], "IfOlderThanSeconds": 2}
    own = {"AsOf": rfc3339(NOW), "UpstreamCalls": 3, "Changed": 2}
    assert function.invoke(asked) == {"PHI": own}
    function.world.clock.forward(passed)
    assert function.invoke(asked) == {
        "PHI": own | ({"UpstreamCalls": 0, "Changed": 0} if shared else {})
    }
    assert function.invoke({"Families": ["PHI"]}) == {"PHI": own}


# The deadline: an attempt of ten seconds, and 35 to write its page.


@pytest.mark.parametrize("seconds,begins", [(0, False), (30, False), (44, False), (60, True)])
def test_a_call_begins_only_if_it_can_end_in_time(seconds, begins, function):
    answers = function.invoke({"Families": ["PHI"]}, seconds)
    assert answers["PHI"].get("Error") == (None if begins else DeadlineReached.__name__)
    assert bool(function.world.server.calls()["Counts"]) is begins


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
    assert [family for family, answer in answers.items() if "Error" in answer] == [
        *("SNOMEDCT", "PHI")
    ]
    turns.clear()
    clock = 1_000_000.0
    function.invoke({"IfOlderThanSeconds": 2}, 345)  # callers wait: no second turn
    assert len(turns) == 3


# Its metrics.


def published_counts(function) -> dict[str, float]:
    ((_, values),) = function.published
    return {name: values[name] for name in values if name != "SyncSeconds"}


def test_a_sync_that_found_something_sends_every_count(function, monkeypatch):
    result = FamilySync(
        rfc3339(NOW - timedelta(seconds=61.5)),
        upstream_calls=7,
        throttles=6,
        observed=5,
        changed=4,
        transitions=3,
        counters_repaired=2,
        active=50_000,
        error="LedgerUnavailable",
        cause="ThrottlingError",
    )
    results(monkeypatch, PHI=result)
    with logged_lines() as lines:
        function.invoke({"Families": ["PHI"]})
    assert [family for family, _ in function.published] == ["PHI"]
    assert published_counts(function) == {
        "UpstreamCalls": 7,
        "AsOfAgeSeconds": 61.5,
        "UpstreamThrottles": 6,
        "JobsObserved": 5,
        "Transitions": 3,
        "CountersRepaired": 2,
        "SyncFailures": 1,
    }
    (line,) = [line for line in map(json.loads, lines) if line["message"] == "synced"]
    logged = ("as_of", "upstream_calls", "observed", "changed", "active", "error", "cause")
    assert line["family"] == "PHI"
    assert {name: line[name] for name in logged} == {name: getattr(result, name) for name in logged}


def test_a_sync_without_changes_publishes_only_calls_duration_and_age(function, monkeypatch):
    results(monkeypatch, PHI=FamilySync(rfc3339(NOW)), SNOMEDCT=FamilySync(None))
    function.invoke({"Families": ["PHI", "SNOMEDCT"]})
    (_, snomedct), (_, phi) = function.published
    assert phi.keys() == {"UpstreamCalls", "SyncSeconds", "AsOfAgeSeconds"}
    assert snomedct.keys() == {"UpstreamCalls", "SyncSeconds"}


@pytest.mark.parametrize(
    "error,failures",
    [
        *((error, None) for error in (None, "DeadlineReached", "JobsUnconfirmed", "WalkOvertaken")),
        *((error, 1) for error in ("LedgerUnavailable", "ThrottlingException", "WalkEndless")),
    ],
)
def test_a_walk_that_another_run_completes_is_no_failure(error, failures, function, monkeypatch):
    results(monkeypatch, PHI=FamilySync(rfc3339(NOW), error=error))
    function.invoke({"Families": ["PHI"]})
    for _, values in function.published:
        assert values.get(metrics.SYNC_FAILURES.name) == failures


def test_times_are_given_to_the_millisecond(function, monkeypatch):
    times = iter([1_000.0, 1_002.345_6])
    results(monkeypatch, PHI=FamilySync(rfc3339(NOW - timedelta(seconds=1))))
    monkeypatch.setattr("jobledger.sync.run.time.monotonic", lambda: next(times))
    function.world.clock.forward(0.000_4)
    function.invoke({"Families": ["PHI"]})
    ((_, values),) = function.published
    assert (values["SyncSeconds"], values["AsOfAgeSeconds"]) == (2.346, 1.0)


def test_a_run_counts_what_the_service_answers(function):
    """From end to end: a new job, the last one before it once more, and one call for each family."""
    function.invoke()
    function.published.clear()
    function.world.put(listed_job("new", 10))
    function.world.clock.forward(60)
    answers = function.invoke()
    assert {name: of["UpstreamCalls"] for name, of in answers.items()} == dict.fromkeys(KEPT, 1)
    published = dict(function.published)
    assert (published["SNOMEDCT"]["JobsObserved"], published["SNOMEDCT"]["Transitions"]) == (2, 1)
    assert "JobsObserved" not in published["PHI"]
