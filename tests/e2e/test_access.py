"""Who may call the deployed API, with IAM enforced: signatures, accounts and the two policies for callers."""

import pytest
from botocore.credentials import Credentials

from tests.e2e.enforced import ALLOWED_ACCOUNT
from tests.e2e.permission_uses import window

pytestmark = pytest.mark.xdist_group("enforced")


@pytest.fixture(scope="module")
def reader(enforced):
    return enforced.caller(enforced.outputs["ReaderPolicyArn"])


@pytest.fixture(scope="module")
def publisher(enforced):
    return enforced.caller(enforced.outputs["PublisherPolicyArn"])


def assert_refused(answer):
    """What API Gateway answers by itself, in the form of the function's errors."""
    assert (answer.status, answer.content_type) == (403, "application/problem+json"), answer
    assert answer.json["title"] == "AccessDeniedException"
    assert answer.json["instance"].startswith("urn:request:")
    return answer.json["detail"]


def test_an_unsigned_call_gets_403_and_a_problem(enforced):
    detail = assert_refused(enforced.call("/jobs", credentials=None))
    assert "is not signed" in detail
    assert "Signature Version 4" in detail


def test_a_badly_signed_call_gets_403_and_a_problem(enforced, reader):
    wrong = Credentials(reader.access_key, "not-the-secret")
    assert "signature is not valid" in assert_refused(enforced.call("/jobs", credentials=wrong))


def test_a_call_whose_signature_was_changed_gets_403_and_a_problem(enforced, reader):
    answer = enforced.call("/jobs", credentials=reader, spoil="0")
    assert "signature is not valid" in assert_refused(answer)


def test_an_unknown_key_gets_403_and_a_problem(enforced):
    unknown = Credentials("AKIAIOSFODNN7EXAMPLE", "x")
    assert "Signature Version 4" in assert_refused(enforced.call("/jobs", credentials=unknown))


def test_a_foreign_account_gets_403_and_a_problem(enforced):
    foreign = Credentials("111122223333", "test")
    assert "not authorized" in assert_refused(enforced.call("/jobs", credentials=foreign))


def test_an_account_of_the_setting_is_not_refused(enforced):
    # The local AWS serves an API to its own account only: beyond the policy there is nothing.
    assert enforced.call("/jobs", credentials=Credentials(ALLOWED_ACCOUNT, "test")).status == 404


def test_a_caller_without_a_policy_gets_403_and_a_problem(enforced):
    answer = enforced.call("/jobs", credentials=enforced.caller())
    assert "not authorized" in assert_refused(answer)


@pytest.mark.parametrize("path", ["/jobs", "/summary", "/health", "/openapi.json", "/board"])
def test_the_readers_policy_suffices_to_read(enforced, reader, path):
    assert enforced.call(path, credentials=reader).status == 200


def test_the_readers_policy_does_not_suffice_to_publish(enforced, reader):
    assert_refused(enforced.call("/digests", "POST", window(), credentials=reader))


def test_the_publishers_policy_suffices_to_publish_and_not_to_read(enforced, publisher):
    assert enforced.call("/digests", "POST", window(), credentials=publisher).status == 200
    assert_refused(enforced.call("/jobs", credentials=publisher))
