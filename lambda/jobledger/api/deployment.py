"""What the routes share: the ledger, the families and the functions of the deployment, made once, and the clock."""

import functools

from jobledger import settings
from jobledger.invoke import Function
from jobledger.ledger.ledger import Ledger
from jobledger.times import utc_now

now = utc_now
families = functools.cache(settings.families)


@functools.cache
def ledger() -> Ledger:
    """Return the ledger. It asks for the time at each use."""
    return Ledger.connect(settings.load(), now)


@functools.cache
def function(variable: str) -> Function:
    """Return the function that an environment variable names."""
    return Function.connect(settings.required(variable))
