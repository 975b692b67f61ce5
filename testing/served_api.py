"""The API's handler behind a real HTTP server on loopback, for clients of it."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from jobledger.service import Family
from testing.api import Api, running_api, wsgi
from testing.builders import full_job
from testing.sigv4 import refusal

JOBS = 1_203
"""The number of SNOMED CT jobs that `fill` makes."""

Application = Callable[[dict[str, Any], Any], list[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    # Without a buffer, headers and body are two packets, and the second waits 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def get_environ(self) -> dict[str, Any]:
        """WSGI's variables, and the request's target as it arrived, which WSGI decodes.

        A proxy's client sends the whole URL (RFC 9112, 3.2.2).
        """
        self.path = re.sub("^http://[^/]+", "", self.path)
        return super().get_environ() | {"TARGET": self.path}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Log nothing."""


@contextmanager
def served(application: Application) -> Iterator[str]:
    """A WSGI application on a free port; its address."""
    with make_server("127.0.0.1", 0, application, _Server, _Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class ServedApi:
    """The handler on a ledger in memory, and its address; `requests` are what it was sent."""

    def __init__(self, api: Api, *, needs_signature: bool = False) -> None:
        self.api = api
        self.url = ""
        self.needs_signature = needs_signature
        self.requests: list[dict[str, Any]] = []
        # The handler has one current request, as in Lambda.
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.requests.append({k: v for k, v in environ.items() if isinstance(v, str)})
        signed = self.needs_signature or "HTTP_AUTHORIZATION" in environ
        if signed and (reason := _refusal(environ)):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [json.dumps({"message": reason}).encode()]
        with self._one_at_a_time:
            return wsgi(environ, start_response)


def _refusal(environ: dict[str, Any]) -> str | None:
    """Return why AWS refuses the request; the body stays to be read."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): text
        for name, text in environ.items()
        if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and text)
    }
    return refusal(environ["REQUEST_METHOD"], environ["TARGET"], headers, body)


@contextmanager
def served_api(*, needs_signature: bool = False) -> Iterator[ServedApi]:
    """The API with an empty ledger. A signature that is there must be right, as in AWS."""
    with running_api() as api:
        made = ServedApi(api, needs_signature=needs_signature)
        with served(made) as made.url:
            yield made


def fill(api: Api) -> None:
    """Record SNOMED CT jobs 0 to JOBS, of three outcomes in turn, and two PHI jobs."""
    statuses = ("COMPLETED", "FAILED", "PARTIAL_SUCCESS")
    api.fill(*(full_job(number, JobStatus=statuses[number % 3]) for number in range(JOBS)))
    api.fill(
        full_job(9_001, JobName="夜 =1+1", JobStatus="FAILED", Message="\x1b[31mno"),
        full_job(9_002, JobStatus="STOPPED"),
        family=Family.PHI,
    )
    api.mark_synced()
