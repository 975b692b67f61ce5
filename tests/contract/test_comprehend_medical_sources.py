"""Several accounts and regions in one stand-in: their jobs, quotas and faults, and sources that are switched off."""

import http.server
import json
import threading
import time
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.comprehend_medical import ControlError, Family, Hostility, Server, Settings
from local.comprehend_medical.sample import sample_sources
from local.comprehend_medical.sources import OWN_SOURCE
from tests.contract.shapes import LIST_KEY, MINIMAL, Clock, client_for, job, request

MEMBER, OTHER = "111122223333", "222233334444"
SOURCES = [
    f"{account}/{region}" for account in (MEMBER, OTHER) for region in ("us-east-1", "eu-west-1")
]
EVERYWHERE = job(1)
"""A job whose id and SubmitTime every source has."""


def named(source):
    return {Family.SNOMEDCT: [EVERYWHERE | {"JobName": source.replace("/", ":")}]}


@pytest.fixture
def server():
    of_sources = {source: named(source) for source in SOURCES}
    with Server(named(OWN_SOURCE), Hostility.none(), clock=Clock(), sources=of_sources) as server:
        yield server


def client_of(server, source):
    account, region = source.split("/")
    key = "test" if source == OWN_SOURCE else account
    return client_for(server.endpoint, key=key, region=region)


def names(client):
    return [job["JobName"] for job in client.list_snomedct_inference_jobs()[LIST_KEY]]


def ask(server, method, path, source="", body=None):
    """Return status and body of a control request that selects a source."""
    account, _, region = source.partition("/")
    query = f"?Account={account}&Region={region}" if source else ""
    response, received = request(server, method, f"/_control/{path}{query}", body)
    return response.status, json.loads(received)


def test_a_request_reaches_the_account_and_region_of_its_signature(server):
    for source in (OWN_SOURCE, *SOURCES):
        assert names(client_of(server, source)) == [source.replace("/", ":")]
    assert names(client_of(server, "333344445555/us-east-1")) == []
    # An access key that is no account's belongs to the own account.
    assert names(client_for(server.endpoint, key="AKIAIOSFODNN7EXAMPLE")) == [
        OWN_SOURCE.replace("/", ":")
    ]


def test_until_a_source_is_named_all_signatures_reach_the_same_jobs():
    with Server(named(OWN_SOURCE), Hostility.none(), clock=Clock()) as server:
        clients = [client_of(server, source) for source in (OWN_SOURCE, *SOURCES)]
        assert [names(client) for client in clients] == [[OWN_SOURCE.replace("/", ":")]] * 5
        server.source(SOURCES[0])
        assert [len(names(client)) for client in clients] == [1, 0, 0, 0, 0]


def test_a_job_is_started_described_and_stopped_in_its_own_source_only(server):
    started = client_of(server, SOURCES[0]).start_snomedct_inference_job(**MINIMAL)["JobId"]
    for source in (OWN_SOURCE, *SOURCES[1:]):
        client = client_of(server, source)
        for call in (client.describe_snomedct_inference_job, client.stop_snomedct_inference_job):
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                call(JobId=started)
    described = client_of(server, SOURCES[0]).describe_snomedct_inference_job(JobId=started)
    assert described["ComprehendMedicalAsyncJobProperties"]["JobStatus"] == "SUBMITTED"


def test_each_source_has_the_quota_of_its_own():
    throttled = Hostility(throttle=True, expire_jobs=False)
    sources = {source: named(source) for source in SOURCES}
    settings = Settings(read_rate=10)
    with Server({}, throttled, settings, Clock(), sources=sources) as server:
        for source in SOURCES:
            client = client_of(server, source)
            for _ in range(10):
                names(client)
            with pytest.raises(client.exceptions.TooManyRequestsException):
                names(client)
        assert server.source(SOURCES[0]).calls()["Counts"] == {"ListSNOMEDCTInferenceJobs": 11}
        assert server.calls()["Counts"] == {}


