"""CDK's provider framework (custom-resources/lib/provider-framework, 2.275.0) in a few lines of Python.

It calls the two handlers and makes CloudFormation's answer from them, as `framework.js` does, with the
longest ids and stack trace that an answer can have. The end-to-end tests run the real one.
"""

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

CREATE_FAILED = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
STACK = f"arn:aws:cloudformation:ap-northeast-1:111122223333:stack/{'s' * 128}/{'0' * 36}"
LOGICAL_ID = "L" * 255
TRACE = "    at async Runtime.handleOnceNonStreaming (file:///var/runtime/index.mjs:1205:29)\n" * 10
ANSWER_BYTES = 4096
ATTEMPTS = 354

CONTEXT = SimpleNamespace(
    function_name="lookup",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:lookup",
    aws_request_id="request",
)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Provider:
    """`pause` gets the seconds between two calls of `is_complete`; `waits` is what the waits were started with."""

    def __init__(self, on_event: Handler, is_complete: Handler, pause: Callable[[float], None]):
        self._on_event, self._is_complete, self._pause = on_event, is_complete, pause
        self.interval = 10
        self.waits: list[dict[str, Any]] = []

    def answer(
        self, request_type: str, properties: Mapping[str, Any], physical_id: str | None = None
    ) -> dict[str, Any]:
        """The final response to CloudFormation."""
        event: dict[str, Any] = {
            "RequestType": request_type,
            "ResponseURL": "https://cloudformation-custom-resource-response.example/",
            "StackId": STACK,
            "RequestId": "1" * 36,
            "LogicalResourceId": LOGICAL_ID,
            "ResourceType": "Custom::ComprehendMedicalJob",
            "ResourceProperties": {"ServiceToken": "arn:aws:lambda:…", **properties},
        }
        if physical_id:
            event["PhysicalResourceId"] = physical_id
        if request_type == "Update":
            event["OldResourceProperties"] = {**properties}
        try:
            event |= call(self._on_event, event)
            self.waits.append(event)
            return self._wait(event)
        except Exception as error:
            event.setdefault("PhysicalResourceId", CREATE_FAILED)
            logs = "Logs: /aws/lambda/" + "f" * 64
            return submitted("FAILED", event, f"Error: {error}\n\n{logs}\n\n{TRACE}")

    def _wait(self, event: dict[str, Any]) -> dict[str, Any]:
        for _ in range(ATTEMPTS):
            result = call(self._is_complete, event)
            if result["IsComplete"]:
                return submitted("SUCCESS", {**event, **result}, "SUCCESS")
            assert not result.get("Data"), "Data is not allowed if IsComplete is False"
            self._pause(self.interval)
        return submitted("FAILED", event, "Operation timed out")


def call(handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
    """All that passes between functions is JSON."""
    answer: dict[str, Any] = json.loads(json.dumps(handler(json.loads(json.dumps(event)), CONTEXT)))
    return answer


def submitted(status: str, event: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The answer; CloudFormation takes no longer one."""
    names = ("StackId", "RequestId", "PhysicalResourceId", "LogicalResourceId", "Data")
    answer = {"Status": status, "Reason": reason, **{n: event[n] for n in names if n in event}}
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(body) < ANSWER_BYTES, f"{len(body)} bytes"
    return answer
