"""Makes an environment ready before its first request: in Lambda's init phase, which has a full processor.

Elsewhere an import has no effect: AWS_LAMBDA_INITIALIZATION_TYPE is set by Lambda only (also for
snapshots of SnapStart and for provisioned concurrency).
"""

import contextlib
import os
from collections.abc import Callable


def prepare(step: Callable[[], object]) -> None:
    """Run a step in the init phase. Its failure is no failure of the function.

    The first request repeats the step, and reports the failure if it still fails.
    """
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        with contextlib.suppress(Exception):
            step()
