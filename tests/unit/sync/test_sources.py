"""A run over several sources: what each is asked for and answers, and that a dead one disturbs no other."""

import json
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from unittest import mock

import pytest
from botocore.config import Config

from jobledger.errors import InvalidParameters, UnexpectedError
from jobledger.handlers import sync
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import giving_up
from jobledger.sync import run as module
from jobledger.sync.connections import Connections
from jobledger.sync.credentials import Members
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import CONFIG
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing.api import Context, logged_lines
from testing.builders import NOW, SCOPE, SECOND, listed_job
from testing.memory_dynamodb import MemoryDynamoDB
from testing.organisation import EXTERNAL_ID, Organisation
from testing.processes import run_python
from testing.world import Clock

OWN_ACCOUNT = SCOPE[:12]
ABROAD, MEMBER, OTHER = (
    f"{OWN_ACCOUNT}/eu-west-1",
    "444455556666/us-east-1",
    "777788889999/us-gov-west-1",
)
ALL = (SCOPE, ABROAD, MEMBER, OTHER)
KEPT = (Family.SNOMEDCT, Family.PHI)
LIST_SNOMEDCT, LIST_PHI = "ListSNOMEDCTInferenceJobs", "ListPHIDetectionJobs"


class Function:
    """The sync function of a deployment with these sources; `published` are the metrics of the last run."""

    def __init__(self, sources=ALL, families=KEPT, external_id=EXTERNAL_ID):
        self.organisation = Organisation(OWN_ACCOUNT)
        self.clock = Clock()
        self.database = MemoryDynamoDB()
        table = Table(self.database, "ledger")
        self.ledger = Ledger(table, SCOPE, self.clock.now, sources)
        self.settings = Settings("ledger", SCOPE, families, sources)
        self.published: list[tuple[str, dict[str, float]]] = []
        self.external_id = external_id

    def connect(self):
        names = {"MEMBER_ROLE_NAME": "JobLedgerMember", "EXTERNAL_ID": self.external_id}
        with mock.patch.dict("os.environ", names):
            return self.settings, Connections(self.ledger, Members.connect(SCOPE))

    def invoke(self, **event):
        self.clock.forward(60)
        self.published.clear()
        return sync.handler(event, Context(840_000))

    def publish(self, values, family):
        self.published.append((family, {metric.name: number for metric, number in values.items()}))

    def errors(self, **event):
        """The errors of a run by source, each family's in turn."""
        sources = self.invoke(**event)["Sources"]
        return {
            source: [of.get("Error") for of in answer["Families"].values()]
            for source, answer in sources.items()
        }

    def as_of(self, source, family=Family.PHI):
        return self.ledger.of(source).state(family).as_of


@pytest.fixture
def a_function(monkeypatch):
    """Make functions, whose time-outs are short where a source hangs."""
    pause = time.sleep
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: pause(min(seconds, 0.01)))

    def make(time_out=8, **parts):
        monkeypatch.setattr(giving_up, "CONFIG", CONFIG.merge(Config(read_timeout=time_out)))
        made = Function(**parts)
        stack.enter_context(made.organisation.running())
        connected = made.connect()
        monkeypatch.setenv("SOURCES", "any")
        monkeypatch.setattr(sync, "_connect_sources", lambda: connected)
        monkeypatch.setattr(sync, "_now", made.clock.now)
        monkeypatch.setattr(module, "publish_metrics", made.publish)
        return made

    with ExitStack() as stack:
        yield make


# What is asked of whom.


def test_each_source_is_listed_in_its_region_with_the_credentials_of_its_account(a_function):
    function = a_function()
    for number, source in enumerate(ALL):
        jobs = [listed_job("job", 60 + number), listed_job(f"job-{number}", 30)]
        function.organisation.jobs[source, LIST_PHI] = jobs
    answer = function.invoke()
    assert [*answer] == ["Sources", "Families"]
    assert [*answer["Sources"]] == [*ALL]
    assert function.organisation.listed == dict.fromkeys(ALL, 2)
    assert function.organisation.assumed == {
        "arn:aws:iam::444455556666:role/JobLedgerMember": 1,
        "arn:aws-us-gov:iam::777788889999:role/JobLedgerMember": 1,
    }
    assert function.organisation.session_names == {"JobLedger-111122223333.us-east-1"}
    rows = [item for (pk, _), item in function.database.items.items() if pk == f"{SCOPE}/PHI"]
    assert len(rows) == 8  # the same id is another job in each source
    paces = sorted(sk for pk, sk in function.database.items if pk == "pace")
    assert paces == sorted(ALL)


