"""The credentials that sign requests: found by profile and region, or given as to `boto3.client`."""

import os
from typing import Any, TypedDict

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ProfileNotFound
from botocore.utils import get_environ_proxies

from job_ledger.errors import CredentialsUnavailable
from job_ledger.location import one_line, open_session

CONNECT_SECONDS = 5
_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
# API Gateway answers within 29 seconds.
READ_SECONDS = 35


class ClientArguments(TypedDict, total=False):
    """What `boto3.client` takes, and a `boto3.Session` or botocore's."""

    session: Any
    region_name: str | None
    endpoint_url: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    aws_session_token: str | None
    aws_account_id: str | None
    config: Any
    verify: bool | str | None
    use_ssl: bool | None
    api_version: str | None


class Account:
    """A session, a region, the credentials if they are given, and the settings of connections."""

    def __init__(self, profile: str | None = None, region: str | None = None, **given: Any) -> None:
        """Raises CredentialsUnavailable for an unknown profile or half of a key, TypeError for an unknown argument."""
        if unknown := given.keys() - ClientArguments.__annotations__.keys():
            raise TypeError(f"JobLedger() got an unexpected keyword argument {min(unknown)!r}")
        config = given.get("config")
        defaults = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
        self.config = defaults.merge(config) if config else defaults
        chosen = region or given.get("region_name") or (config and config.region_name)
        session = given.get("session")
        # A boto3.Session has one of botocore's.
        self.session: Any = (
            open_session(profile, chosen)
            if session is None
            else getattr(session, "_session", session)
        )
        self._keys = {name: given[name] for name in _KEYS if given.get(name)}
        try:
            found = self.session.get_config_variable("region")
            self.region: str | None = chosen or found or os.environ.get("AWS_REGION")
            bundle = self.session.get_config_variable("ca_bundle")
        except ProfileNotFound as error:
            raise CredentialsUnavailable(f"{one_line(error)}.") from error
        verify = given.get("verify")
        self.verify: bool | str = (bundle or True) if verify is None else verify
        if self._keys and not {"aws_access_key_id", "aws_secret_access_key"} <= self._keys.keys():
            raise CredentialsUnavailable(
                "aws_access_key_id and aws_secret_access_key belong together: pass both, or none."
            )

    @property
    def attempts(self) -> int | None:
        """How often a request is sent at most, if the configuration says so."""
        retries: dict[str, int] = self.config.retries or {}
        if "max_attempts" in retries:  # those after the first
            return retries["max_attempts"] + 1
        return retries.get("total_max_attempts")

    def credentials(self) -> Any:
        """Return the credentials, or None."""
        if not self._keys:
            return self.session.get_credentials()
        return Credentials(*map(self._keys.get, _KEYS))

    def client(self, service: str, config: Config) -> Any:
        """Return a botocore client. Raises botocore's errors."""
        return self.session.create_client(
            service, region_name=self.region, config=config, verify=self.verify, **self._keys
        )

    def proxies(self, url: str) -> dict[str, str]:
        """Return the proxies for an address."""
        chosen: dict[str, str] = self.config.proxies or get_environ_proxies(url)
        return chosen
