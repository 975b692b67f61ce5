"""One sync in a process of its own, which dies before or after a chosen call out."""

import itertools
import os
import signal
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from jobledger.clients import session
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync
from testing.builders import SCOPE

# Forks find the descriptions of the services read.
for _service in ("dynamodb", "comprehendmedical"):
    session().create_client(_service, endpoint_url="http://127.0.0.1:1")


class Killing:
    """A client whose every call is two steps, before and after; the process dies at one of them."""

    def __init__(self, client: Any, step: Any) -> None:
        self._client, self._step = client, step

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def stepped(**parameters: Any) -> Any:
            self._step()
            answer = call(**parameters)
            self._step()
            return answer

        return stepped


def run(dynamodb: str, table: str, comprehend: str, last_step: int, results: Connection) -> None:
    """Sync once, dying at `last_step` (0: never); tell how many steps it took, and the error."""
    steps = itertools.count(1)

    def step() -> None:
        if next(steps) == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    client = Killing(session().create_client("dynamodb", endpoint_url=dynamodb), step)
    upstream = Upstream(
        session().create_client("comprehendmedical", endpoint_url=comprehend), before_call=step
    )
    ledger = Ledger(Table(client, table), SCOPE, lambda: datetime.now(UTC))
    done = Sync(Family.SNOMEDCT, upstream, ledger, lambda: datetime.now(UTC)).run()
    results.send((next(steps) - 1, done.error))
