"""Strings that could identify a patient, in every field that can hold one, are found nowhere but in the ledger.

One test over the deployed stack drives everything that reads or reports jobs; the next ones search what it
left. All strings have one part in common, so that one search finds each of them.
"""

import datetime
import functools
import json
import re
import uuid
from types import SimpleNamespace

import pytest

from tests.e2e import observed
from tests.e2e.account import rfc3339
from tests.e2e.lookups import Stacks
from tests.e2e.stack import Inbox, wait_until

pytestmark = pytest.mark.xdist_group("deployment")

FAMILY = "PHI"
JSON, S3 = "application/json", ("S3Bucket", "S3Key")
PLACES_OF_FILES = {"list", "file", "error", "code", "failed"}
CANARY = f"canary{uuid.uuid4().hex}"


def canary(place):
    """A string that could identify a patient; the place says where it is put."""
    return f"{CANARY}-{place}"


def job(status, number):
    """A job with ten canaries."""
    submitted = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=9 - number)
    return {
        "JobId": f"{number}{uuid.uuid4().hex[1:]}",
        "JobName": canary(f"name-{number}"),
        "JobStatus": status,
        "Message": canary(f"message-{number}"),
        "SubmitTime": rfc3339(submitted),
        "EndTime": rfc3339(submitted + datetime.timedelta(seconds=60)),
        "LanguageCode": "en",
        "DataAccessRoleArn": f"arn:aws:iam::111122223333:role/{canary(f'role-{number}')}",
        "ManifestFilePath": canary(f"manifest-{number}"),
        "KMSKey": canary(f"key-{number}"),
        "ModelVersion": canary(f"model-{number}"),
    } | {
        f"{config}DataConfig": {part: canary(f"{config}-{part}-{number}") for part in S3}
        for config in ("Input", "Output")
    }


def end_in_part(deployment):
    """End a job of which only files have canaries, in names, errors and lists; return its id once it has an output."""
    folder = f"out/Manifest_1-PHIDetection-{uuid.uuid4().hex}/"
    of_job = job("PARTIAL_SUCCESS", 3)
    of_files = {name: of_job[name] for name in ("JobId", "JobStatus", "SubmitTime", "EndTime")}
    of_files["OutputDataConfig"] = {"S3Bucket": "codes"}
    of_files["ManifestFilePath"] = f"{folder}Manifest"
    unprocessed = f"{folder}failed/{canary('list')}.json"
    summary = {
        "InputFileCount": 4,
        "SuccessFilesCount": 1,
        "UnprocessedFilesCount": 3,
        "SuccessfulFilesListLocation": f"{folder}success/{canary('list')}.json",
        "UnprocessedFilesListLocation": unprocessed,
        "FailedJobErrorMessage": canary("failed-message"),
    }
    codes = ("InternalServerError", canary("code-with spaces"), canary("file-2"))
    files = [
        {"Input": canary(f"file-{n}"), "ErrorCode": code, "ErrorMessage": canary(f"error-{n}")}
        for n, code in enumerate(codes)
    ]
    s3 = deployment.client("s3")
    s3.create_bucket(Bucket="codes")
    for key, document in (
        (f"{folder}Manifest", {"Summary": summary}),
        (unprocessed, {"Files": files}),
    ):
        s3.put_object(Bucket="codes", Key=key, Body=json.dumps(document).encode())
    deployment.control("jobs", Put={FAMILY: [of_files]})
    deployment.run("SyncFunctionName", Families=[FAMILY])

    def output():
        answer = deployment.get(f"/jobs/{of_files['JobId']}")
        return answer.json["ComprehendMedicalAsyncJobProperties"].get("Output")

    counted = wait_until(output, 30, "the job has its numbers")["ErrorCodes"]
    assert counted == {"OTHER": 2, "InternalServerError": 1}
    return of_files["JobId"]


