"""Comprehend Medical and STS of many accounts and regions, on loopback: a source is known by the request's signature."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

from testing.scripted_server import Received, Scripted, answering

EXTERNAL_ID = "111122223333/JobLedger"
_DENIED = (
    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
)
_ROLE = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret"
    "</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{until}</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)


class Organisation:
    """`faults` has what is wrong with a source: `hangs`, `closes`, `no role`, or the code of an error.

    `listed` counts the calls to each source, `assumed` the roles that were assumed, by their ARN. `jobs` are those that
    a source lists, by the name of the operation.
    """

    def __init__(self, own_account: str) -> None:
        self.faults: dict[str, str] = {}
        self.jobs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.listed: Counter[str] = Counter()
        self.assumed: Counter[str] = Counter()
        self.session_names: set[str] = set()
        self.session_lasts = timedelta(hours=1)
        self.all_listing = threading.Barrier(1)
        self._own_account = own_account
        self._released = threading.Event()
        self._revoked: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer on loopback; clients that are made meanwhile call this."""
        with answering(self._answer) as server:
            urls = {f"AWS_ENDPOINT_URL_{name}": server.url for name in ("COMPREHENDMEDICAL", "STS")}
            with mock.patch.dict("os.environ", urls):
                try:
                    yield
                finally:
                    self._released.set()

    def revoke(self, account: str) -> None:
        """End the sessions of a role: AWS refuses their credentials from now on."""
        with self._lock:
            count = sum(n for arn, n in self.assumed.items() if f":{account}:" in arn)
            self._revoked |= {f"ASIA{account}{number}" for number in range(1, count + 1)}

    def _answer(self, request: Received) -> Scripted | None:
        if "x-amz-target" not in request.headers:
            return self._assume_role(parse_qs(request.body.decode()))
        scope = request.headers["authorization"].partition("Credential=")[2].split("/")
        key, region = scope[0], scope[2]
        account = key[4:16] if key.startswith("ASIA") else self._own_account
        source = f"{account}/{region}"
        with self._lock:
            self.listed[source] += 1
        if key in self._revoked:
            return _error("UnrecognizedClientException")
        return self._list(source, request.headers["x-amz-target"].rpartition(".")[2])

    def _list(self, source: str, operation: str) -> Scripted | None:
        fault = self.faults.get(source)
        if fault == "hangs":
            self._released.wait(60)
        if fault in ("hangs", "closes"):
            return None
        if fault and fault != "no role":
            return _error(fault)
        self.all_listing.wait(20)
        jobs = self.jobs.get((source, operation), [])
        return _document({"ComprehendMedicalAsyncJobPropertiesList": jobs})

    def _assume_role(self, asked: Mapping[str, list[str]]) -> Scripted:
        arn, external_id = asked["RoleArn"][0], asked["ExternalId"][0]
        account = arn.split(":")[4]
        without = {source[:12] for source, fault in self.faults.items() if fault == "no role"}
        if external_id != EXTERNAL_ID or account in without:
            return Scripted(403, body=_DENIED.encode())
        with self._lock:
            self.assumed[arn] += 1
            self.session_names |= set(asked["RoleSessionName"])
            key = f"ASIA{account}{sum(n for a, n in self.assumed.items() if f':{account}:' in a)}"
        until = (datetime.now(UTC) + self.session_lasts).isoformat()
        return Scripted(body=_ROLE.format(key=key, until=until).encode())


def _document(value: object) -> Scripted:
    return Scripted(body=json.dumps(value).encode())


def _error(code: str) -> Scripted:
    return Scripted(400, body=json.dumps({"__type": code}).encode())
