"""The waiter `job_completed` in place of the one that Comprehend Medical lacks."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ConnectionError,  # noqa: A004 - botocore's name for what is no HTTPClientError
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
    # Of something between the client and the API: api_error names it by its status.
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
    """Looks at a job, as the waiter does. A connection that fails later than at the first look is waited for.

    The first failure is raised, as by botocore's waiters: a wrong address does not become right.
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
