"""What the deployed functions do with their permissions: each use raises AssertionError when it does not work."""

import base64
import contextlib
import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any

from jobledger.ledger.counts import LAYOUT
from tests.e2e.account import SCOPE, start_phi_job
from tests.e2e.enforced import Enforced
from tests.e2e.lookups import Stacks
from tests.e2e.stack import is_complete, wait_until

Use = Callable[[Enforced], None]
PHI, CHANGES, OUTPUTS = f"{SCOPE}/PHI", f"{SCOPE}#changes", f"{SCOPE}#outputs"
# The bucket that `cdk bootstrap` makes.
ANSWERS = "cdk-hnb659fds-assets-000000000000-us-east-1"


def sync(stack: Enforced) -> None:
    """Sync until a new job is in the ledger."""
    job = start_phi_job(stack.client("comprehendmedical"), "permissions")
    key = {"S": f"{SCOPE}#{job}"}

    def is_known() -> bool:
        complete = is_complete(stack.invoke("Sync/Function")["Families"])
        return complete and any(row.get("IdKey") == key for row in stack.rows())

    wait_until(is_known, 20, "the new job is in the ledger")


def end_of_a_job(stack: Enforced) -> None:
    """Sync until no job is active: each loses its row for active jobs when it ends."""
    sync(stack)

    def has_ended() -> bool:
        complete = is_complete(stack.invoke("Sync/Function")["Families"])
        return complete and not has_active_job(stack)

    wait_until(has_ended, 40, "all jobs have ended")


def has_active_job(stack: Enforced) -> bool:
    """Whether the ledger has a job of the family PHI that has not ended."""
    return any(row["PK"]["S"].endswith("/PHI#active") for row in stack.rows())


def state_of_phi(stack: Enforced) -> dict[str, Any]:
    """The sync state of the family PHI, as its row has it."""
    row = stack.client("dynamodb").get_item(**_state_row(stack), ConsistentRead=True)["Item"]
    state: dict[str, Any] = json.loads(row["Sync"]["S"])
    return state


def _state_row(stack: Enforced) -> dict[str, Any]:
    return _row(stack, "state", PHI)


def _row(stack: Enforced, pk: str, sk: str) -> dict[str, Any]:
    key = {"PK": {"S": pk}, "SK": {"S": sk}}
    return {"TableName": stack.outputs["LedgerTableName"], "Key": key}


def recount(stack: Enforced) -> None:
    """The comparison of a family's counters with its jobs, which is otherwise due once a day."""
    table = stack.client("dynamodb")

    def is_due() -> bool:
        state = state_of_phi(stack)
        due = json.dumps(state | {"Counted": 0, "Recounted": ""})
        values = {":read": {"N": str(state["Version"])}, ":due": {"S": due}}
        with contextlib.suppress(table.exceptions.ConditionalCheckFailedException):
            table.update_item(
                **_state_row(stack),
                ConditionExpression="Version = :read",
                UpdateExpression="SET Sync = :due",
                ExpressionAttributeValues=values,
            )
            return True
        return False

    wait_until(is_due, 10, "no other sync changes the state in between")
    stack.invoke("Sync/Function", Families=["PHI"])
    # The state has no count of zero.
    assert state_of_phi(stack).get("Counted") == LAYOUT


def page(stack: Enforced) -> None:
    assert stack.call("/jobs?MaxResults=1").status == 200


def follow_a_job(stack: Enforced) -> None:
    """Have a job in the ledger that has not ended, as far as it knows, and counters.

    A recount that was refused leaves the family without counters, and then all its rows are read.
    """
    if not has_active_job(stack) or state_of_phi(stack).get("Counted") != LAYOUT:
        sync(stack)


def summary_with_an_active_job(stack: Enforced) -> None:
    """A summary that reads the row of a job that has not ended."""
    follow_a_job(stack)
    assert stack.call("/summary?Family=ALL").status == 200


def last_digest(stack: Enforced) -> None:
    """The last digest, after one that the schedule would publish."""
    stack.invoke("Digest/Function", ScheduledTime=datetime.datetime.now(datetime.UTC).isoformat())
    answer = stack.call("/digests")
    assert answer.status == 200, answer


def consistent_page(stack: Enforced) -> None:
    """A page after a sync: without it the page says that it is stale."""
    answer = stack.call("/jobs?MaxResults=1&ConsistentRead=true")
    assert answer.status == 200
    assert "Stale" not in answer.json


def keyed_list(stack: Enforced) -> None:
    """A list with an idempotency key, twice."""
    key = uuid.uuid4().hex
    answers = [stack.call("/jobs?MaxResults=1", Idempotency_Key=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200], answers
    assert answers[0].json == answers[1].json


def keyed_list_after_an_error(stack: Enforced) -> None:
    """The same key after a list that failed."""
    key = uuid.uuid4().hex
    with stack.without("Api/FunctionRole", "ReadLedger", "dynamodb:Query"):
        assert stack.call("/jobs?MaxResults=1", Idempotency_Key=key).status >= 500
    assert stack.call("/jobs?MaxResults=1", Idempotency_Key=key).status == 200


def window() -> dict[str, object]:
    """A window of its own each time: a digest is published once for each."""
    end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=3)
    start = end - datetime.timedelta(days=1)
    return {"WindowStart": start.isoformat(), "WindowEnd": end.isoformat()}


