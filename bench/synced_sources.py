"""Syncs of several sources in this process: the real code, stand-ins, and clocks that only waits and calls move.

The sources of a run are synced side by side, so each thread has a time of its own. Nothing sleeps.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from bench.alone import Raw
from bench.month import captured_log
from jobledger.clients import session
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.giving_up import SourceUpstream
from jobledger.sync.pace import Pace
from jobledger.sync.run import AT_ONCE, sync_sources
from jobledger.sync.source import Source
from jobledger.sync.upstream import ATTEMPT_SECONDS, CONFIG
from local.comprehend_medical import Hostility, Service
from local.comprehend_medical.errors import ServiceError
from local.comprehend_medical.model import error_status

START = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
_TIMEOUT = 14 * 60.0
_CALL_SECONDS = 0.3
_CODES = {"throttles": "TooManyRequestsException", "refuses": "UnrecognizedClientException"}
DEAD = ("hangs", *_CODES)
"""What a dead source does."""


class Clocks:
    """The time of the thread that asks."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def begin(self, at: float) -> None:
        """Set the time of this thread."""
        self._of_thread.at = at

    def time(self) -> float:
        """Return the time of this thread."""
        return float(getattr(self._of_thread, "at", START))

    def sleep(self, seconds: float) -> None:
        """Let time pass for this thread."""
        self.begin(self.time() + max(seconds, 0.0))

    def now(self) -> datetime:
        """Return the time of this thread."""
        return datetime.fromtimestamp(self.time(), UTC)


class _Wire:
    """Answers a source's client from its stand-in, as long as the source is not dead."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.dead: str | None = None

    def send(self, asked: Any) -> AWSResponse:
        """Answer one request."""
        if self.dead == "hangs":
            time.sleep(ATTEMPT_SECONDS)
            raise ReadTimeoutError(endpoint_url=asked.url)
        time.sleep(_CALL_SECONDS)
        operation = asked.headers["X-Amz-Target"].decode().partition(".")[2]
        try:
            if self.dead:
                raise ServiceError(_CODES[self.dead], "")
            status, text = 200, self.service.call(operation, asked.body)
        except ServiceError as error:
            status = error.status or error_status(error.code)
            text = f'{{"__type": "{error.code}", "Message": ""}}'
        return AWSResponse(asked.url, status, {}, Raw(text.encode()))


class Run(NamedTuple):
    """When a run ended each of its sources, the processor time that it took, and its log."""

    ended: dict[str, float]
    processor_seconds: float
    log: str


class SyncedSources:
    """A ledger of several sources, the first of which is its own. Use it within `clocks_moved`."""

    def __init__(self, client: Any, sources: Sequence[str], hostility: Hostility) -> None:
        self.clocks = Clocks()
        self.sources = tuple(sources)
        table = Table(client, "ledger")
        self.ledger = Ledger(table, self.sources[0], self.clocks.now, self.sources)
        self._settings = Settings("ledger", self.sources[0], tuple(Family), self.sources)
        self.wires = {
            source: _Wire(Service(hostility=hostility, clock=self.clocks.time))
            for source in sources
        }
        self._connected: dict[str, tuple[Source, SourceUpstream]] = {}

    @contextmanager
    def clocks_moved(self) -> Iterator[None]:
        """Let all code in this process wait without sleeping, and its Comprehend Medical be the stand-ins."""
        by_url = {_endpoint(source): wire for source, wire in self.wires.items()}
        send = URLLib3Session.send

        def answered(session: Any, asked: Any) -> AWSResponse:
            wire = by_url.get(asked.url.rstrip("/"))
            return wire.send(asked) if wire else send(session, asked)

        with ExitStack() as patched:
            patched.enter_context(patch.object(URLLib3Session, "send", answered))
            for name, moved in (
                ("time", self.clocks.time),
                ("monotonic", self.clocks.time),
                ("sleep", self.clocks.sleep),
            ):
                patched.enter_context(patch.object(time, name, moved))
            self._connected = {source: self._connect(source) for source in self.sources}
            yield

    def _connect(self, source: str) -> tuple[Source, SourceUpstream]:
        client = session().create_client(
            "comprehendmedical",
            endpoint_url=_endpoint(source),
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CONFIG,
        )
        pace = Pace(self.ledger.table, source, self.clocks.time, self.clocks.sleep)
        upstream = SourceUpstream(client, pace, clock=self.clocks.time)
        return Source(self.ledger.of(source), upstream, pace), upstream

    def run(self, sources: Sequence[str], at: float) -> Run:
        """Run the sync function once for some sources, at a time."""
        assert len(sources) <= AT_ONCE
        ended: dict[str, float] = {}
        of_thread = threading.local()

        def connect(source: str) -> Source:
            of_thread.source = source
            self.clocks.begin(at)
            connected, upstream = self._connected[source]
            upstream.begin()
            return connected

        def now() -> datetime:
            ended[of_thread.source] = self.clocks.time()
            return self.clocks.now()

        self.clocks.begin(at)
        began = time.process_time()
        with captured_log() as log:
            sync_sources({"Sources": [*sources]}, _TIMEOUT, self._settings, connect, now)
        return Run(ended, time.process_time() - began, log.getvalue())


def _endpoint(source: str) -> str:
    account, _, region = source.partition("/")
    return f"http://{account}.{region}.invalid"