def test_control_requests_change_the_selected_source_only(server):
    chosen = SOURCES[1]
    assert ask(server, "POST", "settings", chosen, {"outcome": "FAILED"})[1]["outcome"] == "FAILED"
    assert ask(server, "POST", "jobs", chosen, {"Replace": {}}) == (200, {"Jobs": 0})
    ask(server, "POST", "faults", chosen, {"Error": "InternalServerException"})
    for source in ("", OWN_SOURCE, SOURCES[0], *SOURCES[2:]):
        assert ask(server, "GET", "settings", source)[1]["outcome"] == "COMPLETED"
        assert len(ask(server, "GET", "jobs", source)[1]["SNOMEDCT"]) == 1
        assert ask(server, "GET", "faults", source)[1]["Pending"] == []
    client = client_of(server, chosen)
    with pytest.raises(client.exceptions.InternalServerException):
        names(client)
    assert names(client) == []
    # The own account or region is the default.
    assert ask(server, "GET", "jobs?Region=eu-west-1") == ask(
        server, "GET", "jobs", "000000000000/eu-west-1"
    )


@pytest.mark.parametrize(
    "query, said",
    [
        ("Account=1", "1/us-east-1 is not a source"),
        ("Region=Europe", "000000000000/Europe is not a source"),
        ("Source=x", "Source is unknown"),
    ],
)
def test_a_selector_that_is_none_is_refused(server, query, said):
    status, answer = ask(server, "GET", f"calls?{query}")
    assert (status, said in answer["Message"]) == (400, True)
    with pytest.raises(ControlError, match="is not a source"):
        server.source("111122223333")


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
    assert ask(server, "POST", "faults", dead, {"Off": off})[1]["Off"] == off
    client, started = client_of(server, dead), time.monotonic()
    with pytest.raises(met, match="AccessDenied" if met is ClientError else None):
        names(client)
    assert seconds <= time.monotonic() - started < seconds + 1
    for source in (OWN_SOURCE, *SOURCES[1:]):
        assert len(names(client_of(server, source))) == 1
    ask(server, "POST", "faults", dead, {"Off": ""})
    assert len(names(client)) == 1


def test_a_call_that_hangs_ends_when_its_source_is_switched_on(server):
    server.fault(Off="Hang")
    threading.Timer(0.3, server.reset).start()
    with pytest.raises(ConnectionClosedError):
        names(client_of(server, OWN_SOURCE))
    with pytest.raises(ControlError, match="allowed are Hang, Refuse, AccessDenied"):
        server.fault(Off="Explode")


def test_the_sample_has_jobs_of_equal_id_and_time_in_all_sources_with_other_names():
    now, sources = 1_793_000_000.0, [OWN_SOURCE, *SOURCES]
    jobs = sample_sources(now, sources)
    assert list(jobs) == sources
    for family in Family:
        keys = [
            {(job["JobId"], job["SubmitTime"]) for job in jobs[source][family]}
            for source in sources
        ]
        common = set.intersection(*keys)
        assert len(common) == 3
        shared = [
            job
            for each in sources
            for job in jobs[each][family]
            if (job["JobId"], job["SubmitTime"]) in common
        ]
        assert len({job.get("JobName") for job in shared}) >= len(SOURCES) + 1
        assert all(len(others) > len(common) for others in keys)


@contextmanager
def answering(status, answer):
    """A local AWS that authorizes with this answer; gives its endpoint and the requests that it got."""
    got = []

    class Iam(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Host"], self.headers["Authorization"], body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Iam) as iam:
        threading.Thread(target=iam.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{iam.server_port}", got
        iam.shutdown()


def test_the_iam_of_the_local_aws_says_whose_a_temporary_key_is_and_what_it_may():
    sources = {source: named(source) for source in SOURCES}
    with (
        answering(200, {"Account": MEMBER}) as (iam, got),
        Server({}, Hostility.none(), clock=Clock(), sources=sources, iam_endpoint=iam) as server,
    ):
        client = client_for(server.endpoint, key="ASIAEXAMPLE", region="eu-west-1")
        assert names(client) == [f"{MEMBER}:eu-west-1"]
        ((host, signed, body),) = got
        assert (host, body) == (server.endpoint.removeprefix("http://"), b"{}")
        assert "Credential=ASIAEXAMPLE/" in signed
    denied = {"__type": "AccessDeniedException", "message": "not you"}
    with Server({}, iam_endpoint="http://127.0.0.1:1") as server:
        client = client_for(server.endpoint)
        with pytest.raises(ClientError, match="IAM does not answer"):
            names(client)
    with answering(400, denied) as (iam, _), Server({}, iam_endpoint=iam) as server:
        client = client_for(server.endpoint)
        with pytest.raises(ClientError, match=r"AccessDeniedException.*not you"):
            names(client)
