"""The sync function: which families it syncs, what it answers, and when it stops."""

from types import SimpleNamespace

import pytest

from jobledger.errors import InvalidParameters
from jobledger.handlers import sync
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.pace import Pace
from jobledger.sync.upstream import Upstream
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


def test_an_empty_event_syncs_every_family_of_the_setting_and_others_those_they_name(world):
    families = invoke({})
    assert [*families] == [*KEPT]
    assert [family["UpstreamCalls"] for family in families.values()] == [1, 1]
    assert [family["Changed"] for family in families.values()] == [1, 0]
    assert all(family["AsOf"] for family in families.values())
    assert [*invoke({"Families": ["PHI", "PHI"]})] == [Family.PHI]
    assert [*invoke({"Families": ["PHI", "SNOMEDCT"]})] == [*KEPT]


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
