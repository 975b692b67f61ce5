"""An effect at most once per key: Powertools idempotency, and nothing else knows it.

What an effect returns is stored beside its key, so it returns ids and counts only. Each kind of effect
has a persistence layer of its own: one that is shared keeps the first one's configuration.
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


class Once:
    """One kind of effect, called `kind` in its keys; `remember_seconds` is how long it is not repeated.

    With `compare_bodies` a key that comes again with another body is refused.
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
        """Say how long an effect may take: as long as `context` has time left.

        After that, one that was killed may be tried again. Without it, only once it is forgotten.
        """
        self._config.register_lambda_context(context)

    def __call__(self, key: str, effect: Callable[[], Answer], body: str = "") -> Answer:
        """Return what the effect returns, or has returned for this key before.

        Raises what the effect raises, and it may then be tried again; DigestInProgress while another
        run is at it; IdempotencyKeyReused; LedgerUnavailable when the table does not answer before
        the effect. When it does not answer after it, the effect has happened, and so it is told.
        """
        outcome: list[Answer | Exception] = []

        def recorded(*, request: Answer) -> Answer:
            del request  # Powertools takes the key from it
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
    """Return what an effect has returned, or raise what it has raised."""
    (result,) = outcome
    if isinstance(result, Exception):
        raise result
    return result
