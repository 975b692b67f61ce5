"""Facts of Amazon Comprehend Medical: the only place that names its families, statuses, properties and operations.

Standard library only, because the stack imports this module as well. The client has copies; a test compares them.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum


class Family(StrEnum):
    """The kinds of batch job, in the order in which every list of them is shown."""

    SNOMEDCT = "SNOMEDCT"
    ICD10CM = "ICD10CM"
    RXNORM = "RXNORM"
    ENTITIES_V2 = "ENTITIES_V2"
    PHI = "PHI"


_NOUNS = {
    Family.SNOMEDCT: ("SNOMEDCTInferenceJob", "snomedct-inference-job"),
    Family.ICD10CM: ("ICD10CMInferenceJob", "icd10-cm-inference-job"),
    Family.RXNORM: ("RxNormInferenceJob", "rx-norm-inference-job"),
    Family.ENTITIES_V2: ("EntitiesDetectionV2Job", "entities-detection-v2-job"),
    Family.PHI: ("PHIDetectionJob", "phi-detection-job"),
}
"""What the operations of a family, and the commands of the AWS CLI, call its jobs."""


class JobStatus(StrEnum):
    """The statuses of the service's model, in the order in which a job passes through them."""

    SUBMITTED = "SUBMITTED"
    IN_PROGRESS = "IN_PROGRESS"
    STOP_REQUESTED = "STOP_REQUESTED"
    COMPLETED = "COMPLETED"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


TERMINAL = frozenset(
    {JobStatus.COMPLETED, JobStatus.PARTIAL_SUCCESS, JobStatus.FAILED, JobStatus.STOPPED}
)

# ComprehendMedicalAsyncJobProperties, in the order of its API page.
PROPERTIES = (
    "JobId",
    "JobName",
    "JobStatus",
    "Message",
    "SubmitTime",
    "EndTime",
    "ExpirationTime",
    "InputDataConfig",
    "OutputDataConfig",
    "LanguageCode",
    "DataAccessRoleArn",
    "ManifestFilePath",
    "KMSKey",
    "ModelVersion",
)


def operations(families: Iterable[Family]) -> Sequence[str]:
    """Return the names of the operations that list and describe jobs of these families."""
    nouns = [_NOUNS[family][0] for family in families]
    return [f"List{noun}s" for noun in nouns] + [f"Describe{noun}" for noun in nouns]


def actions(families: Iterable[Family]) -> list[str]:
    """Return the IAM actions of these operations."""
    return [f"comprehendmedical:{name}" for name in operations(families)]


def describe_command(family: Family) -> str:
    """Return the command of the AWS CLI that describes a job, such as `describe-phi-detection-job`."""
    return f"describe-{_NOUNS[family][1]}"


def list_method(family: Family) -> str:
    """Return the name of the list operation in botocore."""
    return f"list-{_NOUNS[family][1]}s".replace("-", "_")


def describe_method(family: Family) -> str:
    """Return the name of the describe operation in botocore."""
    return describe_command(family).replace("-", "_")
