"""A deployed stack as its callers reach it: its API, functions and rows, and clients of the AWS that it is in."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config

from local.deployment import REGION

LIST = "ComprehendMedicalAsyncJobPropertiesList"


def wait_until(condition, seconds: float, what: str, every: float = 0.2) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(every)
    return value


def is_complete(families: dict[str, dict[str, Any]]) -> bool:
    """Whether a sync has brought all families up to date; false if a scheduled sync overtook it, which is no failure."""
    errors = {result.get("Error") for result in families.values()}
    assert errors <= {None, "WalkOvertaken"}, errors
    return errors == {None}


def opened(request: str | urllib.request.Request, seconds: float = 30) -> Any:
    """Open a URL of the API; when throttled, wait and try again. The stage takes 50 requests a second, and 100 at once."""
    for _ in range(10):
        try:
            return urllib.request.urlopen(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            with error:
                time.sleep(float(error.headers["Retry-After"]))
    return urllib.request.urlopen(request, timeout=seconds)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Account:
    """A local AWS, with the stand-in for Comprehend Medical."""

    aws_endpoint: str
    comprehend_endpoint: str

    def client(
        self,
        service: str,
        key: str = "test",
        secret: str = "test",
        token: str | None = None,
        region: str = REGION,
    ) -> Any:
        """A client with the account's own credentials, unless others are given."""
        upstream = service == "comprehendmedical"
        return boto3.client(
            service,
            endpoint_url=self.comprehend_endpoint if upstream else self.aws_endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            # The stand-in throttles as the service does.
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )

    def control(self, path: str, source: str = "", **change: object) -> Any:
        """Change the stand-in from outside, or one of its sources (`account/region`)."""
        account, _, region = source.partition("/")
        query = f"?Account={account}&Region={region}" if source else ""
        url = f"{self.comprehend_endpoint}/_control/{path}{query}"
        request = urllib.request.Request(url, data=json.dumps(change).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def keys_of(sts: Any, **role: str) -> tuple[str, str, str]:
    """The keys of a role that is assumed, as arguments of `Account.client`."""
    found = sts.assume_role(RoleSessionName="test", **role)["Credentials"]
    return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]


@dataclass(frozen=True)
class Stack(Account):
    api_url: str
    outputs: dict[str, str]

    def name(self, resource: str) -> str:
        """The physical name of a resource that an output names."""
        return self.outputs[resource]

    def send(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Send a request to the API, with what headers there are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.api_url + path, body, sent, method=method)
        try:
            with opened(request, 60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **parameters: object) -> Answer:
        return self.send(f"{path}?{urllib.parse.urlencode(parameters)}")

    def pages(self, **parameters: object) -> Iterator[list[dict]]:
        token: dict[str, str] = {}
        while True:
            answer = self.get("/jobs", **parameters, **token)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            page = answer.json
            assert page["AsOf"]
            yield page[LIST]
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def run(self, function: str, **event: object) -> dict[str, Any]:
        """Lambda's answer to an invocation, with the end of the log; the function may have failed."""
        answer = self.client("lambda").invoke(
            FunctionName=self.name(function), LogType="Tail", Payload=json.dumps(event).encode()
        )
        return {**answer, "Payload": json.load(answer["Payload"])}

    def invoke(self, function: str, **event: object) -> Any:
        """A function's result; fails when the function did."""
        answer = self.run(function, **event)
        assert "FunctionError" not in answer, answer["Payload"]
        return answer["Payload"]

    def rows(self, table: str = "") -> list[dict[str, Any]]:
        """All rows of a table, or of the ledger."""
        pages = self.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=table or self.outputs["LedgerTableName"])
        return [row for page in found for row in page["Items"]]


class Inbox:
    """A queue that keeps what topics and rules deliver, in the order of its arrival."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack, self._name, self._sqs = stack, name, stack.client("sqs")
        anyone = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [anyone]})}
        self._url = self._sqs.create_queue(QueueName=name, Attributes=policy)["QueueUrl"]
        asked = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self._arn = asked["Attributes"]["QueueArn"]
        self.received: list[str] = []

    def subscribe(self, *topics: str, **attributes: str) -> None:
        """Receive what topics publish, each named by an output of the stack."""
        for topic in topics:
            self._stack.client("sns").subscribe(
                TopicArn=self._stack.outputs[topic],
                Protocol="sqs",
                Endpoint=self._arn,
                Attributes=attributes,
            )

    def follow_events(self) -> None:
        """Receive every event of the deployment."""
        events = self._stack.client("events")
        events.put_rule(Name=self._name, EventPattern=json.dumps({"source": ["jobledger"]}))
        events.put_targets(Rule=self._name, Targets=[{"Id": "queue", "Arn": self._arn}])

    def receive(self) -> list[str]:
        """All that has arrived so far."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.received.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self.received

    def digest(self, digest_id: str) -> Any:
        """The digest with this id, once it has arrived from its topic."""

        def found() -> Any:
            documents = (json.loads(json.loads(body)["Message"]) for body in self.receive())
            return next((each for each in documents if each.get("DigestId") == digest_id), None)

        return wait_until(found, 20, "the digest has arrived")
