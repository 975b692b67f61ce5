"""Lambda's Runtime API on loopback, and functions that run behind it through `awslambdaric`.

The API is documented under "Using the Lambda runtime API". Linux only: processor time and memory are read
from /proc.
"""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PATIENCE_SECONDS = 120
TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"
"""An invocation that X-Ray does not sample: it samples one a second, and five of a hundred beyond."""


class Failed(Exception):
    """A function that raised an error, or did not start."""


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[bytes] = queue.Queue()
        self.results: queue.Queue[tuple[str, float, bytes]] = queue.Queue()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the connection of a function that was stopped."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Api

    def do_GET(self) -> None:
        """Wait for the next event."""
        event = self.server.events.get()
        self.send_response(200)
        deadline = int(time.time() * 1000) + 840_000
        arn = "arn:aws:lambda:us-east-1:111122223333:function:f"
        for name, value in (
            ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
            ("Lambda-Runtime-Deadline-Ms", str(deadline)),
            ("Lambda-Runtime-Invoked-Function-Arn", arn),
            ("Lambda-Runtime-Trace-Id", TRACE_ID),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(event))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        """Take a result or an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.path.rpartition("/")[2]
        self.server.results.put((kind, time.perf_counter(), body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Log nothing."""


class Function:
    """One execution environment: a process of `awslambdaric` with the given import paths."""

    def __init__(
        self,
        python: Sequence[str],
        handler: str,
        paths: list[Path],
        environment: Mapping[str, str],
    ) -> None:
        self._api = _Api()
        threading.Thread(target=self._api.serve_forever, args=(0.02,), daemon=True).start()
        address = f"127.0.0.1:{self._api.server_address[1]}"
        settings = {
            **environment,
            "AWS_LAMBDA_RUNTIME_API": address,
            "LAMBDA_TASK_ROOT": str(paths[0]),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PATH": os.environ["PATH"],
        }
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [*python, "-s", "-m", "awslambdaric", handler],
            cwd=paths[0],
            env=settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Not SIGKILL: a command that measures the process then writes its results.
        self._process.terminate()
        self._process.communicate()
        self._api.shutdown()
        self._api.server_close()

    def invoke(self, event: Any) -> tuple[float, Any]:
        """Return the time at which the result arrived, and the result. Raises Failed."""
        self._api.events.put(json.dumps(event).encode())
        try:
            kind, arrived, body = self._api.results.get(timeout=_PATIENCE_SECONDS)
        except queue.Empty:
            self._process.kill()
            raise Failed(self._process.communicate()[1].decode()[-2000:]) from None
        if kind != "response":
            raise Failed(body.decode()[:2000])
        return arrived, json.loads(body)

    def cpu_seconds(self) -> float:
        """Return the processor time so far, of all threads, also of those that have ended."""
        # The clock of another process, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def peak_mib(self) -> float:
        """Return the largest resident memory so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        (peak,) = (line for line in lines if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
