"""The look-up functions: handle `Custom::ComprehendMedicalJob` through CDK's provider framework.

The framework calls `on_event` once per request, then `is_complete` until it returns true, and responds to
CloudFormation. An exception's text becomes the failure reason. `on_event` validates the properties and
records the time; `is_complete` looks up the job.
"""

import functools
from typing import Any

from jobledger import settings
from jobledger.init_phase import finish
from jobledger.invoke import Function
from jobledger.ledger.ledger import Ledger
from jobledger.lookup.encryption import PropertyCipher
from jobledger.lookup.resource import begin, check, with_one_reason
from jobledger.observability import observed
from jobledger.times import utc_now as _now


@functools.cache
def _connect() -> tuple[Ledger, Function]:
    return Ledger.connect(settings.load(), _now), Function.connect(
        settings.required("SYNC_FUNCTION_NAME")
    )


@functools.cache
def _cipher() -> PropertyCipher:
    return PropertyCipher.connect(settings.required("KEY_ARN"))


@observed
def on_event(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Validate the properties of a create or update, and encrypt them."""
    return with_one_reason(event, _now, lambda: begin(event, _cipher, _now()))


@observed
def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look up the job."""
    return with_one_reason(event, _now, lambda: check(event, _cipher, _connect, _now))


finish(_cipher)  # both functions need it
