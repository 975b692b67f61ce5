"""Strings that could identify a patient, in every field that can hold one, are found nowhere but in the ledger.

One test over the deployed stack drives everything that reads or reports jobs; the next ones search what it
left. All strings have one part in common, so that one search finds each of them.
"""

import datetime
import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from types import SimpleNamespace

import pytest

from tests.e2e import observed
from tests.e2e.deployment import Inbox, wait_until
from tests.e2e.lookups import Stacks

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")

FAMILY = "PHI"
CANARY = f"canary{uuid.uuid4().hex}"


class Canaries:
    """Makes the strings, and remembers where each was put."""

    def __init__(self):
        self.places = []

    def __call__(self, place):
        self.places.append(place)
        return f"{CANARY}-{len(self.places)}"


def job(canary, status, number):
    submitted = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=9 - number)
    return {
        "JobId": f"{number}{uuid.uuid4().hex[1:]}",
        "JobName": canary("JobName"),
        "JobStatus": status,
        "Message": canary("Message"),
        "SubmitTime": f"{submitted:%Y-%m-%dT%H:%M:%SZ}",
        "EndTime": f"{submitted + datetime.timedelta(seconds=60):%Y-%m-%dT%H:%M:%SZ}",
        "InputDataConfig": {"S3Bucket": canary("in bucket"), "S3Key": canary("in key")},
        "OutputDataConfig": {"S3Bucket": canary("out bucket"), "S3Key": canary("out key")},
        "LanguageCode": "en",
        "DataAccessRoleArn": f"arn:aws:iam::111122223333:role/{canary('role')}",
        "ManifestFilePath": canary("manifest"),
        "KMSKey": canary("key"),
        "ModelVersion": canary("model"),
    }


class Caller:
    """Sends requests and keeps the answers."""

    def __init__(self, deployment):
        self._deployment = deployment
        self.errors, self.answers = [], []

    def __call__(self, path, method="GET", body=None, headers=None, **parameters):
        url = f"{path}?{urllib.parse.urlencode(parameters)}"
        answer = self._deployment.send(url, method=method, body=body, **(headers or {}))
        if answer.status < 400:
            self.answers.append(answer.content.decode())
        else:
            self.errors.append((answer.status, answer.content.decode()))


def call_api(api, canary, first):
    api("/jobs", Family=FAMILY, JobName=first["JobName"])
    api("/jobs", Family=FAMILY, JobNamePrefix=first["JobName"][:-1], Format="csv")
    api(f"/jobs/{first['JobId']}")
    api("/summary", Family=FAMILY, JobName=first["JobName"])
    api("/jobs", JobName=canary("name that no job has"), ConsistentRead="true")
    api("/jobs", Family=canary("family"))
    api("/jobs", NextToken=canary("token"))
    api("/jobs", SubmitTimeAfter=canary("time"))
    api("/jobs", Patient=canary("unknown parameter"))
    api(f"/jobs/{canary('job id')}")
    api(f"/{canary('path')}")
    api("/jobs", headers={"User-Agent": canary("header"), "X-Patient": canary("header")})
    sent = {"Idempotency-Key": canary("idempotency key"), "Content-Type": "application/json"}
    api("/digests", "POST", b"{}", sent)
    api("/digests", "POST", b"{}", sent)
    window = {"WindowStart": "2026-11-01T00:00:00Z", "WindowEnd": "2026-11-02T00:00:00Z"}
    api("/digests", "POST", json.dumps(window).encode(), sent)
    body = json.dumps({"WindowStart": canary("body")}).encode()
    api("/digests", "POST", body, {"Content-Type": "application/json"})


def look_up(deployment, canary, jobs):
    """Look-ups by CloudFormation itself; return the ends of their stacks and the reasons."""
    token = deployment.outputs["LookupServiceToken"]
    stacks = Stacks(deployment.client("cloudformation"), token)
    wanted = {
        "Found": {"JobName": jobs[0]["JobName"], "Refresh": canary("refresh")},
        "Failed": {"JobName": jobs[1]["JobName"], "WaitMinutes": "0.2"},
        "Missing": {"JobName": canary("looked-up name")},
        "Prefix": {"JobNamePrefix": CANARY, "JobStatus": "FAILED,COMPLETED", "Select": "only"},
        "Refused": {"JobName": jobs[0]["JobName"], "JobStatus": canary("looked-up status")},
    }
    for case, properties in wanted.items():
        stacks.put(f"canaries-{case}", {"Job": {"Family": FAMILY, **properties}})
    ended = {case: stacks.end(f"canaries-{case}") for case in wanted}
    reasons = " ".join(stacks.reasons(f"canaries-{case}") for case in wanted)
    for case in wanted:
        stacks.remove(f"canaries-{case}")
    return ended, reasons


def invoke(deployment, function, payload):
    client = deployment.client("lambda")
    answer = client.invoke(FunctionName=deployment.outputs[function], Payload=json.dumps(payload))
    return answer["Payload"].read().decode()


