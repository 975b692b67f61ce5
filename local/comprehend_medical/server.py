"""The service over HTTP: AWS JSON 1.1 at `/`, and the control paths below `/_control/`."""

import json
import select
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from local.comprehend_medical.control import control
from local.comprehend_medical.errors import (
    ControlError,
    JobsFileError,
    ServiceError,
    SwitchedOff,
)
from local.comprehend_medical.model import error_status, target_prefix
from local.comprehend_medical.service import Jobs, Service
from local.comprehend_medical.settings import Hostility, Settings
from local.comprehend_medical.sources import OWN_SOURCE, Sources

ADDRESS = "127.0.0.1"
_LOOK_SECONDS = 0.1


class Server(Service):
    """The HTTP server on loopback, as a context manager.

    Port 0 selects a free port; `endpoint` contains it. Daemon threads handle the requests. The server is the service of
    its own source; `source` returns that of another, and `sources` are the others' jobs.
    """

    def __init__(
        self,
        jobs: Jobs | None = None,
        hostility: Hostility | None = None,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        active_jobs_finish: bool = False,
        port: int = 0,
        s3_endpoint: str = "",
        sources: Mapping[str, Jobs] | None = None,
        iam_endpoint: str = "",
    ) -> None:
        like = (hostility, settings, clock, active_jobs_finish, s3_endpoint)
        super().__init__(jobs, *like)
        self._sources = Sources(self, lambda listed: Service(listed, *like), iam_endpoint)
        for source, listed in (sources or {}).items():
            self._sources.add(source, listed)
        self._http = _HTTPServer(self._sources, port)
        self.port: int = self._http.server_address[1]
        self.endpoint = f"http://{ADDRESS}:{self.port}"

    def source(self, source: str) -> Service:
        """Return the service of a source, `account/region`. From then on, a request's signature says which source it is for."""
        return self._sources.of(source)

    def services(self) -> list[Service]:
        """Return the services of all sources, the own one first."""
        return self._sources.services()

    def __enter__(self) -> Self:
        # The default poll interval would delay shutdown by half a second.
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, sources: Sources, port: int) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.sources = sources

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients; report other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Unbuffered, headers and body are two packets, and Nagle's algorithm delays the second until the first
    # is acknowledged: 40 ms a call.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _HTTPServer

    def setup(self) -> None:
        """Take the Date of answers from the own source until another is reached."""
        super().setup()
        self._service: Service = self.server.sources.of(OWN_SOURCE)

    def do_POST(self) -> None:
        """Handle an operation or a control request."""
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        except ValueError:
            self.close_connection = True
            body = b""
        if self.path == "/":
            self._serve(body)
        else:
            self._control("POST", body)

    def do_GET(self) -> None:
        """Handle a control request; the service itself supports only POST."""
        self._control("GET", b"")

    def _serve(self, body: bytes) -> None:
        prefix, _, operation = self.headers.get("X-Amz-Target", "").rpartition(".")
        try:
            if prefix != target_prefix():
                raise ServiceError("UnknownOperationException", "The X-Amz-Target is unknown.")
            self._service = self.server.sources.reached_by(self.headers, body)
            self._send(200, self._service.call(operation, body))
        except SwitchedOff:
            self._leave_unanswered()
        except ServiceError as error:
            status = error.status or error_status(error.code)
            self._send(status, json.dumps({"__type": error.code, "Message": error.message}))

    def _leave_unanswered(self) -> None:
        """Close the connection: at once or, while the service hangs, when the client does."""
        while (
            self._service.hangs and not select.select([self.connection], [], [], _LOOK_SECONDS)[0]
        ):
            pass
        self.close_connection = True

    def _control(self, method: str, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        try:
            self._service = self.server.sources.selected(query)
            answer = control(self._service, method, path, body)
        except (ControlError, JobsFileError) as error:
            self._send(400, json.dumps({"Message": str(error)}), "application/json")
        else:
            self._send(200, json.dumps(answer), "application/json")

    def _send(
        self, status: int, text: str, content_type: str = "application/x-amz-json-1.1"
    ) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date of an answer."""
        skew = self._service.settings.date_skew_seconds
        return super().date_time_string((timestamp or time.time()) + skew)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Log nothing: the calls are counted, and the terminal belongs to the user."""
