"""The sync function: updates the ledger, for the schedule, at deployment or by hand.

Payload `{}` syncs every family of the deployment, `{"Families": [...]}` only those. With
`"IfOlderThanSeconds"`, a sync that began within that time or is in progress is shared. Another payload is
the error InvalidParameters, whose message names each wrong member and what is allowed.
Result: `{"Families": {family: {"AsOf", "UpstreamCalls", "Changed"}}}`, with `"Error"` for a family whose
sync failed.
"""

import functools
from typing import Any

from jobledger import settings
from jobledger.init_phase import finish
from jobledger.ledger.ledger import Ledger
from jobledger.observability import observed
from jobledger.sync.pace import Pace
from jobledger.sync.run import Dependencies, sync_families
from jobledger.sync.upstream import Upstream
from jobledger.times import utc_now as _now


@functools.cache
def _connect() -> Dependencies:
    configured = settings.load()
    ledger = Ledger.connect(configured, _now)
    pace = Pace(ledger.table, configured.scope)
    return configured, ledger, Upstream.connect(pace), pace


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sync the requested families."""
    remaining = context.get_remaining_time_in_millis() / 1000
    return sync_families(event, remaining, _connect(), _now)


finish(_connect)
