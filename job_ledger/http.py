"""Signed requests to the API, with retries, on botocore's HTTP session."""

import gzip
import itertools
import random
import time
import zlib
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
    ConnectionError,  # noqa: A004 - botocore's name; it is not an HTTPClientError
    HTTPClientError,
)
from botocore.httpsession import URLLib3Session

from job_ledger.account import Account
from job_ledger.answers import JSON, Shape, parsed
from job_ledger.errors import (
    ApiError,
    ConnectionFailed,
    CredentialsUnavailable,
    api_error,
    invalid_answer,
)
from job_ledger.filters import Query
from job_ledger.location import find_url, is_loopback, one_line, signing_region
from job_ledger.version import VERSION

# When Retry-After asks for more seconds, the client reports the error at once.
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
MOST_ATTEMPTS = 4
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
    def media_type(self) -> str:
        """The type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def request_id(self) -> str:
        """The id that finds the request in the API's logs."""
        return self.headers.get("x-request-id", "")

    @property
    def json(self) -> Any:
        """The body, decoded. Raises ApiError when it is not a JSON object."""
        return self.object({})

    def object(self, shape: Shape) -> Any:
        """Return the body, decoded. Raises ApiError when it is not a JSON object of this shape."""
        return parsed(self.body, shape, self.request_id)


class Http:
    """Sends requests to one deployment's API. Safe to use from several threads."""

    def __init__(
        self,
        url: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        **given: Any,
    ) -> None:
        """Find the API; `given` is as for `boto3.client`. Raises LedgerNotFound and CredentialsUnavailable."""
        self.account = Account(profile, region, **given)
        self.url = find_url(url or given.get("endpoint_url"), self.account.client)
        self._region = signing_region(self.url, self.account.region)
        self._attempts = self.account.attempts or MOST_ATTEMPTS
        self._sleep = sleep
        self._session = URLLib3Session(
            verify=self.account.verify,
            proxies=self.account.proxies(self.url),
            timeout=(self.account.config.connect_timeout, self.account.config.read_timeout),
        )

    def get(self, path: str, query: Query | None = None, accept: str = JSON) -> Response:
        """Return the answer to a GET. Raises ApiError."""
        return self.answer(Request("GET", path, query or [], {"Accept": accept}))

    def answer(self, request: Request) -> Response:
        """Return an answer with status 200 and the media type that was asked for, or without a media type.

        Raises ApiError for any other answer, such as a proxy's page that asks to sign in. Callers check the body.
        """
        response = self.send(request)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise api_error(response.status, response.body, response.request_id)
        expected = (request.headers["Accept"], "")
        if response.status != HTTPStatus.OK or response.media_type not in expected:
            raise invalid_answer(response.status, response.request_id)
        return response

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status. Retries a repeatable request where that can help.

        Raises ConnectionFailed, CredentialsUnavailable, and ApiError for a damaged body.
        """
        for attempt in itertools.count(1):
            last = attempt >= self._attempts or not request.repeatable
            wait = random.uniform(0.5, 1) * _FIRST_WAIT * 2**attempt
            try:
                response = self._send_once(request)
            except (HTTPClientError, ConnectionError) as error:
                if last:
                    failure = self._without_query(error)
                    raise ConnectionFailed(
                        f"The API did not answer ({one_line(failure)}). Check its URL and the network."
                    ) from failure
            except ApiError:
                if last:
                    raise
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
        response = Response(sent.status_code, answered, sent.content)
        return response if request.method == "HEAD" else _whole(response)

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
        """The credentials; None for unsigned requests, which the local deployment accepts."""
        credentials = self.account.credentials()
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


def _whole(response: Response) -> Response:
    """Return an answer with its body decompressed. Raises ApiError for a body that is damaged or cut off.

    botocore does not notice when a connection ends before the body does.
    """
    headers = dict(response.headers)
    length, encoding = headers.get("content-length"), headers.pop("content-encoding", "")
    try:
        if length is not None and len(response.body) != int(length):
            raise ValueError
        if encoding.strip().lower() in ("", "identity"):
            return response
        if encoding.strip().lower() != "gzip" or not response.body:
            raise ValueError
        return Response(response.status, headers, gzip.decompress(response.body))
    except (ValueError, OSError, EOFError, zlib.error):
        raise invalid_answer(response.status, response.request_id) from None


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

    A retry does not help after the API's own 503 without Retry-After: it asks to narrow the filters.
    """
    if asked is not None:
        return response.status >= HTTPStatus.BAD_REQUEST
    final = response.status == HTTPStatus.SERVICE_UNAVAILABLE and (
        response.headers.get("content-type", "").startswith(PROBLEM)
    )
    return response.status in _TRANSIENT and not final