@pytest.fixture(scope="module")
def driven(deployment):
    """Everything that reads or reports jobs, once, on jobs and requests full of canaries."""
    canary, api, inbox = Canaries(), Caller(deployment), Inbox(deployment, "canaries")
    inbox.subscribe("DigestTopicArn")
    inbox.subscribe("JobAlertsTopicArn")
    inbox.follow_events()
    invoke(deployment, "SyncFunctionName", {"Families": [FAMILY]})
    jobs = [job(canary, "COMPLETED", 1), job(canary, "FAILED", 2)]
    deployment.control("jobs", Put={FAMILY: jobs})
    invoke(deployment, "SyncFunctionName", {"Families": [FAMILY]})
    call_api(api, canary, jobs[0])
    ended, reasons = look_up(deployment, canary, jobs)
    fault = {"Operation": "List*", "Error": "InvalidRequestException", "Count": 50}
    deployment.control("faults", **fault, Message=canary("service's error"))
    results = [
        invoke(deployment, "SyncFunctionName", {}),
        invoke(deployment, "SyncFunctionName", {"Families": [canary("payload")]}),
        invoke(deployment, "DigestFunctionName", {"WindowStart": canary("payload")}),
        invoke(deployment, "DigestFunctionName", {"IdempotencyKey": canary("payload")}),
        invoke(deployment, "WidgetFunctionName", {"Action": canary("payload")}),
    ]
    deployment.control("reset")
    deployment.control("jobs", Delete={FAMILY: [job["JobId"] for job in jobs]})
    ids = [job["JobId"] for job in jobs]
    wait_until(
        lambda: {i for i in ids for text in inbox.receive() if i in text} == set(ids), 60, "events"
    )
    wait_until(lambda: any('"DigestId' in text for text in inbox.receive()), 60, "a digest")
    return SimpleNamespace(
        canary=canary,
        jobs=jobs,
        api=api,
        inbox=inbox,
        ended=ended,
        reasons=reasons,
        results=results,
    )


def test_what_was_driven_has_happened(deployment, driven):
    """Otherwise there would be nothing to search."""
    assert len(set(driven.canary.places)) >= 20
    held = json.dumps(observed.rows(deployment, deployment.outputs["LedgerTableName"]))
    assert all(f"{CANARY}-{n}" in held for n in range(1, 21))
    assert driven.ended.pop("Found") == "CREATE_COMPLETE"
    assert not any(status == "CREATE_COMPLETE" for status in driven.ended.values())
    assert {code for code, _ in driven.api.errors} == {400, 404, 422}
    assert any(f"{CANARY}-1" in answer for answer in driven.api.answers)


def test_reasons_of_look_ups_name_the_job_by_its_id(driven):
    reasons = driven.reasons
    assert "JobName: no COMPLETED job has this name; none has it in any status." in reasons
    assert f"look up JobId {driven.jobs[1]['JobId']} in the ledger" in reasons
    assert "Select is only, and 2 jobs match" in reasons
    assert CANARY not in reasons


def test_no_log_line_has_a_canary(deployment, driven):
    def alerts_are_sent():
        deployment.client("lambda").invoke(FunctionName=deployment.outputs["AlertsFunctionName"])
        return any("alerts sent" in text for _, text in observed.log_lines(deployment))

    wait_until(alerts_are_sent, 60, "the alerts function has sent something")
    lines = list(observed.log_lines(deployment))
    # The widget writes no line unless it fails.
    silent = ("WidgetFunctionName",)
    functions = [n for n in deployment.outputs if n.endswith("FunctionName") and n not in silent]
    for function in functions:
        group = observed.log_group_of(deployment, deployment.outputs[function])
        assert any(group == name and "correlation_id" in text for name, text in lines), function
    assert any("look-up failed" in text for _, text in lines)
    assert [(name, text) for name, text in lines if CANARY in text] == []


def test_no_trace_has_a_canary(deployment, driven):
    sent = observed.segments(deployment)
    assert {"sync", "digest", "changes", "lookup.on_event", "lookup.is_complete"} <= {
        segment.get("annotations", {}).get("Operation") for segment in sent
    }
    assert [segment for segment in sent if CANARY in json.dumps(segment)] == []


def test_no_metric_and_no_alarm_has_a_canary(deployment, driven):
    """The metrics of the functions are lines of their logs; these are the names that came of them."""
    assert CANARY not in observed.metrics_and_alarms(deployment)


def test_no_state_machine_has_a_canary_in_its_history(deployment, driven):
    histories = observed.histories(deployment)
    assert any("Encrypted" in history for history in histories)
    assert [history for history in histories if CANARY in history] == []


def test_no_idempotency_record_and_no_row_but_a_jobs_has_a_canary(deployment, driven):
    variables = deployment.client("lambda").get_function_configuration(
        FunctionName=deployment.outputs["DigestFunctionName"]
    )["Environment"]["Variables"]
    records = observed.rows(deployment, variables["IDEMPOTENCY_TABLE_NAME"])
    assert records
    assert CANARY not in json.dumps(records)
    ledger = observed.rows(deployment, variables["LEDGER_TABLE_NAME"])
    jobs = {f"{variables['LEDGER_SCOPE']}/{family}" for family in variables["FAMILIES"].split(",")}
    others = [row for row in ledger if row["PK"]["S"] not in jobs]
    assert others
    assert CANARY not in json.dumps(others)


def test_no_error_digest_alert_event_or_result_has_a_canary(driven):
    texts = itertools.chain(
        driven.api.errors, driven.inbox.received, driven.results, driven.ended.items()
    )
    assert [text for text in texts if CANARY in str(text)] == []
