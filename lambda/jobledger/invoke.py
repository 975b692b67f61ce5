"""The only caller of Lambda: invokes the sync and digest functions and waits for their results."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import FunctionRefused, FunctionThrottled
from jobledger.observability import with_correlation_id

# API Gateway's limit is 29 seconds; the rest is for reading the ledger before and after the call.
WAIT_SECONDS = 20
# One attempt: a second could run concurrently with the first.
CONFIG = Config(connect_timeout=2, read_timeout=WAIT_SECONDS, retries={"total_max_attempts": 1})
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException"})


class Function:
    """A Lambda function that is invoked synchronously."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    @classmethod
    def connect(cls, name: str) -> "Function":
        """Return the function with its own client, a bounded timeout and no retry."""
        return cls(session().create_client("lambda", config=CONFIG), name)

    def __call__(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the function and return its result. Raises FunctionRefused with the error's name."""
        try:
            body = json.dumps(with_correlation_id(payload))
            answer = self._client.invoke(FunctionName=self._name, Payload=body)
            result = json.loads(answer["Payload"].read())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise (FunctionThrottled if code in _THROTTLES else FunctionRefused)(code) from error
        except (BotoCoreError, OverflowError, RecursionError, ValueError) as error:
            raise FunctionRefused(type(error).__name__) from error
        if "FunctionError" in answer or not isinstance(result, dict):
            raise FunctionRefused(_error_type(result))
        return result


def _error_type(result: object) -> str:
    """Return the name of the exception that ended a function, never its message."""
    kind = result.get("errorType") if isinstance(result, dict) else None
    return kind if isinstance(kind, str) and kind.isidentifier() else "FunctionError"
