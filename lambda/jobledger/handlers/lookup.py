"""The look-up functions: handle `Custom::ComprehendMedicalJob` through CDK's provider framework.

The framework calls `on_event` once per request, then `is_complete` until it returns true, and responds to
CloudFormation. An exception's text becomes the failure reason. `on_event` validates the properties and
records the time; `is_complete` looks up the job.

The functions write no logs or traces: failure texts quote job names, and go to CloudFormation in full.
"""

import functools
from datetime import UTC, datetime
from typing import Any

from jobledger import settings
from jobledger.invoke import Function
from jobledger.ledger.table import Table
from jobledger.ledger.writing import Ledger
from jobledger.lookup.resource import begin, check, with_one_reason


@functools.cache
def _connect() -> tuple[Ledger, Function]:
    configured = settings.load()
    ledger = Ledger(Table.connect(configured.ledger_table_name), configured.scope, _now)
    return ledger, Function.connect(settings.required("SYNC_FUNCTION_NAME"))


def _now() -> datetime:
    return datetime.now(UTC)


@with_one_reason
def on_event(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Validate the properties of a create or update."""
    return begin(event, _now())


@with_one_reason
def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look up the job."""
    return check(event, _connect, _now)
