"""The outputs function: reads what ended jobs processed from their manifests in S3.

From the table's stream: a batch of changes. It looks for the jobs that ended, once; Lambda retries from the record that
the result names. From its schedule, each minute: `{}`. It looks for the jobs whose manifest was not there, which are
due again. By hand: `{"Days": 30}` makes the ended jobs of the last days due that have no output, or one with a problem;
the result is `{"Queued": 1200}`, and has `Before` when the time was too short: `{"Days": 30, "Before": …}` continues.
Any other payload is the error InvalidParameters.
"""

import functools
from typing import Any

from jobledger import settings
from jobledger.init_phase import finish
from jobledger.inputs.payloads import read_outputs_payload
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.outputs import Outputs
from jobledger.observability import observed
from jobledger.outputs.places import Buckets
from jobledger.outputs.run import Dependencies, queue_ended, read_due, read_ended
from jobledger.outputs.store import Store
from jobledger.sqs import Undelivered
from jobledger.times import utc_now


@functools.cache
def _connect() -> Dependencies:
    configured = settings.load()
    ledger = Ledger.connect(configured, utc_now)
    return Dependencies(
        ledger=ledger,
        outputs=Outputs(ledger),
        families=configured.families,
        buckets=Buckets(settings.required("OUTPUT_BUCKETS")),
        read=Store.connect().read,
        now=utc_now,
    )


@functools.cache
def _undelivered() -> Undelivered:
    """Return the queue. Few batches need it, so it is not part of the init phase."""
    return Undelivered.connect(settings.required("UNDELIVERED_QUEUE_URL"))


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Read the outputs of the jobs in a batch of the stream, or of those that are due, or make jobs due."""
    remaining = context.get_remaining_time_in_millis
    if isinstance(event, dict) and "Records" in event:
        return read_ended(_connect(), event["Records"], remaining, _undelivered)
    asked = read_outputs_payload(event)
    if "Days" in asked:
        return queue_ended(_connect(), asked["Days"], asked.get("Before"), remaining)
    return read_due(_connect(), remaining)


finish(_connect)
