"""Comprehend Medical in one of several sources: it is given up for the rest of a run when calling it again is no use.

A source whose role cannot be assumed, or that does not answer, costs a run one call, not one for each family and job:
the calls that follow fail with the same error. While it does not answer, each run makes one attempt.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import InvalidResponse, session, session_with
from jobledger.errors import JobUnknown, TokenRefused, UpstreamError
from jobledger.jobs import Job
from jobledger.service import Family
from jobledger.sync.credentials import MemberCredentials
from jobledger.sync.upstream import CONFIG, Upstream, UpstreamPage

# Attempts that get no answer take 10 seconds each.
_ATTEMPTS = 2
_MOST_SECONDS = 10
"""The time that failed calls may take in a run. The last one can take 39 seconds more, with its retries."""

# The service does not accept the credentials, or the account has not enabled the region.
_REFUSALS = frozenset(
    {
        *("AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "OptInRequired"),
        *("InvalidClientTokenId", "InvalidSignatureException", "UnrecognizedClientException"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    }
)
# A role may read some families only.
_OF_A_FAMILY = "AccessDeniedException"


class SourceUpstream(Upstream):
    """The calls to one of several sources. Call `begin` before each run."""

    def __init__(
        self,
        client: Any,
        before_call: Callable[[], None],
        credentials: MemberCredentials | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(client, before_call)
        self._credentials = credentials
        self._clock = clock
        self._given_up: str | None = None
        self._lost = 0.0
        self._answers = True
        self._unanswered = 0
        self._no_answer: BotoCoreError | None = None
        client.meta.events.register("needs-retry.comprehendmedical", self._note_attempt)

    @classmethod
    def to(
        cls, source: str, before_call: Callable[[], None], credentials: MemberCredentials | None
    ) -> "SourceUpstream":
        """Return the calls to a source, with its own client. Without `credentials`, it has the function's own."""
        chosen = session_with(credentials) if credentials else session()
        region = source.rpartition("/")[2]
        client = chosen.create_client("comprehendmedical", region_name=region, config=CONFIG)
        return cls(client, before_call, credentials)

    def begin(self) -> None:
        """Begin a run, in which the source is tried again."""
        self._given_up, self._lost = None, 0.0

    def page(self, family: Family, after: str | None, next_token: str | None) -> UpstreamPage:
        """List jobs, as `Upstream` does. Raises the error of the call with which the source was given up."""
        with self._bounded():
            return super().page(family, after, next_token)

    def describe(self, family: Family, job_id: str) -> Job:
        """Return one job, as `Upstream` does. Raises the error of the call with which the source was given up."""
        with self._bounded():
            return super().describe(family, job_id)

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        if self._given_up:
            raise UpstreamError(self._given_up)
        began, self._unanswered = self._clock(), 0
        try:
            yield
        except (JobUnknown, TokenRefused):
            self._answers = True
            raise
        except UpstreamError as error:
            self._note_failure(error, self._clock() - began)
            raise
        self._answers = True

    def _note_failure(self, failure: UpstreamError, seconds: float) -> None:
        cause = failure.__cause__
        answered = not isinstance(cause, BotoCoreError) or isinstance(cause, InvalidResponse)
        assuming = isinstance(cause, ClientError) and cause.operation_name == "AssumeRole"
        refused = assuming or failure.name in _REFUSALS
        if refused and self._credentials:
            # A role that was created again, or whose sessions were revoked, needs a new session.
            self._credentials.forget()
        self._answers = answered
        self._lost += seconds
        hopeless = not answered or (refused and failure.name != _OF_A_FAMILY)
        if hopeless or self._lost >= _MOST_SECONDS:
            self._given_up = failure.name

    def _count_call(self, **more: Any) -> None:
        if self._no_answer and self._unanswered >= (_ATTEMPTS if self._answers else 1):
            # botocore does not retry this one.
            raise UpstreamError(type(self._no_answer).__name__) from self._no_answer
        super()._count_call(**more)

    def _note_attempt(self, caught_exception: Exception | None = None, **_: Any) -> None:
        if isinstance(caught_exception, BotoCoreError):
            self._unanswered += 1
            self._no_answer = caught_exception
