"""A DynamoDB in memory behind HTTP: the ledger's own botocore client calls it, and its answers can be damaged."""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from jobledger.clients import session
from jobledger.ledger.table import CONFIG
from tests.memory_dynamodb import MemoryDynamoDB
from tests.scripted_server import Received, Scripted, answering

Damage = Callable[[str, Scripted], Scripted | None]


class Wire:
    """Answers requests from a database. `damage` makes of an operation's answer what is sent; None resets."""

    def __init__(self, database: MemoryDynamoDB) -> None:
        self.damage: Damage = lambda operation, answer: answer
        self._database = database
        self._tokens: dict[str, Scripted] = {}

    def __call__(self, request: Received) -> Scripted | None:
        operation = request.headers["x-amz-target"].partition(".")[2]
        return self.damage(operation, self._answer(operation, json.loads(request.body)))

    def _answer(self, operation: str, wanted: dict[str, Any]) -> Scripted:
        """Return the right answer; the same again for a token that was answered."""
        token = wanted.pop("ClientRequestToken", "")
        if token not in self._tokens or not token:
            self._tokens[token] = self._called(operation, wanted)
        return self._tokens[token]

    def _called(self, operation: str, wanted: dict[str, Any]) -> Scripted:
        try:
            return signed(getattr(self._database, xform_name(operation))(**wanted))
        except ClientError as error:
            reasons = error.response.get("CancellationReasons")
            more = {"CancellationReasons": reasons} if reasons else {}
            return signed({"__type": error.response["Error"]["Code"], **more}, 400)


def signed(answer: dict[str, Any], status: int = 200) -> Scripted:
    """An answer with its checksum."""
    body = json.dumps(answer).encode()
    return Scripted(status, {"x-amz-crc32": str(zlib.crc32(body))}, body)


@contextmanager
def wired(database: MemoryDynamoDB) -> Iterator[tuple[Any, Wire]]:
    """A client as the functions have one, and what answers it."""
    wire = Wire(database)
    with answering(wire) as server:
        yield session().create_client("dynamodb", endpoint_url=server.url, config=CONFIG), wire
