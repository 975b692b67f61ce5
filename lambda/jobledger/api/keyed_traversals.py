"""GET /jobs with an Idempotency-Key: stores when the key's traversal over the pages began.

Imported only for requests that carry a key. The record holds that time and a hash of the query.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

from jobledger import settings
from jobledger.clients import session
from jobledger.errors import RequestInProgress
from jobledger.idempotency import IdempotentOperation
from jobledger.ledger.cursor import canonical
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import CONFIG
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
    times = [
        (states[family].settled_at or rfc3339(parse(now) - SETTLING)) if family in states else now
        for family in query.families
    ]
    return ",".join(times)


@functools.cache
def keyed_traversals() -> KeyedTraversals:
    """Return the traversals with a client of their own."""
    client = session().create_client("dynamodb", config=CONFIG)
    return KeyedTraversals(client, settings.required("IDEMPOTENCY_TABLE_NAME"))
