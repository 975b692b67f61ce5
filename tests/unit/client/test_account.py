"""The client takes what `boto3.client` takes, and a session."""

from contextlib import suppress

import boto3
import botocore.session
import pytest
from botocore.config import Config

from job_ledger import ApiError, ConnectionFailed, CredentialsUnavailable, JobLedger
from testing.scripted_server import document, problem, scripted

HEALTHY = document({"Status": "ok", "Families": {}})
KEYS = {"aws_access_key_id": "mine", "aws_secret_access_key": "secret"}


@pytest.mark.parametrize(
    "given, key, region, token",
    [
        ({}, "test", "us-east-1", None),
        ({"region_name": "eu-west-1"}, "test", "eu-west-1", None),
        ({"region": "eu-west-1"}, "test", "eu-west-1", None),
        ({"config": Config(region_name="eu-west-1")}, "test", "eu-west-1", None),
        (KEYS, "mine", "us-east-1", None),
        (KEYS | {"aws_session_token": "t"}, "mine", "us-east-1", "t"),
        ({"session": boto3.Session(**KEYS, region_name="eu-west-1")}, "mine", "eu-west-1", None),
        ({"session": boto3.Session(**KEYS), "region_name": "eu-north-1"}, "mine", "eu-north-1", None),
        ({"session": "botocore"}, "test", "us-east-1", None),
        ({"verify": False, "use_ssl": True, "api_version": "2018-10-30"}, "test", "us-east-1", None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_signs_can_be_given_as_to_boto3(given, key, region, token):
    if given.get("session") == "botocore":
        given = {"session": botocore.session.Session()}
    # The server refuses any key and region but its own.
    with scripted(HEALTHY) as server, suppress(ApiError):
        ledger = JobLedger(endpoint_url=server.url, **given)
        assert ledger.url == server.url
        assert ledger.health()["Status"] == "ok"
    headers = server.received[0].headers
    assert f"Credential={key}/" in headers["authorization"]
    assert f"/{region}/execute-api/" in headers["authorization"]
    assert headers.get("x-amz-security-token") == token


def test_a_configuration_sets_times_attempts_and_a_proxy():
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    with scripted(problem(500)) as server, JobLedger(server.url, config=config) as ledger:
        ledger._http._sleep = lambda _: None
        with pytest.raises(Exception, match="InternalServerException"):
            ledger.health()
        assert ledger._http.account.config.read_timeout == 2
    assert len(server.received) == 2
    fewer = Config(proxies={"http": "http://127.0.0.1:1"}, retries={"max_attempts": 0})
    with scripted(HEALTHY) as server, pytest.raises(ConnectionFailed, match="the proxy"):
        JobLedger(server.url, config=fewer).health()
    assert server.received == []


def test_a_session_is_left_as_it_was_and_wrong_arguments_are_refused():
    session = boto3.Session(region_name="eu-west-1")
    JobLedger("http://127.0.0.1:1", session=session, region_name="us-east-2")
    assert session.region_name == "eu-west-1"
    with pytest.raises(CredentialsUnavailable, match="belong together"):
        JobLedger("http://127.0.0.1:1", aws_access_key_id="mine")
    with pytest.raises(TypeError, match="unexpected keyword argument 'regionname'"):
        JobLedger("http://127.0.0.1:1", regionname="us-east-1")  # type: ignore[call-arg] # an unknown argument is the test
