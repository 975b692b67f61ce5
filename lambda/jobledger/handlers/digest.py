"""The digest function: publishes digests, for the schedule, by hand or for `POST /digests`.

From the schedule: `{"ScheduledTime": …}`; an unreplaced placeholder means now. `digestWhen` can suppress a
digest; the next one then covers its window as well.

On demand: `{"WindowStart", "WindowEnd", "IdempotencyKey"}`, all optional. With a window: the digest of that
window, once for each key, or once in all without a key; the schedule's windows are not affected. Without a
window: from the end of the last digest to two minutes ago, and the next digest starts there. Without a key
as well, calls within the same minute are the same call. The same key with the same window returns the same
result for 24 hours and publishes once.

Result: `{"DigestId", "MessageId", "Window": {"Start", "End"}, "Counts"}`. For the schedule also
`"Published"`: false for a repeated, late or suppressed run; the rest then describes the last digest.

With `DIGEST_BY=source`, one digest for each source. The result then has `"Digests"`: of each its `"Account"`, `"Region"` and
the members above. The ids and the window beside it are those of the first, the counts are the sums.

Errors that a caller can correct are returned as `{"Error": name}`: InvalidWindow, IdempotencyKeyReused
(used with another window), DigestInProgress (try again). All other errors are raised, so that Lambda
retries or the caller sees the errorType: InvalidParameters (the payload is not understood; the message
names each wrong member and what is allowed), PublishRefused, PublishUncertain, LedgerUnavailable. No data is
lost: the next run covers the window.
"""

import functools
from typing import Any

from jobledger.digest.run import connect, run
from jobledger.errors import DigestInProgress, IdempotencyKeyReused, InvalidWindow
from jobledger.init_phase import finish
from jobledger.observability import observed

_dependencies = functools.cache(connect)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Publish the due or requested digest. Errors that a caller can correct are returned, not raised."""
    try:
        return run(_dependencies(), event, context)
    except (IdempotencyKeyReused, InvalidWindow, DigestInProgress) as fault:
        if "ScheduledTime" in event:
            raise
        return {"Error": fault.name}


finish(_dependencies)
