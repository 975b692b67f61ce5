"""Every error that the modules above the adapters see.

JobLedgerError
├── InvalidParameters        the caller's parameters, all that are wrong at once
├── InvalidToken             a NextToken that is altered, foreign or of a later version
├── JobNotFound              no job of that JobId in the ledger
├── LedgerUnavailable        DynamoDB throttled or failed after the client's retries
├── DeadlineReached          too little time left to start another call
├── WalkOvertaken            another sync has moved the same walk on
├── EventRefused             EventBridge did not take an event
└── UpstreamError            Comprehend Medical refused or could not be reached
    ├── TokenRefused         it does not take its own NextToken (any more)
    ├── WalkEndless          its tokens lead in a circle, or through empty pages without end
    └── JobUnknown           Describe does not know the job
"""

from dataclasses import dataclass


class JobLedgerError(Exception):
    """The base of all errors of this package; `name` is fit for a log or an answer."""

    @property
    def name(self) -> str:
        """A name without any data of a job."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class BadParameter:
    """One wrong parameter and what is allowed in its place; never the value that was sent."""

    parameter: str
    allowed: str


class InvalidParameters(JobLedgerError):
    """One or more parameters are wrong; `parameters` lists them all."""

    def __init__(self, parameters: list[BadParameter]) -> None:
        super().__init__("; ".join(f"{bad.parameter}: {bad.allowed}" for bad in parameters))
        self.parameters = parameters


class InvalidToken(JobLedgerError):
    """The NextToken was not issued by this ledger for this query."""


class JobNotFound(JobLedgerError):
    """The ledger holds no such job."""


class LedgerUnavailable(JobLedgerError):
    """DynamoDB did not answer; nothing was half-written, and a retry is safe."""


class DeadlineReached(JobLedgerError):
    """The time left does not suffice for another call upstream."""


class WalkOvertaken(JobLedgerError):
    """A concurrent sync has moved the same walk on; it will finish it."""


class ServiceRefused(JobLedgerError):
    """A service answered with an error, or not at all."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self._code = code

    @property
    def name(self) -> str:
        """The service's own error code, or botocore's exception name when there was no answer."""
        return self._code


class EventRefused(ServiceRefused):
    """EventBridge did not take an event."""


class UpstreamError(ServiceRefused):
    """Comprehend Medical refused a call, or could not be reached."""


class TokenRefused(UpstreamError):
    """The service refused a NextToken that it had issued."""


class WalkEndless(UpstreamError):
    """The service's pages do not come to an end."""


class JobUnknown(UpstreamError):
    """The service does not know the job (any more)."""
