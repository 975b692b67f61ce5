"""The sources of a stand-in: each account and region has jobs, quotas and faults of its own.

The signature of a request says whose it is: the scope of its credential has the region, and its access key belongs to
an account. Until a source is named, all requests reach the stand-in's own one, whatever their signatures say.
"""

import http.client
import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus

from local.comprehend_medical.errors import ControlError, ServiceError
from local.comprehend_medical.service import Jobs, Service

OWN_ACCOUNT, OWN_REGION = "000000000000", "us-east-1"
OWN_SOURCE = f"{OWN_ACCOUNT}/{OWN_REGION}"
_SOURCE = re.compile(r"\d{12}/[a-z]{2}(-[a-z]+)+-\d")
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d+/(?P<region>[^/,\s]+)/")
_IAM_SECONDS = 10


class Sources:
    """The service of each source. `create` makes that of a new source with these jobs.

    With `iam_endpoint`, the local AWS there says whose a request is, and whether its policies allow it. Without, an
    access key of twelve digits is an account, and any other key is the own account's.
    """

    def __init__(
        self, own: Service, create: Callable[[Jobs], Service], iam_endpoint: str = ""
    ) -> None:
        self._services = {OWN_SOURCE: own}
        self._create = create
        self._iam_endpoint = iam_endpoint
        self._lock = threading.Lock()

    def of(self, source: str) -> Service:
        """Return the service of a source, `account/region`, which is named from now on."""
        with self._lock:
            if source not in self._services:
                self._services[source] = self._created(source, {})
            return self._services[source]

    def services(self) -> list[Service]:
        """Return the services of all sources, the own one first."""
        with self._lock:
            return list(self._services.values())

    def add(self, source: str, jobs: Jobs) -> None:
        """Add a source with these jobs; they are dropped when the source is the own one."""
        with self._lock:
            self._services.setdefault(source, self._created(source, jobs))

    def _created(self, source: str, jobs: Jobs) -> Service:
        if not _SOURCE.fullmatch(source):
            raise ControlError(f"{source} is not a source: give ACCOUNT/REGION, as {OWN_SOURCE}")
        return self._create(jobs)

    def selected(self, query: str) -> Service:
        """Return the service that a control request selects with `Account` and `Region`; the own ones by default."""
        chosen = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        for name in chosen:
            if name not in ("Account", "Region"):
                raise ControlError(f"{name} is unknown; a source is selected by Account and Region")
        return self.of(f"{chosen.get('Account', OWN_ACCOUNT)}/{chosen.get('Region', OWN_REGION)}")

    def reached_by(self, headers: Message, body: bytes) -> Service:
        """Return the service that a request reaches. Raises ServiceError when it may not."""
        account = self._authorized(headers, body) if self._iam_endpoint else None
        if len(self._services) == 1:
            return self._services[OWN_SOURCE]
        signed = _CREDENTIAL.search(headers.get("Authorization", ""))
        key, region = (signed["key"], signed["region"]) if signed else ("", OWN_REGION)
        if account is None:
            account = key if re.fullmatch(r"\d{12}", key) else OWN_ACCOUNT
        try:
            return self.of(f"{account}/{region}")
        except ControlError as error:
            raise ServiceError("UnrecognizedClientException", str(error)) from error

    def _authorized(self, headers: Message, body: bytes) -> str:
        """Let the local AWS authorize a request, as IAM does for the service; return the caller's account."""
        address = urllib.parse.urlsplit(self._iam_endpoint).netloc
        connection = http.client.HTTPConnection(address, timeout=_IAM_SECONDS)
        try:
            # With its Host and all other headers: they are signed.
            connection.request("POST", "/", body, dict(headers.items()))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ServiceError("InternalServerException", "IAM does not answer.") from error
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            message = said.get("message") or said.get("Message") or ""
            raise ServiceError(said.get("__type", "AccessDeniedException"), message, answer.status)
        account: str = said["Account"]
        return account
