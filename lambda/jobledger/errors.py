"""Every error that the modules above the adapters see.

JobLedgerError
├── InvalidParameters        the caller's parameters, all that are wrong at once
├── InvalidToken             a NextToken that is altered, foreign or of a later version
├── JobNotFound              no job of that JobId in the ledger
├── NotAcceptable            none of the formats that the caller accepts is one of ours
├── TooMuchToSummarise       a summary's jobs cannot be read in the time of a request
├── FunctionRefused          the sync or the digest function could not be called, or failed
│   └── FunctionThrottled    Lambda runs too many at once
├── LedgerUnavailable        DynamoDB throttled or failed after the client's retries
├── DeadlineReached          too little time left to start another call
├── WalkOvertaken            another sync has moved the same walk on
├── EventRefused             EventBridge did not take an event
├── LookupFailed             a custom resource's request, with the sentence that CloudFormation is told
├── InvalidWindow            a digest's window that is no closed stretch of time
├── IdempotencyKeyReused     a key that came before, with another body
├── DigestInProgress         another run is publishing the same digest
├── PublishRefused           SNS did not take a message; nothing was sent
│   └── MessageInvalid       it never will, and never has
├── PublishUncertain         SNS failed or did not answer; the message may have been sent
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


class NotAcceptable(JobLedgerError):
    """The Accept header admits none of the formats of an answer."""


class TooMuchToSummarise(JobLedgerError):
    """The time of a request does not suffice to read all jobs of a summary."""


class LookupFailed(JobLedgerError):
    """A stack's look-up cannot be answered. Its text quotes what was looked for: it is not for a log."""


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


class FunctionRefused(ServiceRefused):
    """Lambda did not run a function to its end."""


class FunctionThrottled(FunctionRefused):
    """Lambda has too many calls at once; nothing was run."""


class EventRefused(ServiceRefused):
    """EventBridge did not take an event."""


class InvalidWindow(JobLedgerError):
    """The window asked for is not one; the text says what is allowed."""


class IdempotencyKeyReused(JobLedgerError):
    """The Idempotency-Key was sent before with another body."""


class DigestInProgress(JobLedgerError):
    """Another run is publishing this digest, or was killed while it did; a retry finds out."""


class PublishRefused(ServiceRefused):
    """SNS did not take a message, so that nothing was sent."""


class MessageInvalid(PublishRefused):
    """SNS refuses the message for what it is: a repetition would be refused as well."""


class PublishUncertain(ServiceRefused):
    """SNS failed or did not answer; a repetition must be of the same message."""


class UpstreamError(ServiceRefused):
    """Comprehend Medical refused a call, or could not be reached."""


class TokenRefused(UpstreamError):
    """The service refused a NextToken that it had issued."""


class WalkEndless(UpstreamError):
    """The service's pages do not come to an end."""


class JobUnknown(UpstreamError):
    """The service does not know the job (any more)."""
