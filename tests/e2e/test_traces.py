"""One trace and one correlation id for a request, through every function to every AWS call."""

import json
import uuid

import pytest

from tests.e2e import observed
from tests.e2e.stack import wait_until

pytestmark = pytest.mark.xdist_group("deployment")


def annotated(segments, **wanted):
    return [s for s in segments if wanted.items() <= s.get("annotations", {}).items()]


def test_a_digest_that_a_request_publishes_has_its_id_in_the_log_and_a_trace_to_each_call(
    deployment,
):
    """In AWS it is part of the request's trace, which begins in API Gateway. MiniStack's has none: a unit test has one."""
    before = len(annotated(observed.segments(deployment), Operation="digest"))
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    answer = deployment.send("/digests", method="POST", body=b"{}", **headers)

    def trace():
        segments = observed.segments(deployment)
        digests = annotated(segments, Operation="digest")[before:]
        found = [s for s in segments if digests and s["trace_id"] == digests[-1]["trace_id"]]
        return found if {"sns", "dynamodb"} <= {s["name"] for s in found} else None

    found = wait_until(trace, 30, "the trace of the digest and its calls")
    (digest,) = annotated(found, Operation="digest")
    (read,) = annotated(found, Operation="ReadDigest")
    (publish,) = annotated(found, Operation="Publish")
    assert read["parent_id"] == publish["parent_id"] == digest["id"]
    calls = {(s["name"], s["parent_id"]) for s in found}
    assert {("sns", publish["id"]), ("dynamodb", read["id"])} <= calls

    group = observed.log_group_of(deployment, "DigestFunctionName")
    request_id = answer.headers["X-Request-Id"]
    lines = [
        json.loads(text)
        for name, text in observed.log_lines(deployment)
        if name == group and text.startswith("{") and request_id in text
    ]
    said = {(line["message"], line["correlation_id"]) for line in lines}
    assert said == {("digest", request_id)}
    assert request_id not in {line["function_request_id"] for line in lines}
