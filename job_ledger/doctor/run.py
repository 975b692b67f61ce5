"""Runs the checks side by side, each within a bounded time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from job_ledger.doctor import (
    api,
    cost,
    functions,
    monitoring,
    notifications,
    outputs,
    sources,
    stack,
    sync,
    table,
)
from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, Status

# In the order of the table: what others depend on comes first.
ALL_CHECKS: tuple[Check, ...] = (
    *stack.CHECKS,
    *api.CHECKS,
    *sync.CHECKS,
    *sources.CHECKS,
    *functions.CHECKS,
    *outputs.CHECKS,
    *notifications.CHECKS,
    *monitoring.CHECKS,
    *table.CHECKS,
    *cost.CHECKS,
)
LONGEST_SECONDS = 30.0


def checks_of(deployment: Deployment) -> tuple[Check, ...]:
    """Return the checks of a deployment: those of sources only where there are several."""
    left_out = () if deployment.has_sources else sources.CHECKS
    return tuple(check for check in ALL_CHECKS if check not in left_out)


@dataclass(frozen=True)
class Result:
    """A check and what it found."""

    check: str
    finding: Finding


def run_checks(
    deployment: Deployment,
    checks: Sequence[Check] | None = None,
    *,
    seconds: float = LONGEST_SECONDS,
    progress: Callable[[int], object] = lambda done: None,
) -> list[Result]:
    """Return the result of each check, in their order; all begin at once. The default is `checks_of` the deployment.

    `progress` is called with the number of checks that have ended.
    """
    checks = checks_of(deployment) if checks is None else checks
    found: dict[int, Finding] = {}
    ended = threading.Condition()

    def look(number: int, check: Check) -> None:
        finding = check.run(deployment)
        with ended:
            found[number] = finding
            ended.notify()

    # Daemon threads: a check that hangs ends with the process.
    for number, check in enumerate(checks):
        threading.Thread(target=look, args=(number, check), daemon=True).start()
    deadline = time.monotonic() + seconds
    with ended:
        while len(found) < len(checks) and (left := deadline - time.monotonic()) > 0:
            progress(len(found))
            ended.wait(left)
        progress(len(found))
        done = dict(found)
    return list(_in_order(checks, done, seconds))


def _in_order(
    checks: Sequence[Check], done: dict[int, Finding], seconds: float
) -> Iterator[Result]:
    late = Finding(
        Status.UNKNOWN, f"No answer within {seconds:.0f} seconds.", "jobledger doctor   (again)"
    )
    for number, check in enumerate(checks):
        yield Result(check.name, done.get(number, late))
