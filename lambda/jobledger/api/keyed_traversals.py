"""GET /jobs with an Idempotency-Key: stores when the key's traversal over the pages began.

Imported only for requests that carry a key. The record holds that time and a hash of the query.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

from jobledger import settings
from jobledger.clients import session
from jobledger.errors import RequestInProgress
from jobledger.idempotency import IdempotentOperation
from jobledger.ledger.cursor import canonical
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import States
from jobledger.ledger.table import CONFIG
from jobledger.service import Family
from jobledger.times import SETTLING, parse, rfc3339

REMEMBER_SECONDS = 86_400
_PAUSE_SECONDS = 0.1
_ATTEMPTS = 10


class KeyedTraversals:
    """The beginnings of traversals, by key. `context` is Lambda's: it has the time that remains."""

    def __init__(
        self, client: Any, table_name: str, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._sleep = sleep
        self._once = IdempotentOperation(
            "walk",  # in the keys of stored records
            table_name,
            client,
            REMEMBER_SECONDS,
            in_progress=RequestInProgress,
            compare_bodies=True,
            must_store=True,
        )

    def beginning(self, key: str, query: JobQuery, ledger: Ledger, now: str, context: Any) -> str:
        """Return the beginning of this key's traversal, in the form of `Position.as_of`. The first call sets it.

        Raises IdempotencyKeyReused for another query, RequestInProgress when another request takes longer
        than a second to set it, and LedgerUnavailable.
        """
        # A killed request blocks its key until its time would have been over. Otherwise a slow request, which looks
        # the same, could store its beginning after another request has stored one.
        self._once.register(context)

        def begin() -> dict[str, str]:
            return {"Begun": settled_times(ledger, query, now)}

        for _ in range(_ATTEMPTS):
            try:
                return str(self._once(key, begin, canonical(query).decode())["Begun"])
            except RequestInProgress:
                self._sleep(_PAUSE_SECONDS)
        raise RequestInProgress


def settled_times(ledger: Ledger, query: JobQuery, now: str) -> str:
    """Return the time of each family up to which no job can be added to the ledger any more.

    For a family that was never synced, that is `now`; when the time is unknown, two minutes ago.
    """
    # An older state would leave out the jobs that a ConsistentRead has just synced.
    states = ledger.states(consistent=True)
    sources = [source for source in ledger.sources if query.has_source(source)]
    return ",".join(_settled(states, sources, family, now) for family in query.families)


def _settled(states: States, sources: Iterable[str], family: Family, now: str) -> str:
    """Return this time of a family over several sources: the oldest of them, but not older than two minutes.

    No write is pending that began two minutes ago, so that a source that is not synced any more does not hide the jobs of
    the others. The newest time is by the syncs' clocks: the caller's can be wrong.
    """
    found = [states.of(source, family) for source in sources]
    if not any(state.version for state in found):
        return now
    closed = rfc3339(parse(now) - SETTLING)
    times = [state.settled_at or closed for state in found]
    return max(min(times), min(max(times), closed))


@functools.cache
def keyed_traversals() -> KeyedTraversals:
    """Return the traversals with a client of their own."""
    client = session().create_client("dynamodb", config=CONFIG)
    return KeyedTraversals(client, settings.required("IDEMPOTENCY_TABLE_NAME"))
