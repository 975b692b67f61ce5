"""What the deployed functions do with their permissions: each use raises AssertionError when it does not work."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

from tests.e2e.deployment import wait_until
from tests.e2e.enforced import Enforced

Use = Callable[[Enforced], None]


def start_job(stack: Enforced) -> str:
    started = stack.own.client("comprehendmedical").start_phi_detection_job(
        InputDataConfig={"S3Bucket": "notes"},
        OutputDataConfig={"S3Bucket": "codes"},
        DataAccessRoleArn="arn:aws:iam::111122223333:role/ComprehendMedical",
        LanguageCode="en",
        ClientRequestToken=uuid.uuid4().hex,
    )
    return str(started["JobId"])


def sync(stack: Enforced) -> None:
    """Sync until a new job is in the ledger: the service lists it a little later."""
    job = start_job(stack)

    def is_known() -> bool:
        families = stack.invoke("Sync/Function")["Families"]
        assert [result for result in families.values() if "Error" in result] == []
        row = stack.own.client("dynamodb").query(
            TableName=stack.outputs["LedgerTableName"],
            IndexName="ById",
            KeyConditionExpression="IdKey = :id",
            ExpressionAttributeValues={":id": {"S": f"000000000000/us-east-1#{job}"}},
        )
        return bool(row["Items"])

    wait_until(is_known, 20, "the new job is in the ledger")


def page(stack: Enforced) -> None:
    assert stack.call("/jobs?MaxResults=1").status == 200


def summary(stack: Enforced) -> None:
    assert stack.call("/summary?Family=ALL").status == 200


def health(stack: Enforced) -> None:
    answer = stack.call("/health")
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
    with stack.without("Api/FunctionRole", ("ReadLedger", "dynamodb:Query")):
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
    assert stack.invoke("Digest/Function", **window())["MessageId"]


def digest_repeated(stack: Enforced) -> None:
    wanted = window() | {"IdempotencyKey": uuid.uuid4().hex}
    answers = [stack.invoke("Digest/Function", **wanted) for _ in range(2)]
    assert answers[0].get("MessageId")
    assert answers[0]["MessageId"] == answers[1].get("MessageId")


def digest_after_an_error(stack: Enforced) -> None:
    wanted = window() | {"IdempotencyKey": uuid.uuid4().hex}
    with stack.without("Digest/FunctionRole", ("ReadLedger", "dynamodb:Query")):
        try:
            answer = stack.invoke("Digest/Function", **wanted)
        except AssertionError:
            pass
        else:
            assert "MessageId" not in answer
    assert stack.invoke("Digest/Function", **wanted).get("MessageId")


def widget(stack: Enforced) -> None:
    assert "Jobs by status" in stack.invoke("Widget/Function")


def changes(stack: Enforced) -> None:
    """Send a change as Lambda hands it over from the stream."""
    table = stack.own.client("dynamodb")
    name = stack.outputs["LedgerTableName"]
    pages = table.get_paginator("scan").paginate(TableName=name)
    row: dict[str, Any] = next(
        row for page in pages for row in page["Items"] if row["PK"]["S"].endswith("#changes")
    )
    record = {"dynamodb": {"SequenceNumber": "1", "NewImage": row}}
    assert stack.invoke("Changes/Function", Records=[record]) == {"batchItemFailures": []}


def look_up(stack: Enforced) -> None:
    """Both functions of a look-up, as CDK's framework calls them."""
    event = {
        "RequestType": "Create",
        "StackId": f"arn:aws:cloudformation:us-east-1:000000000000:stack/one/{uuid.uuid4()}",
        "LogicalResourceId": "One",
        "RequestId": str(uuid.uuid4()),
        "ResourceType": "Custom::ComprehendMedicalJob",
        "ResourceProperties": {"Family": "ALL", "JobStatus": "COMPLETED"},
    }
    begun = stack.invoke("Lookup/OnEvent", **event)
    assert stack.invoke("Lookup/IsComplete", **event | begun)["IsComplete"]


def deployed_look_up(stack: Enforced) -> None:
    """A look-up in a stack of others, through CDK's framework."""
    ended = stack.deploy_look_up(Family="ALL", JobStatus="COMPLETED")
    assert ended == "CREATE_COMPLETE"
