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

from testing.scripted_server import Received, Scripted, answering, document

EXTERNAL_ID = "111122223333/JobLedger"
OF_ROLES = ("no role", "expired")
_DENIED = (
    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
)
_ROLE = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret"
    "</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{until}</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)


class Organisation:
    """`faults` has what is wrong with a source: `closes`, one of its role, or the code of an error.

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
        self._own_account = own_account
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer on loopback; clients that are made meanwhile call this."""
        with answering(self._answer) as server:
            urls = {f"AWS_ENDPOINT_URL_{name}": server.url for name in ("COMPREHENDMEDICAL", "STS")}
            with mock.patch.dict("os.environ", urls):
                yield

    def _answer(self, request: Received) -> Scripted | None:
        if "x-amz-target" not in request.headers:
            return self._assume_role(parse_qs(request.body.decode()))
        scope = request.headers["authorization"].partition("Credential=")[2].split("/")
        key, region = scope[0], scope[2]
        account = key[4:16] if key.startswith("ASIA") else self._own_account
        source = f"{account}/{region}"
        with self._lock:
            self.listed[source] += 1
        return self._list(source, request.headers["x-amz-target"].rpartition(".")[2])

    def _list(self, source: str, operation: str) -> Scripted | None:
        fault = self.faults.get(source)
        if fault == "closes":
            return None
        if fault and fault not in OF_ROLES:
            return Scripted(400, body=json.dumps({"__type": fault}).encode())
        jobs = self.jobs.get((source, operation), [])
        return document({"ComprehendMedicalAsyncJobPropertiesList": jobs})

    def _assume_role(self, asked: Mapping[str, list[str]]) -> Scripted:
        arn, external_id = asked["RoleArn"][0], asked["ExternalId"][0]
        account = arn.split(":")[4]
        faults = {fault for source, fault in self.faults.items() if source[:12] == account}
        if external_id != EXTERNAL_ID or "no role" in faults:
            return Scripted(403, body=_DENIED.encode())
        with self._lock:
            self.assumed[arn] += 1
            self.session_names |= set(asked["RoleSessionName"])
        lasts = timedelta(minutes=-1) if "expired" in faults else self.session_lasts
        until = (datetime.now(UTC) + lasts).isoformat()
        return Scripted(body=_ROLE.format(key=f"ASIA{account}", until=until).encode())
