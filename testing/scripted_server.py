"""An HTTP server on loopback that answers as a test says, and keeps the requests as they came."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from testing.sigv4 import is_right


@dataclass(frozen=True)
class Received:
    """A request on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def is_signed(self, secret: str = "test") -> bool:
        """Whether the signature is that of the request as it arrived.

        A proxy's client sends the whole URL (RFC 9112, 3.2.2).
        """
        target = re.sub("^http://[^/]+", "", self.target)
        return is_right(self.method, target, self.headers, self.body, secret)


@dataclass(frozen=True)
class Scripted:
    """An answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


def document(value: object, **headers: str) -> Scripted:
    """An answer of the API: this JSON."""
    return Scripted(headers=headers, body=json.dumps(value).encode())


def problem(status: int, title: str = "InternalServerException", **headers: str) -> Scripted:
    """An error of the API."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": "It failed."}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(
        status,
        {"Content-Type": "application/problem+json", **names},
        json.dumps(body | {"instance": "urn:request:r"}).encode(),
    )


class ScriptedServer(ThreadingHTTPServer):
    """`answer` makes each answer; None closes the connection instead."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Received], Scripted | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.received: list[Received] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: ScriptedServer

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.command, self.path, headers, self.rfile.read(length))
        self.server.received.append(received)
        answer = self.server.answer(received)
        if "/execute-api/" in headers.get("authorization", "") and not received.is_signed():
            answer = problem(403, "AccessDeniedException")
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" in answer.headers:  # a wrong one: nothing more can follow
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815 - the names in http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Log nothing."""


@contextmanager
def scripted(*answers: Scripted | None) -> Iterator[ScriptedServer]:
    """A server that gives these answers in turn, and the last one from then on."""
    left = list(answers)
    with answering(lambda _: left.pop(0) if len(left) > 1 else left[0]) as server:
        yield server


@contextmanager
def answering(answer: Callable[[Received], Scripted | None]) -> Iterator[ScriptedServer]:
    """A server that answers by a function."""
    with ScriptedServer(answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
