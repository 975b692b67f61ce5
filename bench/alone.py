"""A handler alone: called in this process, with AWS's answers in memory. Runs on the built bundle.

    python -m bench.alone MODULE.HANDLER

Reads lines `REPEATS EVENT` and prints, for each, the processor seconds of one call. The first time that a
request is sent it goes to the bench's servers; then its answer comes from memory.
"""

import importlib
import json
import sys
import time
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session


class Raw:
    """The body of an answer that is in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Any:
        """Yield the body."""
        yield self._content


class Context:
    """What Lambda passes beside the event."""

    function_name = "f"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:f"
    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def get_remaining_time_in_millis(self) -> int:
        """Return plenty."""
        return 900_000


def answer_from_memory() -> None:
    """Let every client of this process send each request once."""
    known: dict[tuple[object, bytes], tuple[int, dict[str, str], bytes]] = {}
    send = URLLib3Session.send

    def remembered(session: Any, request: Any) -> Any:
        key = (request.headers.get("X-Amz-Target"), request.body)
        if key not in known:
            answer = send(session, request)
            known[key] = (answer.status_code, dict(answer.headers), answer.content)
        status, headers, content = known[key]
        return AWSResponse(request.url, status, headers, Raw(content))

    URLLib3Session.send = remembered


def main() -> None:
    """Measure on request."""
    answer_from_memory()
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        repeats, _, text = line.partition(" ")
        event = json.loads(text)
        assert handler(event, Context())["statusCode"] == 200
        began = time.process_time()
        for _ in range(int(repeats)):
            handler(event, Context())
        print((time.process_time() - began) / int(repeats), flush=True)


if __name__ == "__main__":
    main()
