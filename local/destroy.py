"""`make destroy`: removes the stack, and says what remains with the commands that remove it.

The table of jobs and its key outlive the stack unless `retainLedger` was false in the last deployment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

CDK = Path(sys.executable).with_name("cdk")
_CONFIGURATION = Path(__file__).resolve().parent.parent / "cdk.json"
_DEFAULT_NAME = "JobLedger"


@dataclass(frozen=True)
class Remaining:
    """A resource that outlived its stack, and the commands that remove it."""

    what: str
    commands: tuple[str, ...]


def stack_name(arguments: Sequence[str], configuration: Path = _CONFIGURATION) -> str:
    """Return the name of the stack that `cdk destroy` with these arguments removes.

    As in the CDK CLI, the last `-c name=…` decides, and without one the `context` of cdk.json.
    """
    context = json.loads(configuration.read_text(encoding="utf-8")).get("context", {})
    chosen = [
        value.partition("=")[2]
        for flag, value in pairwise(arguments)
        if flag in ("-c", "--context") and value.startswith("name=")
    ]
    return str([context.get("name", _DEFAULT_NAME), *chosen][-1])


def resources_of(session: Any, name: str) -> list[tuple[str, str]]:
    """Return the type and the physical id of each resource of a stack; none when there is no stack."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    try:
        return [
            (resource["ResourceType"], resource.get("PhysicalResourceId", ""))
            for page in pages.paginate(StackName=name)
            for resource in page["StackResourceSummaries"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return []
        raise


def remaining(session: Any, resources: Iterable[tuple[str, str]]) -> list[Remaining]:
    """Return what still exists of a removed stack's tables and keys, tables first."""
    left = []
    for kind, physical_id in sorted(resources):
        if kind == "AWS::DynamoDB::Table" and _table_exists(session, physical_id):
            commands = (
                f"aws dynamodb update-table --table-name {physical_id} --no-deletion-protection-enabled",
                f"aws dynamodb delete-table --table-name {physical_id}",
            )
            left.append(Remaining(f"the table of jobs, {physical_id}", commands))
        if kind == "AWS::KMS::Key" and _key_is_in_use(session, physical_id):
            command = (
                f"aws kms schedule-key-deletion --key-id {physical_id} --pending-window-in-days 30"
            )
            left.append(
                Remaining(f"its key, {physical_id}: without it the table is unreadable", (command,))
            )
    return left


def _table_exists(session: Any, name: str) -> bool:
    client = session.client("dynamodb")
    try:
        client.describe_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _key_is_in_use(session: Any, key_id: str) -> bool:
    client = session.client("kms")
    try:
        state = client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
    except client.exceptions.NotFoundException:
        return False
    return bool(state != "PendingDeletion")


def report(left: Sequence[Remaining]) -> str:
    """Return what to tell the user."""
    if not left:
        return (
            "Nothing of the deployment remains, but the account's role for the logs of API Gateway."
        )
    lines = ["These remain, so that no job is lost. To remove them as well:"]
    for one in left:
        lines += [f"  {one.what}", *(f"    {command}" for command in one.commands)]
    return "\n".join(
        [
            *lines,
            "The account's role for the logs of API Gateway remains as well: other APIs may use it.",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Run `cdk destroy`; return its exit code."""
    # The CDK CLI reads AWS_REGION, boto3 only AWS_DEFAULT_REGION and the profile.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    name = stack_name(arguments)
    try:
        resources = resources_of(session, name)
    except (NoRegionError, NoCredentialsError) as error:
        print(
            f"error: {str(error).removesuffix('.')}. Set AWS_REGION, and AWS_PROFILE or AWS_ACCESS_KEY_ID"
            " and AWS_SECRET_ACCESS_KEY.",
            file=sys.stderr,
        )
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"error: the stack {name} cannot be read: {error}", file=sys.stderr)
        return 1
    code = subprocess.run([CDK, "destroy", *arguments], check=False).returncode
    if code == 0 and resources and not resources_of(session, name):
        print(report(remaining(session, resources)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
