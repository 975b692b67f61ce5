"""The waiter `job_completed` in place of the one that Comprehend Medical lacks."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ConnectionError,  # noqa: A004 - botocore's name; it is not an HTTPClientError
    HTTPClientError,
)
from botocore.waiter import NormalizedOperationMethod, SingleWaiterConfig, Waiter

from job_ledger.answers import JOB

_NOT_REACHED = "ConnectionFailed"
_TRANSIENT = (
    "TooManyRequestsException",
    "InternalServerException",
    "ServiceUnavailableException",
    _NOT_REACHED,
    # Errors of a server between the client and the API: `api_error` names them by their status.
    *(status.phrase for status in HTTPStatus if status == 429 or status >= 500),
)
_STATUS = {"matcher": "path", "argument": f"{JOB}.JobStatus"}
JOB_COMPLETED = {
    "description": "Waits until a job of any family is COMPLETED.",
    "operation": "DescribeSNOMEDCTInferenceJob",
    "delay": 30,
    "maxAttempts": 120,
    "acceptors": [
        {**_STATUS, "expected": "COMPLETED", "state": "success"},
        *(
            {**_STATUS, "expected": status, "state": "failure"}
            for status in ("PARTIAL_SUCCESS", "FAILED", "STOPPED")
        ),
        # The ledger learns of a new job at the next sync.
        {"matcher": "error", "expected": "ResourceNotFoundException", "state": "retry"},
        *({"matcher": "error", "expected": code, "state": "retry"} for code in _TRANSIENT),
    ],
}


def job_completed(describe: Callable[..., dict[str, Any]]) -> Waiter:
    """Return the waiter on a method that describes a job of any family."""
    return Waiter("JobCompleted", SingleWaiterConfig(JOB_COMPLETED), _Looks(describe))


class _Looks(NormalizedOperationMethod):  # type: ignore[misc] # botocore has no types
    """Describes a job for the waiter, and lets it retry when a connection fails.

    A failure of the first attempt is raised, as by botocore's waiters: a wrong address stays wrong.
    """

    def __init__(self, describe: Callable[..., dict[str, Any]]) -> None:
        super().__init__(describe)
        self._answered = False

    def __call__(self, **parameters: Any) -> Any:
        try:
            answer = super().__call__(**parameters)
        except (HTTPClientError, ConnectionError) as error:
            if not self._answered:
                raise
            return _error(error)
        self._answered = True
        return answer


def _error(error: BotoCoreError) -> Any:
    return {"Error": {"Code": _NOT_REACHED, "Message": str(error)}}
