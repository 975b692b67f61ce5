"""Syncs of several sources in this process: the real code on a metered table, and a stand-in for each source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from bench.alone import Raw
from bench.month import START, captured_log
from jobledger.clients import session
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import run
from jobledger.sync.giving_up import SourceUpstream
from jobledger.sync.pace import Pace
from jobledger.sync.source import Source
from jobledger.sync.upstream import CONFIG
from local.comprehend_medical import Hostility, Service
from testing.metered_dynamodb import Metered


class SyncedSources:
    """A ledger of several sources, the first of which is its own, with a clock moved by hand."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.now = START
        self.table = Metered()
        self.sources = tuple(sources)
        table = Table(self.table, "ledger")
        self.ledger = Ledger(table, self.sources[0], lambda: self.now, self.sources)
        self._settings = Settings("ledger", self.sources[0], tuple(Family), self.sources)
        self.services = {
            source: Service(hostility=Hostility.none(), clock=self._seconds) for source in sources
        }
        self._connected = {source: self._connect(source) for source in sources}

    def _seconds(self) -> float:
        return self.now.timestamp()

    def _connect(self, source: str) -> Source:
        client = session().create_client(
            "comprehendmedical",
            endpoint_url=_endpoint(source),
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CONFIG,
        )
        pace = Pace(self.ledger.table, source, self._seconds, lambda seconds: None)
        return Source(self.ledger.of(source), SourceUpstream(client, pace), pace)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Let the clients reach the stand-ins."""
        by_url = {f"{_endpoint(source)}/": service for source, service in self.services.items()}

        def answer(_: Any, asked: Any) -> AWSResponse:
            operation = asked.headers["X-Amz-Target"].decode().partition(".")[2]
            text = by_url[asked.url].call(operation, asked.body)
            return AWSResponse(asked.url, 200, {}, Raw(text.encode()))

        # One after the other, so that the counts are the same each time.
        with patch.object(URLLib3Session, "send", answer), patch.object(run, "AT_ONCE", 1):
            yield

    def sync(self) -> str:
        """Run the sync function once, for all sources; return what it writes to its log."""
        payload = {"Sources": [*self.sources]}
        with captured_log() as log:
            done = run.sync_sources(
                payload, 1e9, self._settings, self._connected.__getitem__, lambda: self.now
            )
        assert not [answer for answer in done["Families"].values() if "Error" in answer], done
        return log.getvalue()


def _endpoint(source: str) -> str:
    account, _, region = source.partition("/")
    return f"http://{account}.{region}.invalid"
