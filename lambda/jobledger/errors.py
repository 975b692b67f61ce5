"""The errors of this package.

JobLedgerError
├── InvalidParameters        one or more parameters are not valid
├── InvalidToken             a NextToken of another query or deployment, or altered
├── JobNotFound              no job with this JobId in the ledger
├── DigestNotFound           no digest has been published yet
├── TooMuchToSummarise       a summary takes longer than a request may
├── FunctionRefused          the sync or the digest function could not be called, or failed
│   └── FunctionThrottled    Lambda throttled the invocation
├── LedgerUnavailable        DynamoDB throttled or failed after the client's retries
│   └── RowDamaged           it cannot add to a number of a row
├── DeadlineReached          too little time left to start another call
├── WalkOvertaken            another sync advanced the same walk
├── JobsUnconfirmed          the service has not reported the status of some active jobs yet
├── EventRefused             EventBridge did not accept an event
│   └── EventInvalid         a retry would be rejected as well
├── QueueRefused             SQS did not accept a call; what waits stays in the queue
├── NotUnderstood            a row or record that this version cannot read
├── ManifestInvalid          an object of S3 that is no manifest, or no list of files
├── LookupFailed             a look-up without a result, with the failure reason
├── UnexpectedError          any other error in a function, without its message
├── InvalidWindow            a digest window that is not valid or not closed
├── IdempotencyKeyReused     a key that was used with a different request
├── RequestInProgress        another request with the same key is in progress
├── DigestInProgress         another run is publishing the same digest
├── PublishRefused           SNS did not accept a message; nothing was sent
│   └── MessageInvalid       a retry would be rejected as well
├── StoreError               S3 did not return an object
│   ├── ObjectMissing        there is none with this key
│   ├── ObjectDenied         S3 or KMS denied it, or it does not exist in a bucket that may not be listed
│   ├── ObjectTooLarge       it is larger than what it was taken for can be
│   └── StoreUnavailable     S3 failed, redirected or did not answer
├── PublishUncertain         SNS failed or did not answer; the message may have been sent
└── UpstreamError            Comprehend Medical refused or could not be reached
    ├── InvalidResponse      its answer is not what was asked for; nothing is known
    ├── TokenRefused         it rejects its own NextToken
    ├── WalkEndless          its pages do not end
    └── JobUnknown           Describe does not know the job
"""

import msgspec

_LONGEST_CODE = 100


class JobLedgerError(Exception):
    """The base of all errors of this package. `name` is safe to log and to return to a caller.

    Their texts leave handlers, so they are made encodable here: Lambda's runtime cannot send every text.
    """

    def __init__(self, *texts: str) -> None:
        super().__init__(*map(_encodable, texts))

    @property
    def name(self) -> str:
        """The error's name. It contains no job data."""
        return type(self).__name__


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


class BadParameter(msgspec.Struct, frozen=True):
    """A parameter that is not valid, and what is allowed. The value itself is never kept."""

    parameter: str
    allowed: str


class InvalidParameters(JobLedgerError):
    """One or more parameters are not valid; `parameters` lists all of them."""

    def __init__(self, parameters: list[BadParameter]) -> None:
        super().__init__("; ".join(f"{bad.parameter}: {bad.allowed}" for bad in parameters))
        self.parameters = [BadParameter(_encodable(b.parameter), b.allowed) for b in parameters]


class InvalidToken(JobLedgerError):
    """This ledger did not issue the NextToken for this query."""


class JobNotFound(JobLedgerError):
    """The ledger has no job with this JobId."""


class DigestNotFound(JobLedgerError):
    """No digest has been published yet."""


class TooMuchToSummarise(JobLedgerError):
    """The summary covers too many jobs to compute in one request."""


class LookupFailed(JobLedgerError):
    """A look-up has no result. The text is for CloudFormation, and quotes no value of a property or job."""


class UnexpectedError(JobLedgerError):
    """An error that this package does not know. The text is its class and place: a message can quote data."""


class LedgerUnavailable(JobLedgerError):
    """DynamoDB did not respond. No partial write remains, and a retry is safe."""

    @property
    def name(self) -> str:
        """The name, also of a `RowDamaged`."""
        return LedgerUnavailable.__name__


class RowDamaged(LedgerUnavailable):
    """DynamoDB cannot add to a number of a row. The writer mends it, or fails as above."""


class DeadlineReached(JobLedgerError):
    """Too little time remains for another upstream call."""


class WalkOvertaken(JobLedgerError):
    """A concurrent sync advanced the same walk and completes it."""


class JobsUnconfirmed(JobLedgerError):
    """The service has not reported the status of some active jobs yet. The next run asks again."""


class ServiceRefused(JobLedgerError):
    """A service returned an error or did not respond."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self._code: str = self.args[0]

    @property
    def name(self) -> str:
        """The service's error code, or botocore's exception name when there was no response.

        It is stored with the sync's state, so a text longer than any code is cut.
        """
        return self._code[:_LONGEST_CODE]


class FunctionRefused(ServiceRefused):
    """Lambda did not run the function to completion."""


class FunctionThrottled(FunctionRefused):
    """Lambda throttled the invocation; the function did not run."""


class EventRefused(ServiceRefused):
    """EventBridge did not accept an event."""


class EventInvalid(EventRefused):
    """EventBridge rejected the event itself. A retry would be rejected as well."""


class QueueRefused(ServiceRefused):
    """SQS did not accept a call. What waits stays in the queue."""


class NotUnderstood(JobLedgerError):
    """A row or a stream record that no version of ours writes. The text says which, and quotes nothing."""


class ManifestInvalid(JobLedgerError):
    """An object of S3 is no manifest, or no list of files."""


class InvalidWindow(JobLedgerError):
    """The requested digest window is not valid; the text says what is allowed."""


class IdempotencyKeyReused(JobLedgerError):
    """The Idempotency-Key was already used with a different request: another body or another query."""


class RequestInProgress(JobLedgerError):
    """Another request with the same Idempotency-Key is in progress. Retry to get the same result."""


class DigestInProgress(JobLedgerError):
    """Another run is publishing this digest, or stopped while it did. Retry to find out."""


class PublishRefused(ServiceRefused):
    """SNS did not accept a message; nothing was sent."""


class MessageInvalid(PublishRefused):
    """SNS rejected the message itself. A retry would be rejected as well."""


class PublishUncertain(ServiceRefused):
    """SNS failed or did not respond. Only the same message may be sent again."""


class StoreError(ServiceRefused):
    """S3 did not return an object."""


class ObjectMissing(StoreError):
    """There is no object with this key."""


class ObjectDenied(StoreError):
    """S3 or KMS denied an object. To a role that may not list a bucket, S3 denies what does not exist as well."""


class ObjectTooLarge(StoreError):
    """An object is larger than what it was taken for can be."""


class StoreUnavailable(StoreError):
    """S3 failed, redirected or did not answer."""


class UpstreamError(ServiceRefused):
    """Comprehend Medical rejected a call or was not reachable."""


class InvalidResponse(UpstreamError):
    """The service's answer is not what was asked for. Nothing follows from it."""

    def __init__(self) -> None:
        super().__init__(type(self).__name__)


class TokenRefused(UpstreamError):
    """The service rejected a NextToken that it had issued."""


class WalkEndless(UpstreamError):
    """The service's pages do not end."""


class JobUnknown(UpstreamError):
    """The service does not know the job, or no longer does."""
