"""The exceptions of a botocore client, as those of every botocore client of the service in this process.

botocore makes the classes of `client.exceptions` anew for each session. Code that has a boto3 client, and
catches `boto3_client.exceptions.ResourceNotFoundException`, catches the ledger's as well.
"""

import functools
from typing import Any

from botocore.errorfactory import BaseClientExceptions
from botocore.exceptions import ClientError


def as_every_clients(error: ClientError, exceptions: Any) -> ClientError:
    """Return the error as an instance of each client's class of its name."""
    service, name = type(exceptions).__name__, type(error).__name__
    found = [
        vars(known)[name]
        for known in BaseClientExceptions.__subclasses__()
        if known.__name__ == service and name in vars(known)
    ]
    if len(found) < 2:
        return error
    made: ClientError = _one_of_all(name, *found)(error.response, error.operation_name)
    return made


@functools.lru_cache(maxsize=64)
def _one_of_all(name: str, *classes: type) -> Any:
    return type(name, classes, {})
