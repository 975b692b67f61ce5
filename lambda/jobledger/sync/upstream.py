"""The only caller of Comprehend Medical. Modules above it see no botocore errors."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger import clients
from jobledger.clients import session
from jobledger.errors import InvalidResponse, JobUnknown, TokenRefused, UpstreamError
from jobledger.jobs import Job, job_from_service
from jobledger.observability import logger
from jobledger.service import Family, describe_method, list_method

PAGE_SIZE = 500
"""The maximum MaxResults of the List calls (API reference, ListSNOMEDCTInferenceJobs)."""

# Attempts, and seconds per attempt: a sync checks its deadline before each attempt.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=8,
    retries={"mode": "standard", "total_max_attempts": 4},
)
ATTEMPT_SECONDS = 10.0

# The error codes for a NextToken that the service rejects.
_INVALID = frozenset({"InvalidRequestException", "ValidationException"})
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException"})


class UpstreamPage(msgspec.Struct, frozen=True):
    """One List response; `next_token` is None at the end of the walk.

    `without_id` entries cannot be identified, and so cannot be stored.
    """

    jobs: tuple[Job, ...]
    next_token: str | None
    without_id: int = 0


class Upstream:
    """Comprehend Medical's List and Describe calls, counted.

    `client` is made by `clients.session`, which keeps properties outside the service's model. `before_call`
    runs before every attempt, including retries. It can wait, to limit the rate, or raise, to stop. `calls`
    and `throttles` count attempts and throttled responses since `reset`.
    """

    def __init__(self, client: Any, before_call: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._before_call = before_call
        self.calls = 0
        self.throttles = 0
        events = client.meta.events
        events.register("before-send.comprehendmedical", self._count_call)
        events.register("needs-retry.comprehendmedical", self._count_throttle)

    @classmethod
    def connect(cls, before_call: Callable[[], None]) -> "Upstream":
        """Return an adapter with its own client, bounded retries and timeouts."""
        client = session().create_client("comprehendmedical", config=CONFIG)
        return cls(client, before_call)

    def reset(self) -> None:
        """Reset the counters."""
        self.calls = self.throttles = 0

    def page(self, family: Family, after: str | None, next_token: str | None) -> UpstreamPage:
        """List up to 500 jobs, with SubmitTimeAfter as the only filter, or with none.

        Raises UpstreamError; TokenRefused when a request with a NextToken is rejected as invalid.
        """
        parameters: dict[str, Any] = {"MaxResults": PAGE_SIZE}
        if after is not None:
            parameters["Filter"] = {"SubmitTimeAfter": after}
        if next_token is not None:
            parameters["NextToken"] = next_token
        with _upstream_errors(dict.fromkeys(_INVALID, TokenRefused) if next_token else {}):
            answer = getattr(self._client, list_method(family))(**parameters)
        listed = answer["ComprehendMedicalAsyncJobPropertiesList"]
        if not all(isinstance(properties, dict) for properties in listed):
            raise InvalidResponse
        jobs = [job_from_service(family, properties) for properties in listed]
        for position in (n for n, job in enumerate(jobs) if job is None):
            logger.error("job without an id", extra={"family": family.value, "position": position})
        return UpstreamPage(
            jobs=tuple(job for job in jobs if job is not None),
            next_token=answer.get("NextToken") or None,
            without_id=jobs.count(None),
        )

    def describe(self, family: Family, job_id: str) -> Job:
        """Return one job. Raises UpstreamError; JobUnknown when the service says that it has no such job."""
        with _upstream_errors({"ResourceNotFoundException": JobUnknown}):
            answer = getattr(self._client, describe_method(family))(JobId=job_id)
        job = job_from_service(family, answer["ComprehendMedicalAsyncJobProperties"])
        if job is None or job.job_id != job_id:
            raise InvalidResponse
        return job

    def _count_call(self, **_: Any) -> None:
        self._before_call()
        self.calls += 1

    def _count_throttle(self, response: tuple[Any, Mapping[str, Any]] | None, **_: Any) -> None:
        if response is not None and response[1].get("Error", {}).get("Code") in _THROTTLES:
            self.throttles += 1


@contextmanager
def _upstream_errors(meanings: Mapping[str, type[UpstreamError]]) -> Iterator[None]:
    """Convert botocore's errors to this package's; `meanings` maps codes to specific error classes."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise meanings.get(code, UpstreamError)(code) from error
    except clients.InvalidResponse as error:
        raise InvalidResponse from error
    except BotoCoreError as error:
        raise UpstreamError(type(error).__name__) from error
