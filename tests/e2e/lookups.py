"""Stacks of others that have look-ups, deployed by CloudFormation."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.e2e.stack import wait_until

KIND = "Custom::ComprehendMedicalJob"


class Stacks:
    """The stacks of a CloudFormation client; their look-ups reach the ledger through the token."""

    def __init__(self, client: Any, token: str) -> None:
        self._client = client
        self._token = token

    def put(
        self, stack: str, lookups: Mapping[str, dict[str, Any]], attributes: Iterable[str] = ()
    ) -> None:
        """Begin to create or update a stack with a look-up for each of these properties, and outputs."""
        body = {
            "Resources": {
                name: {"Type": KIND, "Properties": {"ServiceToken": self._token, **properties}}
                for name, properties in lookups.items()
            },
            "Outputs": {
                f"{name}{attribute}": {"Value": {"Fn::GetAtt": [name, attribute]}}
                for name in lookups
                for attribute in attributes
            },
        }
        exists = self._described(stack) is not None
        call = self._client.update_stack if exists else self._client.create_stack
        call(StackName=stack, TemplateBody=json.dumps(body))

    def end(self, stack: str) -> str:
        """Wait until a stack is neither created nor updated nor removed; return its status."""

        def status() -> str | None:
            found = (self._described(stack) or {}).get("StackStatus", "GONE")
            return None if found.endswith("IN_PROGRESS") else str(found)

        return str(wait_until(status, 120, f"the stack {stack} has ended"))

    def outputs(self, stack: str) -> dict[str, str]:
        found = self._described(stack) or {}
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def reasons(self, stack: str) -> str:
        """What CloudFormation shows of the failures of a stack."""
        events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)

    def physical_ids(self, stack: str) -> dict[str, str]:
        found = self._client.describe_stack_resources(StackName=stack)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def remove(self, stack: str) -> None:
        """Begin to remove a stack."""
        self._client.delete_stack(StackName=stack)

    def _described(self, stack: str) -> dict[str, Any] | None:
        found = self._client.describe_stacks()["Stacks"]
        return next((each for each in found if each["StackName"] == stack), None)
