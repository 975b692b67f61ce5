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
    """Turn garbage collection off for the imports, which create almost no garbage."""
    if _running():
        gc.disable()


def finish(step: Callable[[], object] = lambda: None) -> None:
    """Run a step and end the init phase. If the step fails, the function still starts.

    The first request repeats the step, and reports the failure if it fails again.
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
