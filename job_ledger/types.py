"""The API's documents as types, with the names of its OpenAPI document; tests compare the two.

At run time they are the decoded JSON: properties that the API adds later are there as well. Times are RFC 3339
text in UTC.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, NotRequired, Required, TypedDict

Family = Literal["SNOMEDCT", "ICD10CM", "RXNORM", "ENTITIES_V2", "PHI", "ALL"]
JobStatus = Literal[
    "SUBMITTED",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "COMPLETED",
    "PARTIAL_SUCCESS",
    "FAILED",
    "STOPPED",
]
Time = datetime | date | str | float
"""A datetime with a time zone, a date (midnight UTC), RFC 3339 text, or epoch seconds."""


class SourceFilters(TypedDict, total=False):
    """The accounts and regions of jobs, in a ledger of several sources."""

    account: str | Sequence[str]
    region: str | Sequence[str]


class JobFilters(TypedDict, total=False):
    """The filters of `GET /jobs` and `GET /summary`. All can be combined."""

    family: Family | Sequence[Family]
    job_name: str
    job_name_prefix: str
    job_status: JobStatus | Sequence[JobStatus]
    submit_time_after: Time
    submit_time_before: Time
    account: str | Sequence[str]
    region: str | Sequence[str]


class ListFilters(JobFilters, total=False):
    """The parameters of `GET /jobs`."""

    order: Literal["ascending", "descending"]
    max_results: int
    next_token: str
    consistent_read: bool
    active: bool


class DataConfig(TypedDict, total=False):
    """A place in S3."""

    S3Bucket: str
    S3Key: str


class JobOutput(TypedDict, total=False):
    """What a job processed, from its manifest; with a Problem, what could not be read at the Location."""

    InputFileCount: int
    SuccessFilesCount: int
    UnprocessedFilesCount: int
    TotalMeteredCharacters: int
    TotalDurationSeconds: int
    ErrorCodes: dict[str, int]
    Problem: str
    Location: str


class Job(TypedDict, total=False):
    """A job as the service lists it, and its family; in a ledger of several sources, also its account and region."""

    Family: Required[str]
    JobId: str
    JobName: str
    JobStatus: str
    Message: str
    SubmitTime: str
    EndTime: str
    ExpirationTime: str
    InputDataConfig: DataConfig
    OutputDataConfig: DataConfig
    LanguageCode: str
    DataAccessRoleArn: str
    ManifestFilePath: str
    KMSKey: str
    ModelVersion: str
    AlteredProperties: list[str]
    Output: JobOutput
    Account: str
    Region: str
    SourceRemoved: bool


class JobList(TypedDict):
    """A page of jobs. Without NextToken it is the last. Examined: so many jobs were searched and none matches yet."""

    ComprehendMedicalAsyncJobPropertiesList: list[Job]
    NextToken: NotRequired[str]
    AsOf: str | None
    Stale: NotRequired[bool]
    Examined: NotRequired[int]


class Observation(TypedDict):
    """A status of a job, and when the ledger first observed it."""

    JobStatus: NotRequired[str]
    ObservedAt: str


class JobDescription(TypedDict):
    """A job with its history."""

    ComprehendMedicalAsyncJobProperties: Job
    History: list[Observation]
    ExpiredUpstream: NotRequired[bool]
    AsOf: str | None


class Durations(TypedDict):
    """Seconds from submission to end of finished jobs."""

    p50: float | None
    p90: float | None
    max: float | None


class OldestActive(TypedDict, total=False):
    """The active job that was submitted first."""

    JobId: str
    Family: str
    JobStatus: str
    SubmitTime: str
    AgeSeconds: float
    Account: str
    Region: str


class ProcessedFiles(TypedDict):
    """What jobs processed: input files, those of them that were not processed, and billed characters."""

    InputFileCount: int
    UnprocessedFilesCount: int
    TotalMeteredCharacters: int


class OutputTotals(TypedDict):
    """What jobs processed: by family and status, and the billed characters, and their cost, by month and family."""

    ByFamily: dict[str, dict[str, ProcessedFiles]]
    Characters: dict[str, dict[str, int]]
    Cost: NotRequired[dict[str, dict[str, str]]]


class Summary(TypedDict):
    """Counts and durations of all jobs that match."""

    Total: int
    ByStatus: dict[str, int]
    ByFamily: dict[str, int]
    Durations: Durations
    OldestActive: OldestActive | None
    ExpiringSoon: int
    FailureRate: float | None
    AsOf: str | None
    Output: NotRequired[OutputTotals]


class Window(TypedDict):
    """The time that a digest covers."""

    Start: str
    End: str


class DigestRequest(TypedDict, total=False):
    """The body of `POST /digests`."""

    WindowStart: str
    WindowEnd: str


class SourceDigest(TypedDict):
    """The published digest of one source."""

    Account: str
    Region: str
    DigestId: str
    MessageId: str
    Window: Window
    Counts: dict[str, int]


class DigestAnswer(TypedDict):
    """A published digest; with `digestBy=source`, `Digests` has that of each source."""

    DigestId: str
    MessageId: str
    Window: Window
    Counts: dict[str, int]
    Digests: NotRequired[list[SourceDigest]]


class LastError(TypedDict, total=False):
    """The error of the last sync."""

    Name: str
    At: str


class FamilyHealth(TypedDict):
    """The age of the ledger for one family."""

    AsOf: str | None
    AgeSeconds: float | None
    LastError: LastError | None


class SourceHealth(TypedDict):
    """The age of the ledger for one source."""

    Account: str
    Region: str
    Healthy: bool
    Families: dict[str, FamilyHealth]


class Health(TypedDict):
    """The age of the ledger; `Sources` when it has several."""

    Status: str
    Families: dict[str, FamilyHealth]
    Sources: NotRequired[list[SourceHealth]]


class InvalidParameter(TypedDict):
    """A parameter that is not valid, and what is allowed."""

    parameter: str
    allowed: str


class Problem(TypedDict):
    """An error as in RFC 9457. The title is the service's exception name."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: NotRequired[list[InvalidParameter]]
    Families: NotRequired[dict[str, FamilyHealth]]
    Sources: NotRequired[list[SourceHealth]]
