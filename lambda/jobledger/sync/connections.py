"""What the sources of a run use, made when a run first needs it and kept for the following ones."""

import threading

from jobledger.ledger.ledger import Ledger
from jobledger.sync.credentials import Members
from jobledger.sync.giving_up import SourceUpstream
from jobledger.sync.pace import Pace
from jobledger.sync.source import Source

# With 25 sources side by side, a family takes longer than a slot: without this, each call would reserve one anew.
LATE_SECONDS = 10.0


class Connections:
    """The sources of a deployment. Those of its own account have the function's credentials."""

    def __init__(self, ledger: Ledger, members: Members) -> None:
        self._ledger = ledger
        self._members = members
        self._known: dict[str, tuple[Source, SourceUpstream]] = {}
        # botocore's session is not for use by several threads.
        self._lock = threading.Lock()

    def to(self, source: str) -> Source:
        """Return what a run's syncs of a source use."""
        with self._lock:
            if source not in self._known:
                self._known[source] = self._made(source)
        connected, upstream = self._known[source]
        upstream.begin()
        return connected

    def _made(self, source: str) -> tuple[Source, SourceUpstream]:
        own_account = self._ledger.scope.partition("/")[0]
        member = source.partition("/")[0] != own_account
        pace = Pace(self._ledger.table, source, late=LATE_SECONDS)
        credentials = self._members.credentials(source) if member else None
        upstream = SourceUpstream.to(source, pace, credentials)
        return Source(self._ledger.of(source), upstream, pace), upstream
