"""What DynamoDB's errors mean for a write. Only `table` uses it."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from jobledger.errors import LedgerUnavailable, RowDamaged

_CONDITION_FAILED = "ConditionalCheckFailed"
_CONFLICTS = frozenset({_CONDITION_FAILED, "TransactionConflict"})
# botocore does not retry throttling inside a transaction: it is a cancellation reason, not an error (API
# reference, TransactWriteItems).
_THROTTLES = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"})


class ConditionFailed(Exception):
    """A condition does not hold."""


class Busy(Exception):
    """Another transaction is writing one of the rows, for milliseconds."""


class Throttled(Exception):
    """DynamoDB throttles the row's partition."""


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Convert botocore's errors: what a write can meet to the errors above, all others to LedgerUnavailable."""
    try:
        yield
    except ClientError as error:
        reasons = {
            reason.get("Code") for reason in error.response.get("CancellationReasons", ())
        } - {"None"}
        # The error of a single write is one of a transaction's reasons.
        reasons |= {error.response["Error"]["Code"].removesuffix("Exception")} & _CONFLICTS
        if reasons and reasons <= _CONFLICTS:
            raise (ConditionFailed if _CONDITION_FAILED in reasons else Busy) from error
        if "ValidationError" in reasons:
            raise RowDamaged(error.response["Error"]["Code"]) from error
        if reasons & _THROTTLES and reasons <= _THROTTLES | _CONFLICTS:
            raise Throttled from error
        raise LedgerUnavailable(error.response["Error"]["Code"]) from error
    except BotoCoreError as error:
        raise LedgerUnavailable(type(error).__name__) from error
