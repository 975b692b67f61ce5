"""Who may call the deployed API, with IAM enforced: signatures, accounts and the two policies for callers."""

import pytest
from botocore.credentials import Credentials

from tests.e2e.permission_uses import window

pytestmark = pytest.mark.xdist_group("enforced")


@pytest.fixture(scope="module")
def reader(enforced):
    return enforced.caller(enforced.outputs["ReaderPolicyArn"])


@pytest.fixture(scope="module")
def publisher(enforced):
    return enforced.caller(enforced.outputs["PublisherPolicyArn"])


def is_problem(answer):
    return (
        answer.status == 403
        and answer.content_type == "application/problem+json"
        and {"type", "title", "detail", "instance"} <= set(answer.json)
    )


def test_an_unsigned_call_gets_403_and_a_problem(enforced):
    answer = enforced.call("/jobs", credentials=None)
    assert is_problem(answer), answer
    assert "Signature Version 4" in answer.json["detail"]


def test_a_badly_signed_call_gets_403_and_a_problem(enforced, reader):
    wrong = Credentials(reader.access_key, "not-the-secret")
    assert is_problem(enforced.call("/jobs", credentials=wrong))


def test_an_unknown_key_gets_403_and_a_problem(enforced):
    assert is_problem(enforced.call("/jobs", credentials=Credentials("AKIAIOSFODNN7EXAMPLE", "x")))


def test_a_foreign_account_does_not_reach_the_api(enforced):
    # MiniStack finds an API in the caller's own account only; the resource policy is held on the template.
    answer = enforced.call("/jobs", credentials=Credentials("111122223333", "test"))
    assert answer.status in (403, 404)


# MiniStack answers a denied call itself: that the stack's problem replaces it is held on the template.
def test_a_caller_without_a_policy_gets_403(enforced):
    assert enforced.call("/jobs", credentials=enforced.caller()).status == 403


@pytest.mark.parametrize("path", ["/jobs", "/summary", "/health", "/openapi.json", "/board"])
def test_the_readers_policy_suffices_to_read(enforced, reader, path):
    assert enforced.call(path, credentials=reader).status == 200


def test_the_readers_policy_does_not_suffice_to_publish(enforced, reader):
    assert enforced.call("/digests", "POST", window(), credentials=reader).status == 403


def test_the_publishers_policy_suffices_to_publish_and_not_to_read(enforced, publisher):
    assert enforced.call("/digests", "POST", window(), credentials=publisher).status == 200
    assert enforced.call("/jobs", credentials=publisher).status == 403