@pytest.mark.parametrize(
    "event, synced",
    [
        ({}, ALL),
        ({"Sources": [MEMBER]}, [MEMBER]),
        ({"Sources": [OTHER, SCOPE, OTHER]}, [SCOPE, OTHER]),
    ],
)
def test_an_event_syncs_the_sources_that_it_names_or_all(event, synced, a_function):
    function = a_function()
    answer = function.invoke(Families=["PHI"], **event)
    assert [*answer["Sources"]] == [*synced]
    assert function.organisation.listed == dict.fromkeys(synced, 1)


def test_a_source_that_is_not_configured_is_refused_with_those_that_are(a_function):
    function = a_function(sources=(SCOPE, MEMBER))
    with pytest.raises(InvalidParameters) as refused:
        function.invoke(Sources=[ABROAD], Familys=["PHI"])
    assert str(refused.value) == (
        f"Sources: a list of one or more sources of this ledger: {SCOPE}, {MEMBER}; Familys: Unknown member. "
        "Did you mean Families? This payload accepts Sources, Families, IfOlderThanSeconds"
    )


def test_credentials_are_kept_from_run_to_run_until_shortly_before_they_expire(a_function):
    function = a_function(sources=(MEMBER,))
    for _ in range(3):
        function.invoke()
    assert function.organisation.assumed.total() == 1
    brief = a_function(sources=(MEMBER,))
    brief.organisation.session_lasts = timedelta(
        minutes=9
    )  # botocore renews ten minutes before the end
    brief.invoke(Families=["PHI"])
    brief.invoke(Families=["PHI"])
    assert brief.organisation.assumed.total() == 2


def test_credentials_that_have_expired_already_are_an_error_of_their_source(a_function):
    function = a_function(sources=(SCOPE, MEMBER))
    function.organisation.session_lasts = timedelta(minutes=-1)
    assert function.errors() == {SCOPE: [None] * 2, MEMBER: ["CredentialRetrievalError"] * 2}


