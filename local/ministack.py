"""MiniStack as `make local` runs it, in its own environment: with two parts of Lambda that it lacks.

MiniStack ignores the setting ApplicationLogLevel, with which CDK's framework for custom resources keeps
requests out of its log. And there is no X-Ray daemon: this one writes what the functions send, one JSON
document a line, to the file that TRACES_FILE names.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import lambda_svc

HOST = "127.0.0.1"
MOST_BYTES = 65_535  # of a UDP datagram


def keep_traces(file: Path) -> None:
    """Write each segment that a function sends, and tell the functions where to send it.

    A datagram has two lines: the format, which is always the same, and the segment.
    """
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind((HOST, 0))
    os.environ["AWS_XRAY_DAEMON_ADDRESS"] = f"{HOST}:{daemon.getsockname()[1]}"

    def receive() -> None:
        with file.open("ab", buffering=0) as output:
            while True:
                _, segment = daemon.recv(MOST_BYTES).split(b"\n", 1)
                output.write(segment + b"\n")

    threading.Thread(target=receive, daemon=True).start()


def apply_log_level(emit: Any) -> Any:
    """Wrap MiniStack's writer of a function's log: at the level FATAL, a function writes no records."""

    @functools.wraps(emit)
    def emitting(
        func: dict[str, Any], request_id: str, log_text: str, *rest: Any, **more: Any
    ) -> None:
        logging = (func.get("config") or func).get("LoggingConfig") or {}
        fatal = logging.get("ApplicationLogLevel") == "FATAL"
        emit(func, request_id, "" if fatal else log_text, *rest, **more)

    return emitting


if __name__ == "__main__":
    lambda_svc._emit_lambda_logs = apply_log_level(lambda_svc._emit_lambda_logs)
    keep_traces(Path(os.environ["TRACES_FILE"]))
    app.main()
