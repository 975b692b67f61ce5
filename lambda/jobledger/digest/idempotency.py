"""Runs an operation at most once per key. The only user of Powertools idempotency.

The operation's result is stored with its key, so it contains only ids and counts. Each kind of operation
has its own persistence layer: a shared one keeps the first configuration.
"""

from collections.abc import Callable
from typing import Any

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

from jobledger.errors import DigestInProgress, IdempotencyKeyReused, LedgerUnavailable

Answer = dict[str, Any]


class IdempotentOperation:
    """One kind of operation, with `kind` as its key prefix; results are kept for `remember_seconds`.

    With `compare_bodies`, a repeated key with a different body is rejected.
    """

    def __init__(
        self,
        kind: str,
        layer: DynamoDBPersistenceLayer,
        remember_seconds: int,
        *,
        compare_bodies: bool = False,
    ) -> None:
        self._kind = kind
        self._layer = layer
        self._config = IdempotencyConfig(
            event_key_jmespath="Key",
            payload_validation_jmespath="Body" if compare_bodies else "",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=remember_seconds,
            hash_function="sha256",
        )

    def register(self, context: Any) -> None:
        """Set the maximum duration of an operation to the remaining time of `context`.

        After that time, a killed operation can run again. Without it, only when its record expires.
        """
        self._config.register_lambda_context(context)

    def __call__(self, key: str, effect: Callable[[], Answer], body: str = "") -> Answer:
        """Return the operation's result, or the stored result for this key.

        Raises the operation's errors, after which it can run again; DigestInProgress while another run
        executes it; IdempotencyKeyReused; LedgerUnavailable when the table does not respond before the
        operation. When the table does not respond after it, the operation's result is returned.
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
            raise DigestInProgress from error
        except IdempotencyValidationError as error:
            raise IdempotencyKeyReused from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            if not outcome:
                raise LedgerUnavailable(type(error).__name__) from error
            return answer_of(outcome)
        return answer


def answer_of(outcome: list[Answer | Exception]) -> Answer:
    """Return the operation's result, or raise its error."""
    (result,) = outcome
    if isinstance(result, Exception):
        raise result
    return result
