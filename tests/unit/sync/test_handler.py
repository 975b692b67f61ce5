"""The sync function: which families it syncs, what it answers, and when it stops."""

from types import SimpleNamespace

import pytest

from jobledger.errors import InvalidParameters, UnexpectedError
from jobledger.handlers import sync
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.pace import Pace
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync
from testing.builders import SCOPE, listed_job
from testing.world import World

KEPT = (Family.SNOMEDCT, Family.PHI)


@pytest.fixture
def world(monkeypatch):
    with World([listed_job("job", 5_000)], hostile=False) as world:
        pace = Pace(Table(world.database, "ledger"), SCOPE, sleep=lambda seconds: None)
        world.upstream = Upstream(world.client(), pace)
        parts = (Settings("ledger", SCOPE, KEPT), world.ledger, world.upstream, pace)
        monkeypatch.setattr(sync, "_connect", lambda: parts)
        yield world


def invoke(event, seconds=840):
    context = SimpleNamespace(
        function_name="sync",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:sync",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: seconds * 1000,
    )
    return sync.handler(event, context)["Families"]


def test_an_empty_event_syncs_every_family_of_the_setting(world):
    families = invoke({})
    assert list(families) == list(KEPT)
    assert [family["UpstreamCalls"] for family in families.values()] == [1, 1]
    assert [family["Changed"] for family in families.values()] == [1, 0]
    assert all(family["AsOf"] for family in families.values())


def test_only_the_families_of_the_payload_are_synced(world):
    assert list(invoke({"Families": ["PHI", "PHI"]})) == [Family.PHI]
    assert list(invoke({"Families": ["PHI", "SNOMEDCT"]})) == list(KEPT)


FAMILIES_RULE = "Families: a list of one or more families in this ledger: SNOMEDCT, PHI"


@pytest.mark.parametrize(
    "payload, message",
    [
        (None, "payload: {}, or a JSON object with Families, IfOlderThanSeconds, or both"),
        ([], "payload: {}, or a JSON object with Families, IfOlderThanSeconds, or both"),
        (
            {"Family": ["PHI"]},
            "Family: Unknown member. Did you mean Families? This payload accepts Families, IfOlderThanSeconds",
        ),
        ({"Families": ["RXNORM", "PHI"]}, FAMILIES_RULE),
        ({"Families": "PHI"}, FAMILIES_RULE),
        ({"Families": []}, FAMILIES_RULE),
        ({"Families": None}, FAMILIES_RULE),
        ({"IfOlderThanSeconds": -1}, "IfOlderThanSeconds: a number from 0 to 86400"),
        ({"IfOlderThanSeconds": "2"}, "IfOlderThanSeconds: a number from 0 to 86400"),
        (
            {"Families": ["phi"], "IfOlderThanSeconds": 86_401},
            f"{FAMILIES_RULE}; IfOlderThanSeconds: a number from 0 to 86400",
        ),
    ],
)
def test_a_payload_that_is_not_understood_is_an_error_and_syncs_nothing(world, payload, message):
    with pytest.raises(InvalidParameters) as refused:
        invoke(payload)
    assert str(refused.value) == message
    assert world.server.calls()["Counts"] == {}


def test_a_run_at_rest_writes_each_state_once_and_reserves_calls_in_one_write(world):
    invoke({})
    before = dict(world.database.items)
    writes = world.database.calls["transact_write_items"]
    invoke({})
    written = sorted(key[0] for key, item in world.database.items.items() if item != before[key])
    assert written == ["pace", "state", "state"]
    assert world.database.calls["transact_write_items"] - writes == 3


@pytest.mark.row(5, count="3 times")
@pytest.mark.parametrize("seconds", [0, 30, 45])
def test_with_less_time_than_a_page_may_take_nothing_starts(world, seconds):
    answers = invoke({}, seconds)
    assert {answer["Error"] for answer in answers.values()} == {"DeadlineReached"}
    assert world.server.calls()["Counts"] == {}


def test_a_family_that_fails_for_any_reason_does_not_stop_the_others(world, monkeypatch):
    monkeypatch.setattr("jobledger.sync.walk.Sync.run", _fail_for_snomedct(Sync.run))
    with pytest.raises(UnexpectedError, match="ZeroDivisionError"):
        invoke({})
    assert world.ledger.state(Family.PHI).filled


def test_a_sync_that_is_younger_than_asked_for_is_shared(world):
    first = invoke({"Families": ["PHI"], "IfOlderThanSeconds": 3_600})
    second = invoke({"Families": ["PHI"], "IfOlderThanSeconds": 3_600})
    assert first["PHI"]["AsOf"] == second["PHI"]["AsOf"]
    assert world.server.calls()["Counts"] == {"ListPHIDetectionJobs": 1}


def _fail_for_snomedct(run):
    def failing(self):
        if self._family is Family.SNOMEDCT:
            raise ZeroDivisionError
        return run(self)

    return failing
