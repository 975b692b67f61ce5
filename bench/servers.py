"""The AWS of the bench: one HTTP server for all services, in a process of its own.

    python -m bench.servers [JOBS]

JOBS is the number of SNOMED CT jobs, in place of the sample account. It prints its addresses, of HTTP and of TLS.
A request with the target `Bench.Disconnect` closes all other connections. Comprehend Medical's answers come from the project's stand-in, DynamoDB's from the
tests' table in memory. Every answer to a read is rendered once and then sent as the same bytes, so that the
servers' time is nearly nothing for every peer alike. A write to the table drops its rendered answers.
"""

import asyncio
import json
import re
import ssl
import sys
import time
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from bench.certificates import CERTIFICATES, make_certificates
from local.comprehend_medical import Family, Hostility, Service, sample_jobs
from testing.memory_dynamodb import MemoryDynamoDB

_READS = {"GetItem": "get_item", "Query": "query", "BatchGetItem": "batch_get_item"}
_ACCEPTED = {"PutItem", "UpdateItem", "DeleteItem"}  # of the idempotency table, which is not kept
_PUBLISHED = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    b"<MessageId>m</MessageId></PublishResult><ResponseMetadata><RequestId>r</RequestId>"
    b"</ResponseMetadata></PublishResponse>"
)
_EVENTS_PUT = b'{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}'


class Aws:
    """Answers requests by their target header and body."""

    def __init__(self, count: int | None) -> None:
        now = time.time()
        jobs = sample_jobs(now) if count is None else {Family.SNOMEDCT: _many(count, now)}
        self._service = Service(jobs, Hostility.none(), clock=lambda: now)
        self._table = MemoryDynamoDB()
        self._listed: dict[tuple[str, bytes], bytes] = {}
        self._read: dict[tuple[str, bytes], bytes] = {}

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of a response."""
        service, _, operation = target.partition(".")
        if service.startswith("ComprehendMedical"):
            return 200, self._list(operation, body)
        if service.startswith("DynamoDB"):
            return self._dynamodb(operation, body)
        if service == "TrentService":
            return 200, _key_operation(operation, json.loads(body))
        return 200, _EVENTS_PUT if service == "AWSEvents" else _PUBLISHED

    def _list(self, operation: str, body: bytes) -> bytes:
        if (operation, body) not in self._listed:
            self._listed[operation, body] = self._service.call(operation, body).encode()
        return self._listed[operation, body]

    def _dynamodb(self, operation: str, body: bytes) -> tuple[int, bytes]:
        if operation in _ACCEPTED and b'"PK"' not in body:
            return 200, b"{}"
        known = self._read.get((operation, body))
        if known is not None:
            return 200, known
        parameters = json.loads(body)
        try:
            if operation in _READS:
                answer = getattr(self._table, _READS[operation])(**parameters)
                _project(answer, parameters.get("ProjectionExpression"))
                self._read[operation, body] = json.dumps(answer, ensure_ascii=False).encode()
                return 200, self._read[operation, body]
            self._read.clear()
            if operation == "PutItem":
                self._table.put_item(**parameters)
            else:
                self._table.transact_write_items(TransactItems=parameters["TransactItems"])
        except ClientError as error:
            return 400, json.dumps(_error(error)).encode()
        return 200, b"{}"


def _project(answer: dict[str, Any], expression: str | None) -> None:
    """Leave the attributes that were asked for, which the tests' table does not do."""
    if expression is not None:
        names = set(expression.split(", "))
        answer["Items"] = [
            {name: value for name, value in item.items() if name in names}
            for item in answer["Items"]
        ]


def _key_operation(operation: str, parameters: dict[str, Any]) -> bytes:
    """Answer as a KMS whose cipher leaves everything readable."""
    taken, given = ("Plaintext", "CiphertextBlob")[:: 1 if operation == "Encrypt" else -1]
    return json.dumps({given: parameters[taken]}).encode()


def _many(count: int, now: float) -> list[dict[str, Any]]:
    """Return jobs of the last 100 days, the properties of one of the sample's with other ids and times."""
    model = next(
        job
        for job in sample_jobs(now)[Family.SNOMEDCT]
        if job["JobStatus"] == "COMPLETED" and job["SubmitTime"] > now - 100 * 86_400
    )
    times = [now - 600 - 99 * 86_400 * number / count for number in range(count)]
    return [
        model | {"JobId": f"{number:032x}", "SubmitTime": time, "EndTime": time + 300}
        for number, time in enumerate(times)
    ]


def _error(error: ClientError) -> dict[str, Any]:
    code = error.response["Error"]["Code"]
    reasons = error.response.get("CancellationReasons", [])
    return {"__type": f"a#{code}", "Message": "", "CancellationReasons": reasons}


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; requests have a Content-Length."""

    open: ClassVar = set["Connection"]()

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport
        self.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the connection."""
        self.open.discard(self)

    def _disconnect_others(self) -> None:
        for connection in self.open - {self}:
            connection._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self._received += data
        while True:
            head, blank, rest = self._received.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if not blank or len(rest) < size:
                return
            self._received = rest[size:]
            target = re.search(rb"(?i)x-amz-target: *(\S+)", head)
            if target and target[1] == b"Bench.Disconnect":
                self._disconnect_others()
            status, body = self._aws.answer(target[1].decode() if target else "", rest[:size])
            kind = b"text/xml" if body.startswith(b"<") else b"application/x-amz-json-1.0"
            self._transport.write(
                b"HTTP/1.1 %d -\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
                b"x-amzn-RequestId: r\r\n\r\n%b" % (status, kind, len(body), body)
            )


async def main() -> None:
    """Serve until killed."""
    aws = Aws(int(sys.argv[1]) if sys.argv[1:] else None)
    make_certificates(CERTIFICATES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "chain.pem", CERTIFICATES / "server.key")
    loop = asyncio.get_running_loop()
    addresses = []
    for scheme, tls in (("http", None), ("https", context)):
        server = await loop.create_server(lambda: Connection(aws), "127.0.0.1", 0, ssl=tls)
        addresses.append(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    print(*addresses, flush=True)
    await loop.create_future()


if __name__ == "__main__":
    asyncio.run(main())
