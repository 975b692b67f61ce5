"""A run over several sources: what each is asked for and answers, and that a dead one disturbs no other."""

import json
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from unittest import mock

import pytest

from jobledger.errors import InvalidParameters, UnexpectedError
from jobledger.handlers import sync
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import run as module
from jobledger.sync.connections import Connections
from jobledger.sync.credentials import Members
from jobledger.sync.progress import FamilySync
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing.api import Context, logged_lines
from testing.builders import NOW, SCOPE, SECOND, listed_job
from testing.memory_dynamodb import MemoryDynamoDB
from testing.organisation import EXTERNAL_ID, OF_ROLES, Organisation
from testing.processes import run_python
from testing.world import Clock

OWN_ACCOUNT = SCOPE[:12]
ABROAD, MEMBER = f"{OWN_ACCOUNT}/eu-west-1", "444455556666/us-east-1"
OTHER = "777788889999/us-gov-west-1"
ALL = (SCOPE, ABROAD, MEMBER, OTHER)
KEPT = (Family.SNOMEDCT, Family.PHI)
LIST_PHI = "ListPHIDetectionJobs"
ROLE = {"MEMBER_ROLE_NAME": "JobLedgerMember", "EXTERNAL_ID": EXTERNAL_ID}


class Function:
    """The sync function of a deployment with these sources; `published` are the metrics of the last run."""

    def __init__(self, sources=ALL, families=KEPT):
        self.organisation = Organisation(OWN_ACCOUNT)
        self.clock = Clock()
        self.database = MemoryDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, self.clock.now, sources)
        self.settings = Settings("ledger", SCOPE, families, sources)
        self.published: list[tuple[str, dict[str, float]]] = []

    def invoke(self, **event):
        self.clock.forward(60)
        self.published.clear()
        return sync.handler(event, Context(840_000))

    def publish(self, values, family):
        self.published.append((family, {metric.name: number for metric, number in values.items()}))

    def errors(self, **event):
        """The errors of a run by source, each family's in turn."""
        return {
            source: [of.get("Error") for of in answer["Families"].values()]
            for source, answer in self.invoke(**event)["Sources"].items()
        }

    def state(self, source):
        return self.ledger.of(source).state(Family.PHI)


@pytest.fixture
def a_function(monkeypatch):
    """Make functions, which call without pauses."""
    monkeypatch.setattr("jobledger.sync.pace._SLOT", 0.001)
    monkeypatch.setattr("jobledger.sync.pace.MILLISECONDS_BETWEEN_CALLS", 1)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)

    def make(**parts):
        made = Function(**parts)
        stack.enter_context(made.organisation.running())
        with mock.patch.dict("os.environ", ROLE):
            connected = made.settings, Connections(made.ledger, Members.connect(SCOPE))
        monkeypatch.setenv("SOURCES", "any")
        monkeypatch.setattr(sync, "_connect_sources", lambda: connected)
        monkeypatch.setattr(sync, "_now", made.clock.now)
        monkeypatch.setattr(module, "publish_metrics", made.publish)
        return made

    with ExitStack() as stack:
        yield make


def test_each_source_is_listed_in_its_region_with_the_credentials_of_its_account(a_function):
    function = a_function()
    for number, source in enumerate(ALL):
        jobs = [listed_job("job", 60 + number), listed_job(f"job-{number}", 30)]
        function.organisation.jobs[source, LIST_PHI] = jobs
    answer = function.invoke()
    assert ([*answer], [*answer["Sources"]]) == (["Sources", "Families"], [*ALL])
    assert function.organisation.listed == dict.fromkeys(ALL, 2)
    function.invoke()
    # Credentials are kept until shortly before they expire.
    assert function.organisation.assumed == {
        "arn:aws:iam::444455556666:role/JobLedgerMember": 1,
        "arn:aws-us-gov:iam::777788889999:role/JobLedgerMember": 1,
    }
    assert function.organisation.session_names == {"JobLedger-111122223333.us-east-1"}
    rows = [key for key in function.database.items if key[0] == f"{SCOPE}/PHI"]
    assert len(rows) == 8  # the same id is another job in each source
    assert sorted(sk for pk, sk in function.database.items if pk == "pace") == sorted(ALL)


@pytest.mark.parametrize(
    "event, synced",
    [({"Sources": [MEMBER]}, [MEMBER]), ({"Sources": [OTHER, SCOPE, OTHER]}, [SCOPE, OTHER])],
)
def test_an_event_syncs_the_sources_that_it_names(event, synced, a_function):
    function = a_function()
    answer = function.invoke(Families=["PHI"], **event)
    assert [*answer["Sources"]] == synced
    assert function.organisation.listed == dict.fromkeys(synced, 1)


