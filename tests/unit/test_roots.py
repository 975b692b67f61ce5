"""Amazon's own roots are trusted where every endpoint chains to them, and nowhere else."""

import os
import ssl

import pytest
from botocore.httpsession import URLLib3Session
from botocore.session import Session

from jobledger import roots

IN_LAMBDA = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_REGION": "eu-central-1"}


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """Return the certificates that a session's clients get, with variables and a configuration file."""
    file = tmp_path / "amazon-roots.pem"
    file.touch()
    monkeypatch.setattr(roots, "AMAZON_ROOTS", file)

    def chosen(variables: dict[str, str], config: str = "") -> str | None:
        (configured := tmp_path / "config").write_text(config)
        files = {"AWS_CONFIG_FILE": str(configured), "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        monkeypatch.setattr(os, "environ", {**files, **variables})
        session = Session()
        roots.use_amazon_roots(session)
        certificates: str | None = session.get_config_variable("ca_bundle")
        return certificates

    return chosen


def test_the_endpoints_of_the_commercial_partition_are_verified_with_amazons_roots(chosen):
    for variables in (
        {}, {"AWS_DEFAULT_REGION": "ap-southeast-5"}, {"AWS_DEFAULT_REGION": "us-west-99"},
        {"AWS_USE_FIPS_ENDPOINT": "true"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, {"NO_PROXY": "*"},
    ):  # fmt: skip
        assert chosen(IN_LAMBDA | variables) == str(roots.AMAZON_ROOTS), variables
    variables = {"AWS_CA_BUNDLE": "/etc/pki/tls/certs/ca-bundle.crt"}
    assert chosen(IN_LAMBDA | variables) == "/etc/pki/tls/certs/ca-bundle.crt"
    roots.AMAZON_ROOTS.unlink()
    assert chosen(IN_LAMBDA) is None


def test_any_other_endpoint_is_verified_with_botocores_own_file(chosen):
    elsewhere = ("cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "mars-1", "")
    for variable, value in (
        *(("AWS_DEFAULT_REGION", region) for region in elsewhere),
        ("AWS_ENDPOINT_URL", "https://aws.example.org"),
        ("AWS_ENDPOINT_URL_SNS", "https://sns.example.org"),
        ("REQUESTS_CA_BUNDLE", "/etc/pki/own.pem"),
        ("https_proxy", "https://proxy.example.org"),
        ("HTTP_PROXY", "http://proxy.example.org"),
    ):
        assert chosen(IN_LAMBDA | {variable: value}) is None, variable
    config = "[default]\nendpoint_url = https://aws.example.org\n"
    assert chosen(IN_LAMBDA, config) is None


def test_a_client_parses_its_certificates_for_the_first_connection_only(monkeypatch, tmp_path):
    parsed: list[str] = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda _, file, *more: parsed.append(file)
    )
    context = URLLib3Session()._get_ssl_context()
    for name in ("one.pem", "one.pem", "two.pem", "one.pem"):
        context.load_verify_locations(name, None, None)
    URLLib3Session()._get_ssl_context().load_verify_locations("one.pem", None, None)
    assert parsed == ["one.pem", "two.pem", "one.pem"]
    monkeypatch.undo()
    for _ in range(2):  # a file that is not there stays an error
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations(str(tmp_path / "none.pem"))
