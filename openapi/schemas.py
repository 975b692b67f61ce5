"""The response and request bodies as JSON Schema, for the OpenAPI document. Not imported at run time."""

from typing import Any

from jobledger.fitting import ALTERED
from jobledger.inputs.formats import documented
from jobledger.inputs.payloads import DIGEST_BODY
from jobledger.ledger.output import PROBLEMS
from jobledger.service import PROPERTIES, Family, JobStatus

Schema = dict[str, Any]

_A_TIME = "2026-11-23T08:00:00.000Z"
_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339, UTC, milliseconds",
    "examples": [_A_TIME],
}
_AS_OF: Schema = {
    **_TIME,
    "type": ["string", "null"],
    "description": "The time of the last agreement between ledger and service; null until the first fill is complete. "
    "It stays while the service does not report the status of a job that has not ended",
}
# No enum and no const in responses: a generated client would refuse what a later version adds.
_FAMILY: Schema = {
    "type": "string",
    "description": f"One of {', '.join(Family)}, or a family that a later version adds",
    "examples": ["SNOMEDCT"],
}
_STATUS: Schema = {
    "type": "string",
    "description": f"One of {', '.join(JobStatus)}, or a status that the service added later",
    "examples": ["COMPLETED"],
}
_COUNT: Schema = {"type": "integer", "minimum": 0, "examples": [7]}
_SECONDS: Schema = {"type": ["number", "null"], "examples": [318.5]}
_ALTERED: Schema = {
    "type": "array",
    "maxItems": 20,
    "items": {"type": "string"},
    "description": "Only if there are any: the properties that are not as the service returned them, because they "
    "could not be stored. A text was cut or made of a value of another type; another property was left out.",
}
_EXAMPLES = {
    "JobId": "7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b",
    "JobName": "nightly-notes",
    "Message": "The job failed: no document could be read.",
    "LanguageCode": "en",
    "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
    "ManifestFilePath": "2026/11/Manifest",
    "KMSKey": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "ModelVersion": "3.0.0",
}


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object in a response. It says that other members may come, because generators take silence to mean that none may."""
    required = {"required": [name for name in properties if name not in optional]}
    return {
        "type": "object",
        "properties": properties,
        **(required if required["required"] else {}),
        "additionalProperties": True,
    }


_LOCATION = _object(
    {
        "S3Bucket": {"type": "string", "examples": ["clinical-notes"]},
        "S3Key": {"type": "string", "examples": ["2026/11/"]},
    },
    ("S3Bucket", "S3Key"),
)


def _property(name: str) -> Schema:
    if name.endswith("Time"):
        return _TIME
    if name.endswith("DataConfig"):
        return _LOCATION
    if name == "JobStatus":
        return _STATUS
    return {"type": "string", "examples": [_EXAMPLES[name]]}


_NUMBERS = {
    name: {"type": "integer", "minimum": 0}
    for name in (
        *("InputFileCount", "SuccessFilesCount", "UnprocessedFilesCount"),
        *("TotalMeteredCharacters", "TotalDurationSeconds"),
    )
}
_OUTPUT = {
    **_object(
        _NUMBERS
        | {
            "ErrorCodes": {
                "type": "object",
                "additionalProperties": _COUNT,
                "description": "The files that were not processed, by the service's error code",
            },
            "Problem": {
                "type": "string",
                "examples": [*PROBLEMS],
                "description": "Why the manifest could not be read; with the numbers, why the list of unprocessed files could not",
            },
            "Location": {"type": "string", "description": "Where the manifest was looked for"},
        },
        (*_NUMBERS, "ErrorCodes", "Problem", "Location"),
    ),
    "description": "Only with the setting outputBuckets, of ended jobs: what the job processed, from its manifest in S3",
}
_OUTPUT_TOTALS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": _object(
            dict.fromkeys(
                ("InputFileCount", "UnprocessedFilesCount", "TotalMeteredCharacters"), _COUNT
            )
        ),
    },
    "description": "By family and status",
}


def _by_month(value: Schema, description: str) -> Schema:
    inner = {"type": "object", "additionalProperties": value}
    return {"type": "object", "additionalProperties": inner, "description": description}


_ACCOUNT: Schema = {"type": "string", "examples": ["111122223333"]}
_REGION: Schema = {"type": "string", "examples": ["us-east-1"]}
_ONLY_OF_SEVERAL = "Only in a ledger with the setting sources"
_SOURCE: dict[str, Schema] = {
    "Account": {**_ACCOUNT, "description": f"{_ONLY_OF_SEVERAL}: the AWS account of the job"},
    "Region": {**_REGION, "description": f"{_ONLY_OF_SEVERAL}: the AWS region of the job"},
    "SourceRemoved": {
        "type": "boolean",
        "description": "Only if it is true: the account and region are no longer in the setting sources, and the job is as "
        "it was last seen.",
    },
}

_JOB = {
    **_object(
        {name: _property(name) for name in PROPERTIES}
        | {ALTERED: _ALTERED, "Family": _FAMILY, **_SOURCE, "Output": _OUTPUT},
        (*PROPERTIES, ALTERED, *_SOURCE, "Output"),
    ),
    "description": "All properties of a job as the service lists them, and its Family. Properties that the service "
    "adds later are passed through.",
}
_PUBLISHED: dict[str, Schema] = {
    "DigestId": {"type": "string"},
    "MessageId": {"type": "string"},
    "Window": _object({"Start": _TIME, "End": _TIME}),
    "Counts": {"type": "object", "additionalProperties": _COUNT},
}

SCHEMAS: dict[str, Schema] = {
    "Job": _JOB,
    "JobList": _object(
        {
            "ComprehendMedicalAsyncJobPropertiesList": {
                "type": "array",
                "maxItems": 500,
                "items": {"$ref": "#/components/schemas/Job"},
            },
            "NextToken": {"type": "string", "maxLength": 512, "pattern": "^[A-Za-z0-9_-]+$"},
            "AsOf": _AS_OF,
            "Stale": {
                "type": "boolean",
                "description": "Only with ConsistentRead: AsOf is older than the request.",
            },
            "Examined": {
                "type": "integer",
                "minimum": 0,
                "description": "Only with a NextToken and no job: none of so many jobs matches; others follow.",
            },
        },
        optional=("NextToken", "Stale", "Examined"),
    ),
    "JobDescription": _object(
        {
            "ComprehendMedicalAsyncJobProperties": {"$ref": "#/components/schemas/Job"},
            "History": {
                "type": "array",
                "description": "Each status and the time when the ledger first observed it: the first one and the last 99",
                "items": _object({"JobStatus": _STATUS, "ObservedAt": _TIME}, ("JobStatus",)),
            },
            "ExpiredUpstream": {
                "type": "boolean",
                "description": "The service has deleted the job's metadata.",
            },
            "AsOf": _AS_OF,
        },
        optional=("ExpiredUpstream",),
    ),
    "Summary": _object(
        {
            "Total": _COUNT,
            "ByStatus": {"type": "object", "additionalProperties": _COUNT},
            "ByFamily": {"type": "object", "additionalProperties": _COUNT},
            "Durations": {
                **_object({"p50": _SECONDS, "p90": _SECONDS, "max": _SECONDS}),
                "description": "Seconds from SubmitTime to EndTime of finished jobs, within 1 %",
            },
            "OldestActive": {
                **_object(
                    {
                        "JobId": _property("JobId"),
                        "Family": _FAMILY,
                        "JobStatus": _STATUS,
                        "SubmitTime": _TIME,
                        "AgeSeconds": {"type": "number"},
                        "Account": _SOURCE["Account"],
                        "Region": _SOURCE["Region"],
                    },
                    (
                        *("JobId", "Family", "JobStatus", "SubmitTime", "AgeSeconds"),
                        *("Account", "Region"),
                    ),
                ),
                "type": ["object", "null"],
            },
            "ExpiringSoon": {
                **_COUNT,
                "description": "Jobs whose metadata the service deletes within 7 days from the start of this hour",
            },
            "FailureRate": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "AsOf": _AS_OF,
            "Output": {
                **_object(
                    {
                        "ByFamily": _OUTPUT_TOTALS,
                        "Characters": _by_month(
                            _COUNT, "Billed characters by submit month and family"
                        ),
                        "Cost": _by_month(
                            {"type": "string", "pattern": r"^\d+\.\d\d$"},
                            "Only with the setting characterPrices: their price by submit month and family",
                        ),
                    },
                    ("Cost",),
                ),
                "description": "Only with the setting outputBuckets: what the jobs processed whose manifest was read",
            },
        },
        ("Output",),
    ),
    "DigestRequest": {
        **DIGEST_BODY.full_schema,
        "description": "The digest's window, from 2018 on and ending at least two minutes ago; "
        "by default, from the end of the last digest on",
        "properties": {
            # Epoch seconds as a number are left out: from a choice of schemas, generators make code that cannot send a time.
            name: documented(member.schema["anyOf"][0])
            | {"description": member.description, "examples": [_A_TIME]}
            for name, member in DIGEST_BODY.members.items()
        },
    },
    "DigestAnswer": _object(
        _PUBLISHED
        | {
            "Digests": {
                "type": "array",
                "items": _object(
                    {"Account": {"type": "string"}, "Region": {"type": "string"}} | _PUBLISHED
                ),
                "description": "Only with the setting digestBy=source: the digest of each source. The ids and the window "
                "beside it are those of the first, the counts are the sums.",
            },
        },
        ("Digests",),
    ),
    "Health": _object(
        {
            "Status": {"type": "string", "examples": ["ok"]},
            "Families": {"$ref": "#/components/schemas/FamiliesHealth"},
            "Sources": {"$ref": "#/components/schemas/SourcesHealth"},
        },
        ("Sources",),
    ),
    "SourcesHealth": {
        "type": "array",
        "description": f"{_ONLY_OF_SEVERAL}: each account and region. Families then has the oldest AsOf and the newest "
        "error of each family.",
        "items": _object(
            {
                "Account": _ACCOUNT,
                "Region": _REGION,
                "Healthy": {"type": "boolean"},
                "Families": {"$ref": "#/components/schemas/FamiliesHealth"},
            }
        ),
    },
    "FamiliesHealth": {
        "type": "object",
        "additionalProperties": _object(
            {
                "AsOf": _AS_OF,
                "AgeSeconds": {"type": ["number", "null"], "minimum": 0, "examples": [42.1]},
                "LastError": {
                    **_object(
                        {
                            "Name": {"type": "string", "examples": ["TooManyRequestsException"]},
                            "At": _TIME,
                        },
                        ("Name", "At"),
                    ),
                    "type": ["object", "null"],
                    "description": "The error of the last sync; null when it succeeded",
                },
            }
        ),
    },
    "Problem": {
        **_object(
            {
                "type": {"type": "string", "examples": ["about:blank"]},
                "title": {"type": "string", "examples": ["ValidationException"]},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {"type": "string"},
                "instance": {"type": "string", "description": "The request id, as a URN"},
                "errors": {
                    "type": "array",
                    "items": _object(
                        {"parameter": {"type": "string"}, "allowed": {"type": "string"}}
                    ),
                },
                "Families": {"$ref": "#/components/schemas/FamiliesHealth"},
                "Sources": {"$ref": "#/components/schemas/SourcesHealth"},
            },
            optional=("errors", "Families", "Sources"),
        ),
        "description": "RFC 9457. The title is the service's exception name.",
    },
}
