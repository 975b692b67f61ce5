"""Signed requests to the API, with retries, on botocore's HTTP session."""

import gzip
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    BotoCoreError,
    ConnectionError,  # noqa: A004 - botocore's name for what is no HTTPClientError
    HTTPClientError,
    ProfileNotFound,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from job_ledger.errors import ConnectionFailed, CredentialsUnavailable, api_error
from job_ledger.filters import Query
from job_ledger.location import find_url, is_loopback, one_line, open_session, signing_region
from job_ledger.version import VERSION

CONNECT_SECONDS = 5
# API Gateway answers within 29 seconds.
READ_SECONDS = 35
MOST_ATTEMPTS = 4
# A client whose Retry-After is longer reports the error at once.
LONGEST_WAIT = 30.0
_FIRST_WAIT = 0.5
_SAFE = ("GET", "HEAD")
_TRANSIENT = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a path below the API's address."""

    method: str
    path: str
    query: Query = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once."""
        return self.method in _SAFE or "Idempotency-Key" in self.headers


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; the names of its headers are in lower case, and the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        """The id that finds the request in the API's logs."""
        return self.headers.get("x-request-id", "")

    @property
    def json(self) -> Any:
        """The body, decoded. Raises ApiError when another server has answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise api_error(self.status, b"", self.request_id) from None


class Http:
    """Sends requests to one deployment's API. Safe to use from several threads."""

    def __init__(
        self,
        url: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Find the API. Raises LedgerNotFound and CredentialsUnavailable."""
        self.aws = open_session(profile, region)
        try:
            self.url = find_url(url, self.aws)
            self._region = signing_region(self.url, self.aws)
            bundle = self.aws.get_config_variable("ca_bundle")
        except ProfileNotFound as error:
            raise CredentialsUnavailable(f"{one_line(error)}.") from error
        self._sleep = sleep
        self._session = URLLib3Session(
            verify=bundle or True,
            proxies=get_environ_proxies(self.url),
            timeout=(CONNECT_SECONDS, READ_SECONDS),
        )

    def get(self, path: str, query: Query | None = None, accept: str = JSON) -> Response:
        """Return the answer to a GET. Raises ApiError."""
        return self.answer(Request("GET", path, query or [], {"Accept": accept}))

    def answer(self, request: Request) -> Response:
        """Return the answer to a request. Raises ApiError when it is an error."""
        response = self.send(request)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise api_error(response.status, response.body, response.request_id)
        return response

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status. Retries a repeatable request where that can help.

        Raises ConnectionFailed and CredentialsUnavailable.
        """
        for attempt in itertools.count(1):
            last = attempt == MOST_ATTEMPTS or not request.repeatable
            wait = random.uniform(0.5, 1) * _FIRST_WAIT * 2**attempt
            try:
                response = self._send_once(request)
            except (HTTPClientError, ConnectionError) as error:
                if last:
                    failure = self._without_query(error)
                    raise ConnectionFailed(
                        f"The API did not answer ({one_line(failure)}). Check its URL and the network."
                    ) from failure
            else:
                asked = retry_after(response)
                wait = wait if asked is None else asked
                if last or wait > LONGEST_WAIT or not _may_pass(response, asked):
                    return response
            self._sleep(wait)
        raise AssertionError

    def _send_once(self, request: Request) -> Response:
        # Signature Version 4 escapes all but unreserved characters, and no plus stands for a space.
        text = urlencode(request.query, quote_via=quote, safe="")
        headers = {"User-Agent": f"job-ledger/{VERSION}", "Accept-Encoding": "gzip"} | dict(
            request.headers
        )
        signed = AWSRequest(
            request.method,
            f"{self.url}{request.path}{'?' if text else ''}{text}",
            headers=headers,
            data=request.body,
        )
        self._sign(signed)
        sent = self._session.send(signed.prepare())
        answered = {name.lower(): value for name, value in sent.headers.items()}
        body: bytes = sent.content
        if answered.get("content-encoding") == "gzip" and body:
            body = gzip.decompress(body)
        answered.pop("content-encoding", None)
        return Response(sent.status_code, answered, body)

    def _without_query(self, error: Any) -> Exception:
        """Return botocore's exception without the query, because that can contain a job name."""
        known = {"endpoint_url": self.url, "proxy_url": "the proxy", "error": type(error).__name__}
        failure: Exception = type(error)(**known)
        return failure

    def _sign(self, request: AWSRequest) -> None:
        try:
            if self._credentials is None:
                return
            frozen = self._credentials.get_frozen_credentials()
            SigV4Auth(frozen, "execute-api", self._region).add_auth(request)
        except BotoCoreError as error:
            raise CredentialsUnavailable(
                f"The AWS credentials cannot be used ({one_line(error)}): renew them, "
                "for example with `aws sso login`."
            ) from error

    @cached_property
    def _credentials(self) -> Any:
        """What signs; None for unsigned requests, which the local deployment takes."""
        credentials = self.aws.get_credentials()
        if is_loopback(self.url) and not (credentials and self._region):
            return None
        if credentials is None:
            raise CredentialsUnavailable(
                "There are no AWS credentials: run `aws sso login` or `aws configure`, or set AWS_PROFILE."
            )
        if not self._region:
            raise CredentialsUnavailable("No region is set: pass --region or set AWS_REGION.")
        return credentials

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def retry_after(response: Response) -> float | None:
    """Return the seconds of the Retry-After header, which can be a time; None without one."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None


def _may_pass(response: Response, asked: float | None) -> bool:
    """Whether a retry can help: the answer asks for it, or is a transient error.

    The API's own 503 without Retry-After is one that stays: it says to narrow the filters.
    """
    if asked is not None:
        return response.status >= HTTPStatus.BAD_REQUEST
    final = response.status == HTTPStatus.SERVICE_UNAVAILABLE and (
        response.headers.get("content-type", "").startswith(PROBLEM)
    )
    return response.status in _TRANSIENT and not final
