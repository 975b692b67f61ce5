"""The sync function: updates the ledger, for the schedule, at deployment or by hand.

Payload `{}` syncs every family of the deployment, `{"Families": [...]}` only those. With
`"IfOlderThanSeconds"`, a sync that began within that time or is in progress is shared. Another payload is
the error InvalidParameters, whose message names each wrong member and what is allowed.
Result: `{"Families": {family: {"AsOf", "UpstreamCalls", "Changed"}}}`, with `"Error"` for a family whose
sync failed. With the setting `sources`, the payload can have `"Sources": ["account/region", ...]`, and the result
has `"Sources": {source: {"Families": ...}}` as well; its `Families` are those of all sources, with the oldest AsOf.
"""

import functools
from typing import TYPE_CHECKING, Any

from jobledger import settings
from jobledger.init_phase import finish
from jobledger.ledger.ledger import Ledger
from jobledger.observability import observed
from jobledger.settings import Settings
from jobledger.sources import in_environment
from jobledger.sync.pace import Pace
from jobledger.sync.run import Dependencies, sync_families, sync_sources
from jobledger.sync.upstream import Upstream
from jobledger.times import utc_now as _now

if TYPE_CHECKING:
    from jobledger.sync.connections import Connections


@functools.cache
def _connect() -> Dependencies:
    configured = settings.load()
    ledger = Ledger.connect(configured, _now)
    pace = Pace(ledger.table, configured.scope)
    return configured, ledger, Upstream.connect(pace), pace


@functools.cache
def _connect_sources() -> "tuple[Settings, Connections]":
    # Without the setting, nothing of this is imported.
    from jobledger.sync.connections import Connections
    from jobledger.sync.credentials import Members

    configured = settings.load()
    ledger = Ledger.connect(configured, _now)
    return configured, Connections(ledger, Members.connect(configured.scope))


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sync the requested families, with the setting `sources` those of the requested sources."""
    remaining = context.get_remaining_time_in_millis() / 1000
    if not in_environment():
        return sync_families(event, remaining, _connect(), _now)
    configured, connections = _connect_sources()
    return sync_sources(event, remaining, configured, connections.to, _now)


finish(lambda: _connect_sources() if in_environment() else _connect())