def test_a_source_that_is_not_configured_is_refused_with_those_that_are(a_function):
    with pytest.raises(InvalidParameters) as refused:
        a_function(sources=(SCOPE, MEMBER)).invoke(Sources=[ABROAD], Familys=["PHI"])
    assert str(refused.value) == (
        f"Sources: a list of one or more sources of this ledger: {SCOPE}, {MEMBER}; Familys: Unknown member. "
        "Did you mean Families? This payload accepts Sources, Families, IfOlderThanSeconds"
    )


def test_the_function_connects_to_each_source_of_its_environment_once(monkeypatch):
    environment = ROLE | {
        "SOURCES": "us-east-1=111122223333,444455556666;eu-west-1=111122223333",
        "LEDGER_TABLE_NAME": "ledger",
        "LEDGER_SCOPE": SCOPE,
        "FAMILIES": "PHI",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    configured, connections = sync._connect_sources.__wrapped__()
    assert configured.sources == (SCOPE, MEMBER, ABROAD)
    for source in configured.sources:
        connected = connections.to(source)
        assert connected.ledger.source == source
        url = f"https://comprehendmedical.{source.partition('/')[2]}.amazonaws.com"
        assert connected.upstream._client.meta.endpoint_url == url
        assert connections.to(source) is connected


# A source that is dead.


@pytest.mark.parametrize(
    "fault, error, first, then, assumed",
    [
        ("no role", "AccessDenied", 0, 0, 2),
        ("expired", "CredentialRetrievalError", 0, 0, 2),
        ("closes", "ConnectionClosedError", 2, 1, 0),
        # The sessions of its role were revoked: the next run assumes it again.
        ("UnrecognizedClientException", "UnrecognizedClientException", 1, 1, 1),
        # These have an answer for each family.
        ("AccessDeniedException", "AccessDeniedException", 2, 2, 1),
        ("ThrottlingException", "ThrottlingException", 8, 8, 0),
        ("InternalServerException", "InternalServerException", 2, 2, 0),
    ],
)
def test_a_dead_source_has_its_error_in_every_family_costs_few_calls_and_no_other_notices(
    fault, error, first, then, assumed, a_function, caplog
):
    """It is synced by the first run after it is back. The log has no ARN."""
    function = a_function()
    organisation = function.organisation
    if fault in OF_ROLES:
        organisation.session_lasts = timedelta(minutes=9)  # botocore renews them each time
    function.invoke()
    for expected in (first, then):
        organisation.listed.clear()
        organisation.faults[MEMBER] = fault
        with logged_lines() as lines:
            assert function.errors() == {s: [error if s == MEMBER else None] * 2 for s in ALL}
        assert not [line for line in [*lines, *caplog.messages] if ":iam:" in line]
        assert organisation.listed == Counter({SCOPE: 2, ABROAD: 2, OTHER: 2, MEMBER: expected})
    now, before = (rfc3339(function.clock.now() - timedelta(minutes=n)) for n in (0, 2))
    assert [function.state(source).as_of for source in ALL] == [now, now, before, now]
    assert function.state(MEMBER).last_error.name == error
    organisation.faults.clear()
    organisation.assumed.clear()
    organisation.session_lasts = timedelta(hours=1)
    for _ in range(2):
        assert function.errors() == {source: [None, None] for source in ALL}
    assert organisation.assumed.total() == assumed


# Side by side.


def test_twenty_five_sources_are_synced_at_the_same_time_and_the_others_after_them(
    a_function, monkeypatch
):
    sources = tuple(f"{number:012}/us-east-1" for number in range(1, 51))
    begun = threading.Barrier(25)

    def sync_source(*_):
        begun.wait(20)
        return {}

    monkeypatch.setattr(module, "sync_source", sync_source)
    assert tuple(a_function(sources=sources).invoke()["Sources"]) == sources


def test_an_unexpected_error_of_one_source_is_raised_when_the_others_are_synced(
    a_function, monkeypatch
):
    function, result = a_function(), Sync.run

    def run(sync):
        if sync._ledger.source == MEMBER:
            raise KeyError
        return result(sync)

    monkeypatch.setattr(Sync, "run", run)
    with logged_lines() as lines, pytest.raises(UnexpectedError, match="KeyError"):
        function.invoke()
    (failed,) = [said for line in lines if (said := json.loads(line))["message"] == "sync failed"]
    assert (failed["account"], failed["region"]) == tuple(MEMBER.split("/"))
    assert {source for source in ALL if function.state(source).as_of} == {*ALL} - {MEMBER}
    assert [family for family, _ in function.published] == [*KEPT]


def test_a_member_is_known_before_the_first_of_its_jobs_is_written(a_function):
    """A run that is killed then, and the removal of the source, leave no jobs of an unknown source."""
    function = a_function(sources=(SCOPE, MEMBER), families=(Family.PHI,))
    function.organisation.jobs[MEMBER, LIST_PHI] = [listed_job("job", 60)]

    def after(operation):
        rows = function.database.items
        if any(pk.startswith(f"{SCOPE}/PHI") for pk, _ in rows):
            assert ("state", f"{MEMBER}/PHI") in rows

    function.database.after = after
    function.invoke(Sources=[MEMBER])
    alone = Ledger(function.ledger.table, SCOPE, function.clock.now)
    assert alone.known_sources() == [SCOPE, MEMBER]


def test_callers_share_the_sync_of_each_source(a_function):
    function = a_function()
    first, again = (function.invoke(IfOlderThanSeconds=100)["Sources"] for _ in range(2))
    for source in ALL:
        for family, answer in first[source]["Families"].items():
            assert answer["AsOf"] == rfc3339(NOW + 60 * SECOND)
            assert again[source]["Families"][family] == answer | {"UpstreamCalls": 0}
    assert function.organisation.listed == dict.fromkeys(ALL, 2)
    assert function.published == []


# Answer, log and metrics.

FOUND = FamilySync(rfc3339(NOW + 50 * SECOND), 7, 6, 5, 4, 3, 2, 1)
OLDER = FamilySync(rfc3339(NOW - 20 * SECOND), 1, 0, 2, 0, 0, error="AccessDenied")


def test_a_run_has_the_answer_of_each_source_and_one_value_of_each_metric_for_all(
    a_function, monkeypatch
):
    """The log has the sources with changes or an error."""
    function = a_function(sources=(SCOPE, MEMBER, ABROAD), families=(Family.PHI,))
    results = {SCOPE: FOUND, MEMBER: OLDER, ABROAD: FamilySync(rfc3339(NOW), upstream_calls=1)}
    monkeypatch.setattr(Sync, "run", lambda sync: results[sync._ledger.source])
    with logged_lines() as lines:
        answer = function.invoke()
    one = {"AsOf": FOUND.as_of, "UpstreamCalls": 7, "Changed": 4}
    two = {"AsOf": OLDER.as_of, "UpstreamCalls": 1, "Changed": 0, "Error": "AccessDenied"}
    three = {"AsOf": rfc3339(NOW), "UpstreamCalls": 1, "Changed": 0}
    assert answer == {
        "Sources": {
            source: {"Families": {"PHI": of}}
            for source, of in ((SCOPE, one), (MEMBER, two), (ABROAD, three))
        },
        "Families": {"PHI": two | {"UpstreamCalls": 9, "Changed": 4}},
    }
    logged = [line for line in map(json.loads, lines) if line["message"] == "synced"]
    found = sorted((line["account"], line["region"], line.get("error", "")) for line in logged)
    assert found == [(*SCOPE.split("/"), ""), (*MEMBER.split("/"), "AccessDenied")]
    ((family, values),) = function.published
    assert (family, values.pop("SyncSeconds") >= 0) == ("PHI", True)
    counts = {"UpstreamThrottles": 6, "JobsObserved": 7, "Transitions": 3, "CountersRepaired": 2}
    counts |= {"UpstreamCalls": 9, "AsOfAgeSeconds": 80, "JobsAltered": 1, "SyncFailures": 1}
    assert values == counts
    results[MEMBER], results[ABROAD] = FamilySync(None), FOUND
    assert function.invoke()["Families"]["PHI"] == {
        "AsOf": None,
        "UpstreamCalls": 14,
        "Changed": 8,
    }


def test_the_age_is_that_at_the_end_of_a_sync_and_not_of_a_run(a_function, monkeypatch):
    function, done = a_function(sources=(SCOPE,)), Sync.run

    def run(sync):
        result = done(sync)
        if sync._family is Family.PHI:
            function.clock.forward(800)  # a long walk
        return result

    monkeypatch.setattr(Sync, "run", run)
    function.invoke()
    assert [values["AsOfAgeSeconds"] for _, values in function.published] == [0, 800]


def test_without_the_setting_nothing_of_several_sources_is_imported():
    late = ("connections", "credentials", "giving_up")
    program = f"""
import sys
import jobledger.handlers.sync
print(*[name for name in {late} if f"jobledger.sync.{{name}}" in sys.modules])
"""
    assert run_python(program).split() == []
