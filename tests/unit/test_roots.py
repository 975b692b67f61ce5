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
        configured = tmp_path / "config"
        configured.write_text(config)
        nothing = str(tmp_path / "nothing")
        monkeypatch.setattr(
            os,
            "environ",
            {
                "AWS_CONFIG_FILE": str(configured),
                "AWS_SHARED_CREDENTIALS_FILE": nothing,
                **variables,
            },
        )
        session = Session()
        roots.use_amazon_roots(session)
        certificates: str | None = session.get_config_variable("ca_bundle")
        return certificates

    return chosen


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_DEFAULT_REGION": "ap-southeast-5"},
        {"AWS_DEFAULT_REGION": "us-west-99"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"NO_PROXY": "*"},
    ],
)
def test_the_endpoints_of_the_commercial_partition_are_verified_with_amazons_roots(
    chosen, variables
):
    assert chosen(IN_LAMBDA | variables) == str(roots.AMAZON_ROOTS)


@pytest.mark.parametrize(
    "variables, config",
    [
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, ""),
        ({"AWS_DEFAULT_REGION": "us-gov-west-1"}, ""),
        ({"AWS_DEFAULT_REGION": "us-iso-east-1"}, ""),
        ({"AWS_DEFAULT_REGION": "eusc-de-east-1"}, ""),
        ({"AWS_DEFAULT_REGION": "mars-1"}, ""),
        ({"AWS_DEFAULT_REGION": ""}, ""),
        ({"AWS_ENDPOINT_URL": "https://aws.example.org"}, ""),
        ({"AWS_ENDPOINT_URL_SNS": "https://sns.example.org"}, ""),
        ({"REQUESTS_CA_BUNDLE": "/etc/pki/own.pem"}, ""),
        ({"https_proxy": "https://proxy.example.org"}, ""),
        ({"HTTP_PROXY": "http://proxy.example.org"}, ""),
        ({}, "[default]\nendpoint_url = https://aws.example.org\n"),
    ],
)
def test_any_other_endpoint_is_verified_with_botocores_own_file(chosen, variables, config):
    assert chosen(IN_LAMBDA | variables, config) is None


def test_a_variable_chooses_another_file(chosen):
    variables = {"AWS_CA_BUNDLE": "/etc/pki/tls/certs/ca-bundle.crt"}
    assert chosen(IN_LAMBDA | variables) == "/etc/pki/tls/certs/ca-bundle.crt"


def test_without_the_bundles_file_nothing_changes(chosen):
    roots.AMAZON_ROOTS.unlink()
    assert chosen(IN_LAMBDA) is None


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


def test_a_file_of_certificates_that_is_not_there_stays_an_error(tmp_path):
    context = URLLib3Session()._get_ssl_context()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations(str(tmp_path / "none.pem"))
