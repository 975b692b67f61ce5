"""AWS's own APIs with a person's credentials, and what their errors mean to a check."""

import re
import threading
from collections.abc import Iterator
from typing import Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from botocore.session import Session

from job_ledger.doctor.findings import CouldNotLook, Gone
from job_ledger.location import one_line

# One check has 30 seconds: two attempts of one call fit.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=20,
)
_DENIED = re.compile(r"AccessDenied|AuthorizationError|UnauthorizedOperation|NotAuthorized")
_ABSENT = re.compile(r"NotFound|NonExistent|DoesNotExist|NoSuch")
_AGAIN = "jobledger doctor   (again, later)"
_RENEW = "aws sso login   (or renew the credentials of the profile)"


class Aws:
    """AWS's own APIs with one person's credentials. Safe to use from several threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """Return the client of a service; a session is not safe to make several at once."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.session.create_client(service, config=_CONFIG)
            return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Return an answer. Raises CouldNotLook, with the permission when that is what is missing."""
        try:
            return getattr(self.client(service), xform_name(operation))(**parameters)
        except ClientError as error:
            raise _refusal(service, operation, error.response["Error"]["Code"]) from error
        except NoCredentialsError as error:
            raise CouldNotLook("There are no AWS credentials.", _RENEW) from error
        except NoRegionError as error:
            raise CouldNotLook("No region is set.", "export AWS_REGION=…") from error
        except ProfileNotFound as error:
            raise CouldNotLook(f"{one_line(error)}.", "aws configure list-profiles") from error
        except BotoCoreError as error:
            raise CouldNotLook(
                f"{service}:{operation} got no answer ({one_line(error)}).",
                "Check the network, the proxy and the region",
            ) from error

    def pages(self, service: str, operation: str, result: str, **parameters: Any) -> Iterator[Any]:
        """Yield the items of all pages of a list."""
        token: dict[str, Any] = {}
        while True:
            answer = self.call(service, operation, **parameters, **token)
            yield from answer.get(result, ())
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}


def permission_for(service: str, operation: str) -> str:
    """Return the IAM action of a call."""
    if service == "apigateway":
        return "apigateway:GET"
    if (service, operation) == ("lambda", "Invoke"):
        return "lambda:InvokeFunction"
    return f"{service}:{operation}"


def _refusal(service: str, operation: str, code: str) -> CouldNotLook:
    """Return what an error of AWS means."""
    action = permission_for(service, operation)
    if "Expired" in code or code in ("InvalidClientTokenId", "UnrecognizedClientException"):
        return CouldNotLook(f"AWS refuses the credentials ({code}).", _RENEW)
    if _DENIED.search(code):
        needed = "docs/operations.md#what-the-doctor-needs"
        return CouldNotLook(f"These credentials may not look: {action} is missing.", needed, action)
    if _ABSENT.search(code):
        return Gone(
            f"A resource of the stack does not exist ({operation}: {code}).",
            "aws cloudformation detect-stack-drift   (names it), then restore it",
        )
    return CouldNotLook(f"AWS answers {operation} with {code}.", _AGAIN)
