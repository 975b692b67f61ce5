"""The five families of batch jobs and the names of their twenty operations."""

from enum import StrEnum
from typing import NamedTuple


class Family(StrEnum):
    """A kind of batch job. The values are the names in a jobs file and in the control paths."""

    SNOMEDCT = "SNOMEDCT"
    ICD10CM = "ICD10CM"
    RXNORM = "RXNORM"
    ENTITIES_V2 = "ENTITIES_V2"
    PHI = "PHI"


class Verb(StrEnum):
    """The actions on a job."""

    START = "Start"
    STOP = "Stop"
    DESCRIBE = "Describe"
    LIST = "List"


class Operation(NamedTuple):
    """One operation of the API, such as ListSNOMEDCTInferenceJobs."""

    verb: Verb
    family: Family
    name: str


NOUNS = {
    Family.SNOMEDCT: "SNOMEDCTInferenceJob",
    Family.ICD10CM: "ICD10CMInferenceJob",
    Family.RXNORM: "RxNormInferenceJob",
    Family.ENTITIES_V2: "EntitiesDetectionV2Job",
    Family.PHI: "PHIDetectionJob",
}

# As AWS's own examples show them (awscli/examples/comprehendmedical).
MODEL_VERSIONS = {
    Family.SNOMEDCT: "0.1.0",
    Family.ICD10CM: "0.1.0",
    Family.RXNORM: "0.0.0",
    Family.ENTITIES_V2: "DetectEntitiesModelV20190930",
    Family.PHI: "PHIModelV20190903",
}

# The service writes below ACCOUNT-LABEL-JOBID/. EntitiesDetection and PHIDetection are from AWS's examples;
# the others follow the same pattern.
OUTPUT_LABELS = {
    Family.SNOMEDCT: "SNOMEDCT",
    Family.ICD10CM: "ICD10CM",
    Family.RXNORM: "RxNorm",
    Family.ENTITIES_V2: "EntitiesDetection",
    Family.PHI: "PHIDetection",
}


def operation_name(verb: Verb, family: Family) -> str:
    """Return the API's name of an operation: only the List operations are plural."""
    return f"{verb}{NOUNS[family]}" + ("s" if verb is Verb.LIST else "")


OPERATIONS = {
    operation_name(verb, family): Operation(verb, family, operation_name(verb, family))
    for verb in Verb
    for family in Family
}
