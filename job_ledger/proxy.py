"""A proxy on 127.0.0.1 that signs a browser's requests to the API, for one user.

An address has a random port and begins with a random token. The proxy refuses requests with another token, Host or
Origin, those of another user of this machine, and methods and paths that the API's pages do not use.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from job_ledger.errors import JobLedgerError, invalid_answer
from job_ledger.http import Http, Request, Response

ADDRESS = "127.0.0.1"
# Swagger UI's "Try it out" publishes digests.
_POSTS = ("/digests",)
_LARGEST_BODY = 64 * 1024
_IDLE_SECONDS = 60
_SENT = ("Accept", "Content-Type", "Idempotency-Key")
_RETURNED = (
    "Allow",
    "Cache-Control",
    "Content-Disposition",
    "Content-Security-Policy",
    "Content-Type",
    "Link",
    "Retry-After",
    "X-As-Of",
    "X-Content-Type-Options",
    "X-Request-Id",
    "X-Stale",
    "X-Examined",
)


class RefusedError(Exception):
    """A request that is not forwarded: its status, and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Proxy(ThreadingHTTPServer):
    """The server. `serve_forever` runs it; as a context manager it closes its port."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, http: Http) -> None:
        """Listen on a free port."""
        super().__init__((ADDRESS, 0), _Handler)
        self.http = http
        self.token = secrets.token_urlsafe(32)
        self.host = f"{ADDRESS}:{self.server_port}"
        self.origin = f"http://{self.host}"

    def address(self, page: str) -> str:
        """Return the address of one of the API's pages."""
        return f"{self.origin}/{self.token}/{page}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that have gone away; log nothing, because paths contain job names."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    # One packet for headers and body, sent at once.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Proxy
    server_version = "jobledger"
    sys_version = ""

    def do_GET(self) -> None:
        """Forward a page, a file or data."""
        self._handle()

    def do_HEAD(self) -> None:
        """Forward what GET does, without the body."""
        self._handle()

    def do_POST(self) -> None:
        """Forward the request for a digest."""
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Log nothing: paths contain job names."""

    def _handle(self) -> None:
        try:
            self._respond(_from_the_api(self.server.http.send(self._checked())))
        except RefusedError as refused:
            # A body that was not read would be the next request.
            self.close_connection = True
            self._respond(_text(refused.status, refused.reason))
        except JobLedgerError as error:
            self._respond(_text(HTTPStatus.BAD_GATEWAY, str(error)))

    def _checked(self) -> Request:
        """Return the request to forward. Raises RefusedError."""
        if not _is_own(self.client_address, self.server.server_address):
            raise RefusedError(HTTPStatus.FORBIDDEN, "This proxy serves another user.")
        if self.headers.get_all("Host") != [self.server.host]:
            raise RefusedError(HTTPStatus.FORBIDDEN, "The Host header is not this proxy's.")
        self._check_origin()
        target, _, query = self.path.partition("?")
        _, token, *rest = target.split("/", 2) if target.startswith("/") else ("", "")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise RefusedError(HTTPStatus.FORBIDDEN, "The address has no valid token.")
        segments = [unquote(segment) for segment in (rest[0] if rest else "").split("/")]
        if not {"", ".", ".."}.isdisjoint(segments):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "The path has an empty or a dot segment.")
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        if self.command == "POST" and path not in _POSTS:
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "This proxy only reads.")
        headers = {name: self.headers[name] for name in _SENT if name in self.headers}
        # Decoded, because a browser's escapes are not those of a signature.
        parameters = parse_qsl(query, keep_blank_values=True)
        return Request(self.command, path, parameters, headers, self._body())

    def _check_origin(self) -> None:
        """Refuse requests that another site's page has caused."""
        origins = self.headers.get_all("Origin") or []
        if any(origin != self.server.origin for origin in origins):
            raise RefusedError(HTTPStatus.FORBIDDEN, "The Origin is not this proxy.")
        if self.command == "POST" and not origins:
            raise RefusedError(HTTPStatus.FORBIDDEN, "A POST needs the Origin of this proxy.")
        # Without this header, a person or a program opened the address, not a page.
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise RefusedError(HTTPStatus.FORBIDDEN, "Another site made this request.")

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "A body needs a Content-Length.")
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit()) or int(text) > _LARGEST_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
        return self.rfile.read(int(text))

    def _respond(self, response: Response) -> None:
        self.send_response(response.status)
        for name in _RETURNED:
            if name.lower() in response.headers:
                self.send_header(name, response.headers[name.lower()])
        # The token is part of the address and must not reach the sites of links.
        self.send_header("Referrer-Policy", "same-origin")
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


def _from_the_api(response: Response) -> Response:
    """Return an answer of the API. Raises ApiError for one of another server, such as a sign-in page.

    In the browser, such a page could use this proxy. It has no Content-Security-Policy, as all of the API's pages have.
    """
    foreign_page = (
        response.media_type == "text/html" and "content-security-policy" not in response.headers
    )
    redirect = response.status < HTTPStatus.BAD_REQUEST and response.status != HTTPStatus.OK
    if foreign_page or redirect:
        raise invalid_answer(response.status, response.request_id)
    return response


def _text(status: HTTPStatus, reason: str) -> Response:
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return Response(status, headers, f"{reason}\n".encode())


def _is_own(client: Any, server: Any) -> bool:
    """Whether a connection comes from a process of this user, where the system tells (Linux)."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        return True
    wanted = _kernel_address(client), _kernel_address(server)
    return any(uid == os.getuid() for uid in _owners(tables, *wanted))


def _kernel_address(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"{socket.inet_aton(host)[::-1].hex()}:{port:04x}".upper()


def _owners(tables: list[Path], local: str, remote: str) -> Iterator[int]:
    """Yield the user of each socket between two IPv4 addresses, of IPv6 sockets as well."""
    for table in tables:
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(local) and fields[2].endswith(remote):
                yield int(fields[7])