def requested_digest(stack: Enforced) -> None:
    answer = stack.call("/digests", "POST", window())
    assert answer.status == 200, answer


def digest(stack: Enforced) -> None:
    log = _log(stack, "Digest/Function", **window())
    assert "DigestsPublished" in log, log
    assert "ChatFailures" not in log, log


def _log(stack: Enforced, function: str, **event: object) -> str:
    """The end of a function's log of one invocation."""
    return base64.b64decode(stack.run(function, **event)["LogResult"]).decode()


def digest_with_an_active_job(stack: Enforced) -> None:
    """A digest that reads the row of a job that has not ended."""
    follow_a_job(stack)
    digest(stack)


def digest_repeated(stack: Enforced) -> None:
    wanted = window() | {"IdempotencyKey": uuid.uuid4().hex}
    answers = [stack.invoke("Digest/Function", **wanted) for _ in range(2)]
    assert answers[0].get("MessageId")
    assert answers[0]["MessageId"] == answers[1].get("MessageId")


def digest_after_an_error(stack: Enforced) -> None:
    wanted = window() | {"IdempotencyKey": uuid.uuid4().hex}
    with stack.without("Digest/FunctionRole", "ReadLedger", "dynamodb:Query"):
        assert "MessageId" not in stack.run("Digest/Function", **wanted)["Payload"]
    assert stack.invoke("Digest/Function", **wanted).get("MessageId")


def alert(stack: Enforced) -> None:
    """A change of a job that waits for an alert; none waits after it."""
    change = {"Family": "PHI", "JobId": ended_job(stack)["JobId"], "JobStatus": "FAILED"}
    detail = change | {"EventId": uuid.uuid4().hex}
    queue, body = stack.name("JobAlerts/Waiting"), json.dumps({"detail": detail})
    stack.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    log = _log(stack, "JobAlerts/Function")
    # The schedule's run may have been first: then this one has sent none.
    for said in ("Error", "not deleted", "not read", "ChatFailures"):
        assert said not in log, log


def by_role_only(topic: str, use: Use) -> Use:
    """A use with a topic whose policy does not allow to publish as well."""

    def use_by_role_only(stack: Enforced) -> None:
        with stack.publishing_by_role_only(topic):
            use(stack)

    use_by_role_only.__name__ = f"{use.__name__}_to_{topic}"
    return use_by_role_only


def widget(stack: Enforced) -> None:
    assert "Jobs by status" in stack.invoke("Widget/Function")


def widget_of_active_jobs(stack: Enforced) -> None:
    """The widget's list of active jobs, which reads their rows."""
    follow_a_job(stack)
    assert "on this page" in stack.invoke("Widget/Function", Action="List", Active="true")


def ended_job(stack: Enforced) -> dict[str, Any]:
    """A job of the account that has a manifest, as its row has it."""
    rows = (row for row in stack.rows() if row["PK"]["S"] == PHI and "Job" in row)
    jobs = (json.loads(row["Job"]["S"]) | {"SK": row["SK"]["S"]} for row in rows)
    return next(job for job in jobs if str(job.get("ManifestFilePath")).startswith("out/ü/"))


def output(stack: Enforced) -> None:
    """What a job processed, when Lambda hands over its end from the stream."""
    job, table = ended_job(stack), stack.client("dynamodb")
    row = _row(stack, PHI, job["SK"])
    # A job that has an output is not looked for again.
    table.update_item(**row, UpdateExpression="REMOVE JobOutput")
    write_object(stack, job["ManifestFilePath"], b'{"Summary": {"InputFileCount": 3}}')
    change = {name: job[name] for name in ("JobId", "JobStatus", "SubmitTime", "EndTime")}
    change |= {"Family": "PHI", "ObservedAt": job["EndTime"]}
    change |= {"PK": CHANGES, "SK": f"{job['EndTime']}#{job['JobId']}"}
    image = {name: {"S": value} for name, value in change.items()}
    inner = {"SequenceNumber": "1", "NewImage": image, "Keys": {"PK": image["PK"]}}
    record = {"eventName": "INSERT", "dynamodb": inner}
    assert stack.invoke("Outputs/Function", Records=[record]) == {"batchItemFailures": []}
    written = table.get_item(**row, ConsistentRead=True)["Item"].get("JobOutput", {})
    assert json.loads(written.get("S", "{}")) == {"InputFileCount": 3}


def write_object(stack: Enforced, key: str, body: bytes) -> None:
    """Write an object of a job, as the service does."""
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="codes")
    s3.put_object(Bucket="codes", Key=key, Body=body)


