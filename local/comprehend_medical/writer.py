"""Writes what jobs write to S3, in a thread of its own: no request of the stand-in waits for S3."""

import http.client
import queue
import threading
import time
import urllib.parse
from collections.abc import Callable
from http.client import NOT_FOUND

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.comprehend_medical.manifests import Kind, Object, Outcome

_LOOK_SECONDS = 0.2
_CREDENTIALS = Credentials("test", "test")
_REGION = "us-east-1"
_FAILED = (OSError, http.client.HTTPException)


class Writer:
    """Writes objects to a local S3 over plain HTTP, and makes the buckets that are missing.

    Requests are signed, because a local AWS that enforces IAM refuses others; any key is that of its own account.
    `late_seconds` says how long after its end a late job's manifest is written, whenever it is asked. The writer calls
    `look_for_ends` when it is idle: otherwise the call that shows that a job ended would be what makes its manifest.
    """

    def __init__(
        self, endpoint: str, late_seconds: Callable[[], float], look_for_ends: Callable[[], None]
    ) -> None:
        self._endpoint = endpoint
        parts = urllib.parse.urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        self._late_seconds = late_seconds
        self._look_for_ends = look_for_ends
        self._new = queue.Queue[tuple[float, Outcome]]()
        self._late: list[tuple[float, Outcome]] = []
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, ended: float, outcome: Outcome) -> None:
        """Write what a job writes that ended at a time, soon or when it is late."""
        self._new.put((ended, outcome))

    def wait(self) -> None:
        """Wait until all is written that is not late."""
        self._new.join()

    def _run(self) -> None:
        while True:
            try:
                ended, outcome = self._new.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                self._write_late()
                # S3 would close an idle connection, which is noticed at the next write only.
                self._connection.close()
                self._look_for_ends()
                continue
            if outcome.kind is Kind.LATE:
                self._late.append((ended, outcome))
            else:
                self._write(outcome)
            self._new.task_done()

    def _write_late(self) -> None:
        before = time.time() - self._late_seconds()
        due = [outcome for ended, outcome in self._late if ended <= before]
        self._late = [each for each in self._late if each[0] > before]
        for outcome in due:
            self._write(outcome)

    def _write(self, outcome: Outcome) -> None:
        """Write the objects of a job, once S3 answers: it starts after the stand-in."""
        for each in outcome.objects:
            while not self._put(each):
                time.sleep(_LOOK_SECONDS)

    def _put(self, written: Object) -> bool:
        """Write an object; False when S3 does not answer. What it refuses is not written."""
        path = urllib.parse.quote(f"/{written.bucket}/{written.key}")
        try:
            if self._send(path, written.body, archived=written.archived) == NOT_FOUND:
                self._send(f"/{written.bucket}")
                self._send(path, written.body, archived=written.archived)
        except _FAILED:
            self._connection.close()
            return False
        return True

    def _send(self, path: str, body: bytes = b"", *, archived: bool = False) -> int:
        headers = {"x-amz-storage-class": "GLACIER"} if archived else {}
        request = AWSRequest("PUT", f"{self._endpoint}{path}", headers, body)
        S3SigV4Auth(_CREDENTIALS, "s3", _REGION).add_auth(request)
        self._connection.request("PUT", path, body, dict(request.headers.items()))
        answer = self._connection.getresponse()
        answer.read()
        return answer.status
