"""A CDK app of nothing but look-ups: context `stacks` is JSON, of stacks to resources to properties."""

import json
from typing import Any

from aws_cdk import App, CfnOutput, CustomResource, Stack
from aws_cdk import aws_ssm as ssm

ATTRIBUTES = (
    "JobId",
    "JobName",
    "JobStatus",
    "Family",
    "SubmitTime",
    "EndTime",
    "ModelVersion",
    "InputS3Uri",
    "OutputS3Uri",
    "ManifestS3Uri",
    "DurationSeconds",
    "Count",
)


def add_lookups(stack: Stack, resources: dict[str, dict[str, Any]]) -> None:
    """A resource for each, and its attributes as an output of the same name."""
    name = "/job-ledger/lookup-service-token"
    token = ssm.StringParameter.value_for_string_parameter(stack, name)
    for logical_id, properties in resources.items():
        resource = CustomResource(
            stack,
            logical_id,
            resource_type="Custom::ComprehendMedicalJob",
            service_token=token,
            properties=properties,
        )
        attributes = {name: resource.get_att_string(name) for name in ATTRIBUTES}
        CfnOutput(stack, f"{logical_id}Job", value=stack.to_json_string(attributes))


def main() -> None:
    """Synthesise."""
    app = App()
    for name, resources in json.loads(app.node.get_context("stacks")).items():
        add_lookups(Stack(app, name), resources)
    app.synth()


if __name__ == "__main__":
    main()
