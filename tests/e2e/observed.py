"""What a deployment leaves in logs and traces."""

import json
from collections.abc import Iterator
from typing import Any

from tests.e2e.deployment import Deployment


def log_lines(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Yield each line of each log group, with the group's name."""
    logs = deployment.client("logs")
    for groups in logs.get_paginator("describe_log_groups").paginate():
        for name in (group["logGroupName"] for group in groups["logGroups"]):
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield from ((name, event["message"]) for event in page["events"])


def log_group_of(deployment: Deployment, function: str) -> str:
    """The log group of the function that an output names."""
    lambda_, name = deployment.client("lambda"), deployment.outputs[function]
    configuration = lambda_.get_function_configuration(FunctionName=name)
    return str(configuration["LoggingConfig"]["LogGroup"])


def segments(deployment: Deployment) -> list[dict[str, Any]]:
    """All that the functions have sent to the X-Ray daemon."""
    text = (deployment.state_dir / "traces.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
