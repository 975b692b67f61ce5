"""One trace and one correlation id for a request, through every function to every AWS call."""

import json
import uuid

import pytest

from tests.e2e import observed
from tests.e2e.stack import wait_until

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")


def post_digest(deployment):
    """Publish a digest of its own; return the id of the request."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    answer = deployment.send("/digests", method="POST", body=b"{}", **headers)
    return answer.headers["X-Request-Id"]


def annotated(segments, **wanted):
    return [s for s in segments if wanted.items() <= s.get("annotations", {}).items()]


def test_a_digest_that_a_request_publishes_is_traced_to_each_call(deployment):
    """In AWS it is part of the request's trace, which begins in API Gateway. MiniStack's has none: a unit test has one."""

    def digests():
        return annotated(observed.segments(deployment), Operation="digest")

    before = len(digests())
    post_digest(deployment)
    digest = wait_until(lambda: digests()[before:], 30, "the trace of the digest")[-1]
    trace = [s for s in observed.segments(deployment) if s["trace_id"] == digest["trace_id"]]
    (read,) = annotated(trace, Operation="ReadDigest")
    (publish,) = annotated(trace, Operation="Publish")
    (sns,) = (s for s in trace if s["name"] == "sns")
    assert read["parent_id"] == publish["parent_id"] == digest["id"]
    assert sns["parent_id"] == publish["id"]
    assert sns["aws"]["operation"] == "Publish"
    assert any(s["name"] == "dynamodb" and s["parent_id"] == read["id"] for s in trace)


def test_the_log_of_an_invoked_function_has_the_id_of_the_request(deployment):
    request_id = post_digest(deployment)
    group = observed.log_group_of(deployment, "DigestFunctionName")
    lines = [
        json.loads(text)
        for name, text in observed.log_lines(deployment)
        if name == group and text.startswith("{") and request_id in text
    ]
    assert {line["message"] for line in lines} == {"digest"}
    assert {line["correlation_id"] for line in lines} == {request_id}
    assert request_id not in {line["function_request_id"] for line in lines}


def test_a_sync_is_traced_by_family_and_page_to_each_call(deployment):
    deployment.invoke("SyncFunctionName", Families=["PHI"])
    segments = observed.segments(deployment)
    family = annotated(segments, Operation="SyncFamily", Family="PHI", Outcome="ok")[-1]
    trace = [s for s in segments if s["trace_id"] == family["trace_id"]]
    pages = annotated(trace, Operation="SyncPage", Family="PHI")
    assert {page["parent_id"] for page in pages} == {family["id"]}
    # Active jobs that are on no page are described one by one.
    assert family["annotations"]["Jobs"] >= sum(page["annotations"]["Jobs"] for page in pages)
    upstream = [s for s in trace if s["name"] == "comprehendmedical"]
    assert upstream[-1]["aws"]["operation"] == "ListPHIDetectionJobs"
    assert upstream[-1]["parent_id"] in {page["id"] for page in pages}
