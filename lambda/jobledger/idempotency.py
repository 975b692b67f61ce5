"""Runs an operation at most once per key. The only user of Powertools idempotency.

The operation's result is stored with a hash of its key, so it contains only ids, counts and times. Import
this module only where a key is used: it would slow every cold start.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from jobledger.errors import IdempotencyKeyReused, JobLedgerError, LedgerUnavailable

Answer = dict[str, Any]


class IdempotentOperation:
    """One kind of operation, with `kind` as its key prefix; results are kept for `remember_seconds`.

    `in_progress` is the error for a call while another one executes the operation. With `compare_bodies`, a
    repeated key with a different body is rejected. With `must_store`, a result that could not be stored is
    an error: for operations without an effect, which the caller can repeat.
    """

    def __init__(
        self,
        kind: str,
        table_name: str,
        client: Any,
        remember_seconds: int,
        *,
        in_progress: type[JobLedgerError],
        compare_bodies: bool = False,
        must_store: bool = False,
    ) -> None:
        self._kind = kind
        # One for each kind of operation: a shared one would keep the first configuration.
        self._layer = DynamoDBPersistenceLayer(table_name, boto3_client=client)
        self._in_progress = in_progress
        self._must_store = must_store
        self._config = IdempotencyConfig(
            event_key_jmespath="Key",
            payload_validation_jmespath="Body" if compare_bodies else "",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=remember_seconds,
            hash_function="sha256",
        )

    def register(self, context: Any, at_most_seconds: float = math.inf) -> None:
        """Set the maximum duration of an operation: the remaining time of `context`, or less.

        After that time, a killed operation can run again. Without it, only when its record expires.
        """
        duration: Any = _Duration(context, at_most_seconds)
        self._config.register_lambda_context(duration)

    def __call__(self, key: str, effect: Callable[[], Answer], body: str = "") -> Answer:
        """Return the operation's result, or the stored result for this key.

        Raises the operation's errors, after which it can run again; `in_progress` while another call
        executes it; IdempotencyKeyReused; LedgerUnavailable when the table does not respond before the
        operation. When the table does not respond after it, the operation's result is returned, or with
        `must_store` LedgerUnavailable is raised.
        """
        outcome: list[Answer | Exception] = []

        def recorded(*, request: Answer) -> Answer:
            del request  # Powertools reads the key from it
            try:
                outcome.append(effect())
            except Exception as error:
                outcome.append(error)
                raise
            return answer_of(outcome)

        guarded = idempotent_function(
            recorded,
            data_keyword_argument="request",
            persistence_store=self._layer,
            config=self._config,
            key_prefix=self._kind,
        )
        try:
            answer: Answer = guarded(request={"Key": key, "Body": body})
        except IdempotencyAlreadyInProgressError as error:
            raise self._in_progress from error
        except IdempotencyValidationError as error:
            raise IdempotencyKeyReused from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            if not outcome or self._must_store:
                raise LedgerUnavailable(type(error).__name__) from error
            return answer_of(outcome)
        return answer


class _Duration(msgspec.Struct, frozen=True):
    """Stands in for Lambda's context: Powertools reads only the remaining time."""

    context: Any
    at_most_seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(min(self.context.get_remaining_time_in_millis(), self.at_most_seconds * 1000))


def answer_of(outcome: list[Answer | Exception]) -> Answer:
    """Return the operation's result, or raise its error."""
    (result,) = outcome
    if isinstance(result, Exception):
        raise result
    return result