def output_that_is_due(stack: Enforced) -> None:
    """What a job processed that waits for its manifest: it waits no more."""
    job, due = ended_job(stack), "2026-01-01T00:00:00.000Z"
    key = {"PK": OUTPUTS, "SK": f"{due}#{job['JobId']}#PHI"}
    waiting = key | {"Family": "PHI", "JobId": job["JobId"], "JobKey": job["SK"], "Due": due}
    row = {name: {"S": value} for name, value in waiting.items()} | {"Attempt": {"N": "7"}}
    table = stack.client("dynamodb")
    table.put_item(TableName=stack.outputs["LedgerTableName"], Item=row)
    stack.invoke("Outputs/Function")
    assert not any(row["PK"]["S"] == OUTPUTS and "JobKey" in row for row in stack.rows())


def changes(stack: Enforced) -> None:
    """Send a change as Lambda hands it over from the stream."""

    def change_rows() -> list[dict[str, Any]]:
        return [row for row in stack.rows() if row["PK"]["S"].endswith("#changes")]

    if not change_rows():
        sync(stack)  # the job that it starts is a change
    image = {"SequenceNumber": "1", "NewImage": change_rows()[0]}
    record = {"eventName": "INSERT", "dynamodb": image}
    assert stack.invoke("Changes/Function", Records=[record]) == {"batchItemFailures": []}


def _request(stack: Enforced, kind: str, **properties: object) -> dict[str, Any]:
    """CloudFormation's request for a custom resource, with a signed URL for the answer."""
    request_id = str(uuid.uuid4())
    answer_to = {"Bucket": ANSWERS, "Key": request_id}
    return {
        "RequestType": "Create",
        "ResponseURL": stack.client("s3").generate_presigned_url("put_object", answer_to),
        "StackId": f"arn:aws:cloudformation:us-east-1:000000000000:stack/one/{request_id}",
        "LogicalResourceId": "One",
        "RequestId": request_id,
        "ResourceType": kind,
        "ResourceProperties": properties,
    }


def _answer_to(stack: Enforced, request: dict[str, Any]) -> Any:
    """The answer to a request of CloudFormation; None while there is none."""
    s3 = stack.client("s3")
    try:
        return json.load(s3.get_object(Bucket=ANSWERS, Key=request["RequestId"])["Body"])
    except s3.exceptions.NoSuchKey:
        return None


def _look_up_request(stack: Enforced, **properties: object) -> dict[str, Any]:
    """A look-up, as CDK's framework hands it from its first function to its second."""
    event = _request(stack, "Custom::ComprehendMedicalJob", Family="ALL", **properties)
    return event | stack.invoke("Lookup/OnEvent", **event)


def look_up(stack: Enforced) -> None:
    """Both functions of a look-up, as CDK's framework calls them."""
    event = _look_up_request(stack, JobStatus="COMPLETED")
    assert stack.invoke("Lookup/IsComplete", **event)["IsComplete"]


def look_up_after_a_sync(stack: Enforced) -> None:
    """A look-up that waits for a job syncs before it looks, so that the ledger is then more recent."""
    waiting = _look_up_request(stack, JobName="no job has this name", WaitMinutes=5)
    begun = state_of_phi(stack)["AsOf"]

    def has_synced() -> bool:
        assert not stack.invoke("Lookup/IsComplete", **waiting)["IsComplete"]
        return bool(state_of_phi(stack)["AsOf"] > begun)

    # A sync of the last two seconds is shared.
    wait_until(has_synced, 3, "the look-up synced")


def first_sync(stack: Enforced) -> None:
    """The sync at the first deployment. Without the permission the function tries again for a minute."""
    function = {"FunctionName": stack.name("Sync/Function")}
    event = _request(stack, "Custom::JobLedgerFirstSync", **function)
    name, payload = stack.name("Sync/FirstSync/Function"), json.dumps(event).encode()
    stack.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    answer = wait_until(lambda: _answer_to(stack, event), 5, "CloudFormation has its answer")
    assert answer["Data"] == {"Outcome": "succeeded"}


def framework_of_look_ups(stack: Enforced) -> None:
    """The framework's second function asks whether a look-up is complete, and answers CloudFormation."""
    event = _look_up_request(stack, JobStatus="COMPLETED")
    stack.invoke("Lookup/Provider/framework-isComplete", **event)
    assert _answer_to(stack, event)["Status"] == "SUCCESS"


def deployed_look_up(stack: Enforced) -> None:
    """A look-up in a stack of others, through CDK's framework."""
    name = f"consumer-{uuid.uuid4()}"
    stacks = Stacks(stack.client("cloudformation"), stack.outputs["LookupServiceToken"])
    stacks.put(name, {"One": {"Family": "ALL", "JobStatus": "COMPLETED"}})
    ended = stacks.end(name)
    stacks.remove(name)
    assert ended == "CREATE_COMPLETE"