def test_the_function_connects_to_each_source_of_its_environment_once(monkeypatch):
    environment = {
        "SOURCES": "us-east-1=111122223333,444455556666;eu-west-1=111122223333",
        "LEDGER_TABLE_NAME": "ledger",
        "LEDGER_SCOPE": SCOPE,
        "FAMILIES": "PHI",
        "MEMBER_ROLE_NAME": "JobLedgerMember",
        "EXTERNAL_ID": EXTERNAL_ID,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    configured, connections = sync._connect_sources.__wrapped__()
    assert configured.sources == (SCOPE, MEMBER, ABROAD)
    for source in configured.sources:
        connected = connections.to(source)
        assert connected.ledger.source == source
        region = source.partition("/")[2]
        url = f"https://comprehendmedical.{region}.amazonaws.com"
        assert connected.upstream._client.meta.endpoint_url == url
        assert connections.to(source) is connected


# A source that is dead.


@pytest.mark.parametrize(
    "fault, error, first, then",
    [
        ("no role", "AccessDenied", 0, 0),
        ("hangs", "ReadTimeoutError", 2, 1),
        ("closes", "ConnectionClosedError", 2, 1),
        ("UnrecognizedClientException", "UnrecognizedClientException", 1, 1),
        # These have an answer for each family.
        ("AccessDeniedException", "AccessDeniedException", 2, 2),
        ("ThrottlingException", "ThrottlingException", 8, 8),
        ("InternalServerException", "InternalServerException", 2, 2),
    ],
)
def test_a_dead_source_has_its_error_in_every_family_costs_few_calls_and_no_other_notices(
    fault, error, first, then, a_function
):
    function = a_function(time_out=1.5 if fault == "hangs" else 8)
    function.organisation.session_lasts = timedelta(minutes=9)
    function.invoke()
    for expected in (first, then):
        function.organisation.listed.clear()
        function.organisation.faults[MEMBER] = fault
        assert function.errors() == {s: [error if s == MEMBER else None] * 2 for s in ALL}
        expected_calls = Counter({MEMBER: expected, SCOPE: 2, ABROAD: 2, OTHER: 2})
        assert function.organisation.listed == expected_calls
    now = rfc3339(function.clock.now())
    assert {source: function.as_of(source) == now for source in ALL} == {
        s: s != MEMBER for s in ALL
    }
    state = function.ledger.of(MEMBER).state(Family.PHI)
    assert state.last_error.name == error
    assert state.as_of == rfc3339(function.clock.now() - timedelta(minutes=2))


@pytest.mark.parametrize("fault", ["no role", "hangs", "UnrecognizedClientException"])
def test_a_source_that_comes_back_is_synced_by_the_next_run(fault, a_function):
    function = a_function(time_out=1.5 if fault == "hangs" else 8)
    function.organisation.faults[MEMBER] = fault
    assert function.errors()[MEMBER] != [None, None]
    function.organisation.faults.clear()
    assert function.errors() == {source: [None, None] for source in ALL}


def test_a_role_whose_sessions_were_revoked_is_assumed_again_by_the_next_run(a_function):
    function = a_function(sources=(SCOPE, MEMBER))
    function.invoke()
    function.organisation.revoke(MEMBER[:12])
    assert function.errors()[MEMBER] == ["UnrecognizedClientException"] * 2
    assert function.errors()[MEMBER] == [None, None]


def test_a_wrong_external_id_is_the_error_of_every_other_account_and_of_no_own_source(a_function):
    function = a_function(external_id="wrong")
    denied = ["AccessDenied"] * 2
    assert function.errors() == {
        SCOPE: [None] * 2,
        ABROAD: [None] * 2,
        MEMBER: denied,
        OTHER: denied,
    }


def test_the_log_of_a_dead_source_has_no_arn(a_function, caplog):
    function = a_function()
    function.organisation.faults[MEMBER] = "no role"
    with logged_lines() as lines:
        function.invoke()
    assert not [line for line in [*lines, *caplog.messages] if ":iam:" in line]


# Side by side.


def test_twenty_five_sources_are_listed_at_the_same_time_and_the_others_after_them(a_function):
    sources = tuple(f"{number:012}/us-east-1" for number in range(1, 51))
    function = a_function(sources=sources, families=(Family.PHI,))
    # None has an answer before 25 sources have asked.
    function.organisation.all_listing = threading.Barrier(25)
    assert set(map(str, function.errors().values())) == {"[None]"}
    assert function.organisation.listed == dict.fromkeys(sources, 1)


def test_an_unexpected_error_of_one_source_is_raised_when_the_others_are_synced(
    a_function, monkeypatch
):
    function = a_function()
    result = Sync.run

    def run(sync):
        if sync._ledger.source == MEMBER:
            raise KeyError
        return result(sync)

    monkeypatch.setattr(Sync, "run", run)
    with logged_lines() as lines, pytest.raises(UnexpectedError, match="KeyError"):
        function.invoke()
    (failed,) = [said for line in lines if (said := json.loads(line))["message"] == "sync failed"]
    assert (failed["account"], failed["region"]) == tuple(MEMBER.split("/"))
    assert {source for source in ALL if function.as_of(source)} == {*ALL} - {MEMBER}
    assert [family for family, _ in function.published] == [*KEPT]


def test_a_member_is_known_before_the_first_of_its_jobs_is_written(a_function):
    """A run that is killed then, and the removal of the source, leave no jobs of an unknown source."""
    function = a_function(sources=(SCOPE, MEMBER), families=(Family.PHI,))
    function.organisation.jobs[MEMBER, LIST_PHI] = [listed_job("job", 60)]
    unknown = []

    def after(operation):
        rows = function.database.items
        jobs = {key for key in rows if key[0].startswith(f"{SCOPE}/PHI")}
        if jobs and ("state", f"{MEMBER}/PHI") not in rows:
            unknown.append(operation)

    function.database.after = after
    function.invoke(Sources=[MEMBER])
    assert unknown == []
    alone = Ledger(function.ledger.table, SCOPE, function.clock.now)
    assert alone.known_sources() == [SCOPE, MEMBER]


def test_callers_share_the_sync_of_each_source(a_function):
    function = a_function()
    first = function.invoke(IfOlderThanSeconds=100)["Sources"]
    again = function.invoke(IfOlderThanSeconds=100)["Sources"]
    assert {of["Families"]["PHI"]["AsOf"] for of in first.values()} == {rfc3339(NOW + 60 * SECOND)}
    assert again == {
        source: {
            "Families": {
                family: of | {"UpstreamCalls": 0} for family, of in answer["Families"].items()
            }
        }
        for source, answer in first.items()
    }
    assert function.organisation.listed == dict.fromkeys(ALL, 2)
    assert function.published == []


# Answer, log and metrics.


def results(monkeypatch, by_source):
    monkeypatch.setattr(Sync, "run", lambda sync: by_source[sync._ledger.source])


FOUND = FamilySync(rfc3339(NOW + 50 * SECOND), 7, 6, 5, 4, 3, 2, 1)
OLDER = FamilySync(rfc3339(NOW - 20 * SECOND), 1, 0, 2, 0, 0, error="AccessDenied")


def test_the_answer_has_each_source_and_over_them_the_oldest_as_of_and_an_error(
    a_function, monkeypatch
):
    function = a_function(sources=(SCOPE, MEMBER), families=(Family.PHI,))
    results(monkeypatch, {SCOPE: FOUND, MEMBER: OLDER})
    one = {"AsOf": FOUND.as_of, "UpstreamCalls": 7, "Changed": 4}
    two = {"AsOf": OLDER.as_of, "UpstreamCalls": 1, "Changed": 0, "Error": "AccessDenied"}
    assert function.invoke() == {
        "Sources": {SCOPE: {"Families": {"PHI": one}}, MEMBER: {"Families": {"PHI": two}}},
        "Families": {
            "PHI": {"AsOf": OLDER.as_of, "UpstreamCalls": 8, "Changed": 4, "Error": "AccessDenied"}
        },
    }
    results(monkeypatch, {SCOPE: FOUND, MEMBER: FamilySync(None)})
    assert function.invoke()["Families"]["PHI"] == one | {"AsOf": None}


def test_a_run_publishes_one_value_for_each_family_whatever_the_number_of_sources(
    a_function, monkeypatch
):
    function = a_function(sources=(SCOPE, MEMBER, ABROAD))
    results(
        monkeypatch,
        {SCOPE: FOUND, MEMBER: OLDER, ABROAD: FamilySync(None, error="ReadTimeoutError")},
    )
    function.invoke()
    assert [family for family, _ in function.published] == [*KEPT]
    for _, values in function.published:
        assert values.pop("SyncSeconds") >= 0
        assert values == {
            "UpstreamCalls": 8,
            "AsOfAgeSeconds": 80,
            "UpstreamThrottles": 6,
            "JobsObserved": 7,
            "Transitions": 3,
            "CountersRepaired": 2,
            "JobsAltered": 1,
            "SyncFailures": 2,
        }


def test_the_age_is_that_at_the_end_of_a_sync_and_not_of_a_run(a_function, monkeypatch):
    function = a_function(sources=(SCOPE,))
    done = Sync.run

    def run(sync):
        result = done(sync)
        if sync._family is Family.PHI:
            function.clock.forward(800)  # a long walk
        return result

    monkeypatch.setattr(Sync, "run", run)
    function.invoke()
    assert [values["AsOfAgeSeconds"] for _, values in function.published] == [0, 800]


def test_the_log_says_which_source_has_changes_or_an_error(a_function, monkeypatch):
    function = a_function(sources=(SCOPE, MEMBER, ABROAD), families=(Family.PHI,))
    at_rest = FamilySync(rfc3339(NOW), upstream_calls=1)
    results(monkeypatch, {SCOPE: FOUND, MEMBER: OLDER, ABROAD: at_rest})
    with logged_lines() as lines:
        function.invoke()
    logged = [line for line in map(json.loads, lines) if line["message"] == "synced"]
    found = sorted((line["account"], line["region"], line.get("error", "")) for line in logged)
    assert found == [
        (OWN_ACCOUNT, "us-east-1", ""),
        ("444455556666", "us-east-1", "AccessDenied"),
    ]


def test_without_the_setting_nothing_of_several_sources_is_imported():
    program = """
import sys
import jobledger.handlers.sync
late = ("connections", "credentials", "giving_up")
print(*[name for name in late if f"jobledger.sync.{name}" in sys.modules])
"""
    assert run_python(program).split() == []
