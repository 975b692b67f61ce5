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
    form = (answer.status, answer.headers["Content-Type"])
    assert form == (403, "application/problem+json"), answer
    assert answer.json["title"] == "AccessDeniedException"
    assert answer.json["instance"].startswith("urn:request:")
    return answer.json["detail"]


def test_a_call_without_the_right_signature_or_policy_gets_403_and_a_problem(enforced, reader):
    wrong_secret = Credentials(reader.access_key, "not-the-secret")
    unknown_key = Credentials("AKIAIOSFODNN7EXAMPLE", "x")
    foreign_account = Credentials("111122223333", "test")
    for credentials, spoil, said in (
        (None, "", "is not signed"),
        (None, "", "Signature Version 4"),
        (unknown_key, "", "Signature Version 4"),
        (wrong_secret, "", "signature is not valid"),
        (reader, "0", "signature is not valid"),
        (foreign_account, "", "not authorized"),
        (enforced.caller(), "", "not authorized"),
    ):
        answer = enforced.call("/jobs", credentials=credentials, spoil=spoil)
        assert said in assert_refused(answer)


def test_an_account_of_the_setting_is_not_refused(enforced):
    # The local AWS serves an API to its own account only: beyond the policy there is nothing.
    assert enforced.call("/jobs", credentials=Credentials(ALLOWED_ACCOUNT, "test")).status == 404


def test_the_readers_policy_suffices_to_read_and_not_to_publish(enforced, reader):
    for path in ("/jobs", "/summary", "/health", "/openapi.json", "/board"):
        assert enforced.call(path, credentials=reader).status == 200, path
    assert_refused(enforced.call("/digests", "POST", window(), credentials=reader))


def test_the_publishers_policy_suffices_to_publish_and_not_to_read(enforced, publisher):
    assert enforced.call("/digests", "POST", window(), credentials=publisher).status == 200
    assert_refused(enforced.call("/jobs", credentials=publisher))
