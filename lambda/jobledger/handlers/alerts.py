"""The alerts function: sends the job status changes of the last minute as one message.

Its schedule invokes it each minute with `{}`. A message that SNS does not accept stays in the queue, for the next runs.
Result: `{"Changes": 3}`, the number of changes in the message.
"""

import functools
from typing import Any

from jobledger.alerts.run import connect, send_alerts
from jobledger.init_phase import finish
from jobledger.observability import observed

_dependencies = functools.cache(connect)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send the waiting events. The payload does not matter."""
    return send_alerts(_dependencies())


finish(_dependencies)
