"""A DynamoDB in memory behind HTTP: the ledger's own botocore client calls it, and its answers can be damaged."""

import json
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from jobledger.clients import session
from jobledger.ledger.table import CONFIG
from testing.memory_dynamodb import MemoryDynamoDB
from testing.scripted_server import Received, Scripted, answering

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


NOTHING = {
    "Query": {"Items": [], "Count": 0, "ScannedCount": 0},
    "BatchGetItem": {"Responses": {"ledger": []}, "UnprocessedKeys": {}},
}


class Damages:
    """What is done to the next answers of DynamoDB: botocore takes the last of some attempts for a success."""

    def __init__(self, chance: random.Random) -> None:
        self.random, self.left = chance, 0
        kinds: tuple[Damage, ...] = (self._changed, self._nothing, self._cut)
        kinds += (self._without_members, self._foreign)
        self._kinds, self._kind, self._of = kinds, kinds[0], ""

    def begin(self) -> None:
        self.left, self._kind = self.random.randint(1, 12), self.random.choice(self._kinds)
        self._of = self.random.choice(
            ["Query", "BatchGetItem", "GetItem", "TransactWriteItems", ""]
        )

    def __call__(self, operation: str, answer: Scripted) -> Scripted | None:
        if not self.left or self._of not in ("", operation):
            return answer
        self.left -= 1
        return self._kind(operation, answer)

    def _changed(self, operation: str, answer: Scripted) -> Scripted:
        body = bytearray(answer.body)
        body[self.random.randrange(len(body))] ^= 1 << self.random.randrange(8)
        return replace(answer, body=bytes(body))

    def _nothing(self, operation: str, answer: Scripted) -> Scripted:
        """An answer as there is one, with the checksum of another."""
        body = json.dumps(NOTHING.get(operation, {})).encode()
        checksum = answer.headers["x-amz-crc32"] + "1"
        return replace(answer, body=body, headers={"x-amz-crc32": checksum})

    def _cut(self, operation: str, answer: Scripted) -> Scripted:
        return replace(answer, body=answer.body[: self.random.randrange(len(answer.body))])

    def _without_members(self, operation: str, answer: Scripted) -> Scripted:
        wrong = {"GetItem": {"Item": 7}, "TransactWriteItems": None}.get(operation, {})
        return Scripted(body=json.dumps(wrong).encode())

    def _foreign(self, operation: str, answer: Scripted) -> Scripted | None:
        html = Scripted(body=b"<html>Sign in</html>")
        failed = signed({"__type": "InternalServerError"}, 500)
        return self.random.choice([html, failed, Scripted(body=b""), Scripted(302), None])
