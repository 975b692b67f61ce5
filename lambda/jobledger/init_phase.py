"""Makes an environment ready before its first request: in Lambda's init phase, which has a full processor.

Elsewhere an import has no effect: AWS_LAMBDA_INITIALIZATION_TYPE is set by Lambda only (also for
snapshots of SnapStart and for provisioned concurrency).
"""

import contextlib
import gc
import logging
import os
from collections.abc import Callable


def begin() -> None:
    """Import without garbage collection: what a module defines is no garbage."""
    if _running():
        gc.disable()


def finish(step: Callable[[], object] = lambda: None) -> None:
    """Run a step and end the init phase. The step's failure is no failure of the function.

    The first request repeats the step, and reports the failure if it still fails.
    """
    if not _running():
        return
    logging.disable()  # X-Ray's SDK warns of each call before the first request
    try:
        with contextlib.suppress(Exception):
            step()
    finally:
        logging.disable(logging.NOTSET)
        gc.freeze()
        gc.enable()


def _running() -> bool:
    return "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ
