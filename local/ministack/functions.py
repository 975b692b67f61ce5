"""Functions: their turns, their code, and the batches of a stream that they did not finish."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Environments of one function.
MOST_AT_ONCE = 4 * (os.cpu_count() or 1)


def take_turns(dispatch: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's run of a function: at most `MOST_AT_ONCE` environments of each function run at once.

    In AWS each environment has its own processor. Here fifty that start at once keep each other, and MiniStack,
    from answering in time; the others wait for their turn. Each function has turns of its own, because one may
    wait for another.
    """
    turns: dict[str, threading.Semaphore] = {}

    def dispatch_in_turn(func: Any, config: dict[str, Any], *rest: Any) -> dict[str, Any]:
        with turns.setdefault(config["FunctionArn"], threading.Semaphore(MOST_AT_ONCE)):
            return dispatch(func, config, *rest)

    return dispatch_in_turn


def retry_batches(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's call of a function: a stream's batch that failed in part is delivered again.

    MiniStack takes it for processed, so that its rest is lost. AWS delivers that from the first failed record
    on; here the whole batch comes again.
    """

    def execute_again(func: dict[str, Any], event: Any, *rest: Any, **more: Any) -> dict[str, Any]:
        result = execute(func, event, *rest, **more)
        records = event.get("Records") if isinstance(event, dict) else None
        if records and records[0].get("eventSource") == "aws:dynamodb":
            body = result.get("body")
            answer = json.loads(body) if isinstance(body, str | bytes) and body else body
            if isinstance(answer, dict) and answer.get("batchItemFailures"):
                return result | {"error": True, "body": {"errorType": "BatchItemFailures"}}
        return result

    return execute_again


class SharedCode(zipfile.ZipFile):
    """A function's code, extracted once for all its workers, which only read it, as in AWS.

    MiniStack extracts it for each worker, and removes it with the worker: two thousand files, while nothing
    else is served.
    """

    # Not `_lock`: each ZipFile has one of its own under that name.
    _extracting = threading.Lock()

    def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
        """Make the empty folder `path` a link to the code."""
        with Path(str(self.filename)).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shared = Path(tempfile.gettempdir()) / f"code-{digest}"
        with self._extracting:
            if not shared.exists():
                partial = Path(tempfile.mkdtemp(dir=shared.parent))
                super().extractall(partial)
                partial.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared, target_is_directory=True)
