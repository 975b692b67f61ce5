"""The widget function: CloudWatch dashboards call it to show the board as a custom widget.

Its result is HTML; for `{"describe": true}` it is documentation in Markdown. `jobledger.board.widget` lists
the parameters and actions.
"""

import functools
from typing import Any

from jobledger import settings
from jobledger.api.time_check import time_check
from jobledger.board.data import BoardReader
from jobledger.board.widget import respond
from jobledger.ledger.ledger import Ledger
from jobledger.observability import observed
from jobledger.times import utc_now as _now


@functools.cache
def _ledger() -> Ledger:
    return Ledger.connect(settings.load(), _now)


@observed
def handler(event: dict[str, Any], context: Any) -> str:
    """Return the widget, or its documentation."""
    check = time_check(context, _now)
    reader = BoardReader(_ledger(), settings.load().families, _now, check)
    return respond(event, context.invoked_function_arn, reader)
