"""The deployed stack with IAM enforced: each function used as its callers use it, with what its role allows."""

import base64
import contextlib
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.deployment import REGION
from tests.e2e.local_aws import OwnAws
from tests.e2e.lookups import Stacks
from tests.infrastructure.template_reading import listed, path_of

STACK = "JobLedger"
# The bucket that `cdk bootstrap` makes.
ANSWERS = "cdk-hnb659fds-assets-000000000000-us-east-1"
ALLOWED_ACCOUNT = "222233334444"
ACCOUNT_ROOT = Credentials("test", "test")


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    json: Any
    """The text of a page that is not JSON."""


def _reply(response: Any) -> Reply:
    kind, text = str(response.headers["Content-Type"]), response.read().decode()
    return Reply(response.status, kind, json.loads(text) if "json" in kind else text)


class Enforced:
    """Callers of one deployment, and an administrator of its roles."""

    def __init__(self, own: OwnAws, outputs: dict[str, str]) -> None:
        self.own = own
        self.outputs = outputs
        self.api_url = own.api_url(outputs)
        self.client = own.client

    @cached_property
    def _names(self) -> dict[str, str]:
        """The physical names of the stack's resources, by path."""
        (file,) = self.own.aws.assembly.glob("*.template.json")
        resources = json.loads(file.read_text())["Resources"]
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            path_of(resources[found["LogicalResourceId"]]): found["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK)
            for found in page["StackResourceSummaries"]
            if found["LogicalResourceId"] in resources
        }

    def name(self, path: str) -> str:
        """The physical name of the resource at this path of the stack."""
        return self._names[path]

    @contextlib.contextmanager
    def without(self, role: str, *statements: tuple[str, str]) -> Iterator[None]:
        """Take actions out of a role's statements, each named by `Sid`, and put them back."""
        iam, name = self.client("iam"), self.name(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        given = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        less = json.loads(json.dumps(given))
        for sid, action in statements:
            (statement,) = (s for s in less["Statement"] if s["Sid"] == sid)
            left = listed(statement["Action"])
            left.remove(action)
            # A statement needs an action: this one is of no service.
            statement["Action"] = left or ["none:None"]
        self._put(name, policy, less)
        try:
            yield
        finally:
            self._put(name, policy, given)

    @contextlib.contextmanager
    def publishing_by_role_only(self, topic: str) -> Iterator[None]:
        """Take the statements that allow something out of a topic's policy, and put them back."""
        sns, arn = self.client("sns"), self.name(topic)
        given = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
        denying = json.loads(given)
        denying["Statement"] = [s for s in denying["Statement"] if s["Effect"] == "Deny"]
        self._set_policy(arn, json.dumps(denying))
        try:
            yield
        finally:
            self._set_policy(arn, given)

    def _set_policy(self, topic: str, policy: str) -> None:
        self.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=policy
        )

    @staticmethod
    def text(document: dict[str, Any]) -> str:
        """A policy document as IAM takes it."""
        return json.dumps(document)

    def _put(self, role: str, policy: str, document: dict[str, Any]) -> None:
        self.client("iam").put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document)
        )

    def invoke(self, path: str, **event: object) -> Any:
        """A function's result; fails when the function did."""
        answer = self.client("lambda").invoke(
            FunctionName=self.name(path), Payload=json.dumps(event).encode()
        )
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, result
        return result

    def log_of(self, path: str, **event: object) -> str:
        """The end of a function's log of one invocation."""
        answer = self.client("lambda").invoke(
            FunctionName=self.name(path), LogType="Tail", Payload=json.dumps(event).encode()
        )
        return base64.b64decode(answer["LogResult"]).decode()

    def start(self, path: str, **event: object) -> None:
        """Start a function, and do not wait for it."""
        self.client("lambda").invoke(
            FunctionName=self.name(path), InvocationType="Event", Payload=json.dumps(event).encode()
        )

    def request(self, kind: str, **properties: object) -> dict[str, Any]:
        """CloudFormation's request for a custom resource, with a signed URL for the answer."""
        request_id = str(uuid.uuid4())
        answer_to = {"Bucket": ANSWERS, "Key": request_id}
        return {
            "RequestType": "Create",
            "ResponseURL": self.client("s3").generate_presigned_url("put_object", answer_to),
            "StackId": f"arn:aws:cloudformation:us-east-1:000000000000:stack/one/{request_id}",
            "LogicalResourceId": "One",
            "RequestId": request_id,
            "ResourceType": kind,
            "ResourceProperties": properties,
        }

    def answer_to(self, request: dict[str, Any]) -> Any:
        """The answer to a request of CloudFormation; None while there is none."""
        s3 = self.client("s3")
        try:
            return json.load(s3.get_object(Bucket=ANSWERS, Key=request["RequestId"])["Body"])
        except s3.exceptions.NoSuchKey:
            return None

    def call(
        self,
        path: str,
        method: str = "GET",
        body: dict[str, object] | None = None,
        credentials: Credentials | None = ACCOUNT_ROOT,
        spoil: str = "",
        **headers: str,
    ) -> Reply:
        """Call the API, signed unless there are no credentials; `spoil` is added to the signature."""
        data = None if body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data:
            sent["Content-Type"] = "application/json"
        request = AWSRequest(method, self.api_url + path, headers=sent, data=data)
        if credentials:
            SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
            request.headers["Authorization"] = request.headers["Authorization"] + spoil
        signed = urllib.request.Request(
            request.url, data=data, headers=dict(request.headers.items()), method=method
        )
        try:
            with urllib.request.urlopen(signed, timeout=60) as response:
                return _reply(response)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error)

    def caller(self, *policies: str) -> Credentials:
        """A new user of the account with these managed policies."""
        iam, name = self.client("iam"), f"caller-{uuid.uuid4()}"
        iam.create_user(UserName=name)
        for policy in policies:
            iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def deploy_look_up(self, **properties: object) -> str:
        """Deploy a stack with one look-up, remove it, and return how its deployment ended."""
        client, name = self.client("cloudformation"), f"consumer-{uuid.uuid4()}"
        stacks = Stacks(client, self.outputs["LookupServiceToken"])
        stacks.put(name, {"One": properties})
        status = stacks.end(name)
        stacks.remove(name)
        return status
