"""The widget function: CloudWatch dashboards call it to show the board as a custom widget.

Its result is HTML; for `{"describe": true}` it is documentation in Markdown. `jobledger.board.widget` lists
the parameters and actions.
"""

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from jobledger import settings
from jobledger.board.data import Reader
from jobledger.board.widget import respond
from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.observability import observed

# Time reserved for the response when counting runs out of time.
_TO_RESPOND = timedelta(seconds=3)


@functools.cache
def _ledger() -> Ledger:
    configured = settings.load()
    return Ledger(Table.connect(configured.ledger_table_name), configured.scope, _now)


def _now() -> datetime:
    return datetime.now(UTC)


@observed
def handler(event: dict[str, Any], context: Any) -> str:
    """Return the widget, or its documentation."""
    deadline = _now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _TO_RESPOND

    def go_on() -> None:
        if _now() >= deadline:
            raise TooMuchToSummarise

    reader = Reader(_ledger(), settings.load().families, _now, go_on)
    return respond(event, context.invoked_function_arn, reader)
