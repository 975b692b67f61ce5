"""The deployed stack with IAM enforced: each function used as its callers use it, with what its role allows."""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.deployment import REGION
from tests.e2e.local_aws import OwnAws
from tests.e2e.stack import Answer, Stack, keys_of
from tests.infrastructure.template_reading import listed, path_of

ALLOWED_ACCOUNT = "222233334444"
# MiniStack's S3 does not use it.
OUTPUT_KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ACCOUNT_ROOT = Credentials("test", "test")


@dataclass(frozen=True)
class Enforced(Stack):
    """Callers of one deployment, and an administrator of its roles."""

    own: OwnAws

    @cached_property
    def _names(self) -> dict[str, str]:
        """The physical names of the stack's resources, by path."""
        (file,) = self.own.aws.assembly.glob("*.template.json")
        resources = json.loads(file.read_text())["Resources"]
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            path_of(resources[found["LogicalResourceId"]]): found["PhysicalResourceId"]
            for page in pages.paginate(StackName="JobLedger")
            for found in page["StackResourceSummaries"]
            if found["LogicalResourceId"] in resources
        }

    def name(self, resource: str) -> str:
        """The physical name of the resource at this path of the stack."""
        return self._names[resource]

    @contextlib.contextmanager
    def changed(self, role: str, sid: str, change: Callable[[Any], None]) -> Iterator[None]:
        """Change a statement of a role, and put it back."""
        iam, name = self.client("iam"), self.name(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        of_role = {"RoleName": name, "PolicyName": policy}
        given = json.dumps(iam.get_role_policy(**of_role)["PolicyDocument"])
        changed = json.loads(given)
        (statement,) = (each for each in changed["Statement"] if each["Sid"] == sid)
        change(statement)
        iam.put_role_policy(**of_role, PolicyDocument=json.dumps(changed))
        try:
            yield
        finally:
            iam.put_role_policy(**of_role, PolicyDocument=given)

    def without(self, role: str, sid: str, action: str) -> contextlib.AbstractContextManager[None]:
        """Take an action out of a role's statement, and put it back."""

        def remove(statement: Any) -> None:
            left = [each for each in listed(statement["Action"]) if each != action]
            # A statement needs an action: this one is of no service.
            statement["Action"] = left or ["none:None"]

        return self.changed(role, sid, remove)

    @contextlib.contextmanager
    def publishing_by_role_only(self, topic: str) -> Iterator[None]:
        """Take the statements that allow something out of a topic's policy, and put them back."""
        sns, policy = self.client("sns"), {"TopicArn": self.name(topic)}
        given = sns.get_topic_attributes(**policy)["Attributes"]["Policy"]
        denying = json.loads(given)
        denying["Statement"] = [s for s in denying["Statement"] if s["Effect"] == "Deny"]
        policy["AttributeName"] = "Policy"
        sns.set_topic_attributes(**policy, AttributeValue=json.dumps(denying))
        try:
            yield
        finally:
            sns.set_topic_attributes(**policy, AttributeValue=given)

    def call(
        self,
        path: str,
        method: str = "GET",
        body: dict[str, object] | None = None,
        credentials: Credentials | None = ACCOUNT_ROOT,
        spoil: str = "",
        **headers: str,
    ) -> Answer:
        """Call the API, signed unless there are no credentials; `spoil` is added to the signature."""
        data = None if body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data:
            sent["Content-Type"] = "application/json"
        request = AWSRequest(method, self.api_url + path, headers=sent, data=data)
        if credentials:
            SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
            sent = dict(request.headers.items())
            sent["Authorization"] += spoil
        return self.send(path, method=method, body=data, **sent)

    def with_role(self, role: str, service: str) -> Any:
        """A client with a role's credentials."""
        arn = f"arn:aws:iam::000000000000:role/{self.name(role)}"
        return self.client(service, *keys_of(self.client("sts"), RoleArn=arn))

    def caller(self, *policies: str) -> Credentials:
        """A new user of the account with these managed policies."""
        iam, name = self.client("iam"), f"caller-{uuid.uuid4()}"
        iam.create_user(UserName=name)
        for policy in policies:
            iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