def call_api(deployment, first):
    """The answers to requests of every kind, which name the first job or have canaries of their own."""
    get = deployment.get
    send = functools.partial(deployment.send, "/digests", method="POST", Content_Type=JSON)
    window = {"WindowStart": "2026-11-01T00:00:00Z", "WindowEnd": "2026-11-02T00:00:00Z"}
    key = canary("idempotency-key")
    return [
        get("/jobs", Family=FAMILY, JobName=first["JobName"]),
        get("/jobs", Family=FAMILY, JobNamePrefix=first["JobName"][:-1], Format="csv"),
        get(f"/jobs/{first['JobId']}"),
        get("/summary", Family=FAMILY, JobName=first["JobName"]),
        get("/jobs", JobName=canary("no-job-has-it"), ConsistentRead="true"),
        get("/jobs", Family=canary("family")),
        get("/jobs", NextToken=canary("token")),
        get("/jobs", SubmitTimeAfter=canary("time")),
        get("/jobs", Patient=canary("unknown-parameter")),
        get(f"/jobs/{canary('job-id')}"),
        get(f"/{canary('path')}"),
        deployment.send("/jobs", User_Agent=canary("agent"), X_Patient=canary("header")),
        send(body=b"{}", Idempotency_Key=key),
        send(body=b"{}", Idempotency_Key=key),
        send(body=json.dumps(window).encode(), Idempotency_Key=key),
        send(body=json.dumps({"WindowStart": canary("body")}).encode()),
    ]


def look_up(deployment, jobs):
    """Look-ups by CloudFormation itself; return the ends of their stacks and the reasons."""
    token = deployment.outputs["LookupServiceToken"]
    stacks = Stacks(deployment.client("cloudformation"), token)
    wanted = {
        "Found": {"JobName": jobs[0]["JobName"], "Refresh": canary("refresh")},
        "Failed": {"JobName": jobs[1]["JobName"], "WaitMinutes": "0.2"},
        "Missing": {"JobName": canary("looked-up-name")},
        "Prefix": {"JobNamePrefix": CANARY, "JobStatus": "FAILED,COMPLETED", "Select": "only"},
        "Refused": {"JobName": jobs[0]["JobName"], "JobStatus": canary("looked-up-status")},
    }
    for case, properties in wanted.items():
        stacks.put(f"canaries-{case}", {"Job": {"Family": FAMILY, **properties}})
    ended = {case: stacks.end(f"canaries-{case}") for case in wanted}
    reasons = " ".join(stacks.reasons(f"canaries-{case}") for case in wanted)
    for case in wanted:
        stacks.remove(f"canaries-{case}")
    return ended, reasons


@pytest.fixture(scope="module")
def driven(deployment):
    """Everything that reads or reports jobs, once, on jobs and requests full of canaries."""
    inbox = Inbox(deployment, "canaries")
    inbox.subscribe("DigestTopicArn", "JobAlertsTopicArn")
    inbox.follow_events()
    deployment.run("SyncFunctionName", Families=[FAMILY])
    jobs = [job("COMPLETED", 1), job("FAILED", 2)]
    deployment.control("jobs", Put={FAMILY: jobs})
    deployment.run("SyncFunctionName", Families=[FAMILY])
    of_files = end_in_part(deployment)
    answers = call_api(deployment, jobs[0])
    ended, reasons = look_up(deployment, jobs)
    fault = {"Operation": "List*", "Error": "InvalidRequestException", "Count": 50}
    deployment.control("faults", **fault, Message=canary("error"))
    results = [
        deployment.run("SyncFunctionName"),
        deployment.run("SyncFunctionName", Families=[canary("payload")]),
        deployment.run("DigestFunctionName", WindowStart=canary("payload")),
        deployment.run("DigestFunctionName", IdempotencyKey=canary("payload")),
        deployment.run("WidgetFunctionName", Action=canary("payload")),
    ]
    deployment.control("reset")
    ids = [*(job["JobId"] for job in jobs), of_files]
    deployment.control("jobs", Delete={FAMILY: ids})
    for each in (*ids, '"DigestId'):
        wait_until(lambda each=each: any(each in text for text in inbox.receive()), 60, each)
    driven = {"jobs": jobs, "answers": answers, "ended": ended, "reasons": reasons}
    return SimpleNamespace(**driven, results=results, received=inbox.received)


