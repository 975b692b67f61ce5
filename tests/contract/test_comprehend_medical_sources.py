"""Several accounts and regions in one stand-in: their jobs, quotas and faults, and sources that are switched off."""

import threading
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.comprehend_medical import ControlError, Family, Hostility, Server
from local.comprehend_medical.sample import sample_sources
from local.comprehend_medical.sources import OWN_SOURCE
from testing.scripted_server import Scripted, document, scripted
from tests.contract.shapes import LIST_KEY, Clock, client_for, control, job

MEMBER, OTHER = "111122223333", "222233334444"
SOURCES = [
    f"{account}/{region}" for account in (MEMBER, OTHER) for region in ("us-east-1", "eu-west-1")
]
TAME = Hostility.none()


def serving(own, hostility=TAME, settings=None, **more):
    """A stand-in whose other sources have one job each, with the id and SubmitTime of the own one's."""
    others = {source: named(source) for source in SOURCES}
    return Server(own, hostility, settings, Clock(), sources=others, **more)


def named(source):
    return {Family.SNOMEDCT: [job(1, JobName=source.replace("/", ":"))]}


@pytest.fixture
def server():
    with serving(named(OWN_SOURCE)) as server:
        yield server


def client_of(server, source):
    account, region = source.split("/")
    key = "test" if source == OWN_SOURCE else account
    return client_for(server.endpoint, key=key, region=region)


def names(client):
    return [job["JobName"] for job in client.list_snomedct_inference_jobs()[LIST_KEY]]


def test_a_request_reaches_the_account_and_region_of_its_signature(server):
    for source in (OWN_SOURCE, *SOURCES):
        assert names(client_of(server, source)) == [source.replace("/", ":")]
    assert names(client_of(server, "333344445555/us-east-1")) == []
    # An access key that is no account's belongs to the own account.
    keyed = client_for(server.endpoint, key="AKIAIOSFODNN7EXAMPLE")
    assert names(keyed) == [OWN_SOURCE.replace("/", ":")]


def test_until_a_source_is_named_all_signatures_reach_the_same_jobs():
    with Server(named(OWN_SOURCE), TAME, clock=Clock()) as server:
        clients = [client_of(server, source) for source in (OWN_SOURCE, *SOURCES)]
        assert [len(names(client)) for client in clients] == [1] * 5
        server.source(SOURCES[0])
        assert [len(names(client)) for client in clients] == [1, 0, 0, 0, 0]


def test_control_requests_change_the_selected_source_only(server):
    chosen = SOURCES[1]
    settings = {"outcome": "FAILED"}
    assert control(server, "POST", "settings", settings, chosen)[1]["outcome"] == "FAILED"
    assert control(server, "POST", "jobs", {"Replace": {}}, chosen) == (200, {"Jobs": 0})
    control(server, "POST", "faults", {"Error": "InternalServerException"}, chosen)
    for source in ("", OWN_SOURCE, SOURCES[0], *SOURCES[2:]):
        asked = [control(server, "GET", path, None, source)[1] for path in ("settings", "faults")]
        assert (asked[0]["outcome"], asked[1]["Pending"]) == ("COMPLETED", [])
        assert len(control(server, "GET", "jobs", None, source)[1]["SNOMEDCT"]) == 1
    client = client_of(server, chosen)
    with pytest.raises(client.exceptions.InternalServerException):
        names(client)
    assert names(client) == []
    # The own account is the default.
    own = control(server, "GET", "jobs", None, "000000000000/eu-west-1")
    assert control(server, "GET", "jobs?Region=eu-west-1") == own


@pytest.mark.parametrize(
    "off, met, seconds",
    [
        ("Hang", ReadTimeoutError, 2),
        ("Refuse", ConnectionClosedError, 0),
        ("AccessDenied", ClientError, 0),
    ],
)
def test_a_source_that_is_switched_off_hangs_or_refuses_and_no_other_does(
    server, off, met, seconds
):
    dead = SOURCES[0]
    assert control(server, "POST", "faults", {"Off": off}, dead)[1]["Off"] == off
    client, started = client_of(server, dead), time.monotonic()
    with pytest.raises(met, match="AccessDenied" if met is ClientError else None):
        names(client)
    assert seconds <= time.monotonic() - started < seconds + 1
    for source in (OWN_SOURCE, *SOURCES[1:]):
        assert len(names(client_of(server, source))) == 1
    control(server, "POST", "faults", {"Off": ""}, dead)
    assert len(names(client)) == 1


def test_a_call_that_hangs_ends_when_its_source_is_switched_on(server):
    server.fault(Off="Hang")
    threading.Timer(0.3, server.reset).start()
    with pytest.raises(ConnectionClosedError):
        names(client_of(server, OWN_SOURCE))
    with pytest.raises(ControlError, match="allowed are Hang, Refuse, AccessDenied"):
        server.fault(Off="Explode")


@pytest.mark.parametrize("family", Family)
def test_the_sample_has_jobs_of_equal_id_and_time_in_all_sources_with_other_names(family):
    jobs = sample_sources(1_793_000_000.0, [OWN_SOURCE, *SOURCES])
    assert list(jobs) == [OWN_SOURCE, *SOURCES]
    names_of = [
        {(job["JobId"], job["SubmitTime"]): job.get("JobName") for job in of_source[family]}
        for of_source in jobs.values()
    ]
    common = set.intersection(*map(set, names_of))
    assert len(common) == 3
    assert all(len(of_source) > len(common) for of_source in names_of)
    shared = {of_source[each] for of_source in names_of for each in common}
    assert len(shared) >= len(names_of)


def test_the_iam_of_the_local_aws_says_whose_a_temporary_key_is_and_what_it_may():
    allowed = document({"Account": MEMBER})
    with scripted(allowed) as iam, serving({}, iam_endpoint=iam.url) as server:
        client = client_for(server.endpoint, key="ASIAEXAMPLE", region="eu-west-1")
        assert names(client) == [f"{MEMBER}:eu-west-1"]
    (asked,) = iam.received
    assert (asked.headers["host"], asked.body) == (server.endpoint.removeprefix("http://"), b"{}")
    assert "Credential=ASIAEXAMPLE/" in asked.headers["authorization"]
    denied = Scripted(400, {}, b'{"__type": "AccessDeniedException", "message": "not you"}')
    with scripted(denied, None) as iam, serving({}, iam_endpoint=iam.url) as server:
        for said in (r"AccessDeniedException.*not you", "IAM does not answer"):
            with pytest.raises(ClientError, match=said):
                names(client_for(server.endpoint))
