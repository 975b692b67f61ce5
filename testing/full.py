"""How many examples a test runs: some in `make test`, all of them in `make soak`, which sets JOB_LEDGER_FULL=1.

A test whose constant is made here has the mark `full`, by which `make soak` selects it.
"""

import os


def in_full(some: int, every: int) -> int:
    """Return the number of examples of this run."""
    return every if os.environ.get("JOB_LEDGER_FULL") == "1" else some