def test_what_was_driven_has_happened(deployment, driven):
    """Otherwise there would be nothing to search."""
    in_jobs = set(re.findall(rf"{CANARY}-([\w-]+)", json.dumps(driven.jobs)))
    assert len(in_jobs) == 20
    in_rows = set(re.findall(rf"{CANARY}-([\w-]+)", json.dumps(deployment.rows())))
    assert in_jobs <= in_rows
    # No name of a file, and no error of one.
    assert not {place.partition("-")[0] for place in in_rows} & PLACES_OF_FILES
    assert driven.ended.pop("Found") == "CREATE_COMPLETE"
    assert not any(status == "CREATE_COMPLETE" for status in driven.ended.values())
    assert {answer.status for answer in driven.answers} == {200, 400, 404, 422}
    assert canary("name-1") in driven.answers[0].content.decode()


def test_reasons_of_look_ups_name_the_job_by_its_id(driven):
    reasons = driven.reasons
    assert "JobName: no COMPLETED job has this name; none has it in any status." in reasons
    assert f"look up JobId {driven.jobs[1]['JobId']} in the ledger" in reasons
    assert "Select is only, and 2 jobs match" in reasons
    assert CANARY not in reasons


def test_no_log_line_has_a_canary(deployment, driven):
    def alerts_are_sent():
        deployment.invoke("AlertsFunctionName")
        return any("alerts sent" in text for _, text in observed.log_lines(deployment))

    wait_until(alerts_are_sent, 60, "the alerts function has sent something")
    lines = list(observed.log_lines(deployment))
    # The widget writes no line unless it fails.
    silent = ("WidgetFunctionName",)
    functions = [n for n in deployment.outputs if n.endswith("FunctionName") and n not in silent]
    for function in functions:
        group = observed.log_group_of(deployment, function)
        assert any(group == name and "correlation_id" in text for name, text in lines), function
    assert any("look-up failed" in text for _, text in lines)
    assert [(name, text) for name, text in lines if CANARY in text] == []


def test_no_trace_has_a_canary(deployment, driven):
    sent = observed.segments(deployment)
    assert {"sync", "digest", "changes", "lookup.on_event", "lookup.is_complete"} <= {
        segment.get("annotations", {}).get("Operation") for segment in sent
    }
    assert CANARY not in json.dumps(sent)


def test_no_metric_and_no_alarm_has_a_canary(deployment, driven):
    """The metrics of the functions are lines of their logs; these are the names that came of them."""
    cloudwatch = deployment.client("cloudwatch")
    calls = (cloudwatch.list_metrics, cloudwatch.describe_alarms, cloudwatch.describe_alarm_history)
    assert CANARY not in json.dumps([call() for call in calls], default=str)


def test_no_state_machine_has_a_canary_in_its_history(deployment, driven):
    states = deployment.client("stepfunctions")
    machines = [each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"]]
    listed = [states.list_executions(stateMachineArn=machine) for machine in machines]
    runs = [each["executionArn"] for page in listed for each in page["executions"]]
    found = str([states.get_execution_history(executionArn=arn) for arn in runs])
    assert ("Encrypted" in found, CANARY in found) == (True, False)


def test_no_idempotency_record_and_no_row_but_a_jobs_has_a_canary(deployment, driven):
    variables = deployment.client("lambda").get_function_configuration(
        FunctionName=deployment.outputs["DigestFunctionName"]
    )["Environment"]["Variables"]
    jobs = {f"{variables['LEDGER_SCOPE']}/{family}" for family in variables["FAMILIES"].split(",")}
    others = [row for row in deployment.rows() if row["PK"]["S"] not in jobs]
    for rows in (others, deployment.rows(variables["IDEMPOTENCY_TABLE_NAME"])):
        assert rows
        assert CANARY not in json.dumps(rows)


def test_no_error_digest_alert_event_or_result_has_a_canary(driven):
    errors = [answer.content.decode() for answer in driven.answers if answer.status >= 400]
    texts = (*errors, *driven.received, *driven.results, *driven.ended.items())
    assert [text for text in texts if CANARY in str(text)] == []
