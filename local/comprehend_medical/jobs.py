"""A job in the stand-in: its JSON, its filterable properties, and its next status changes."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from local.comprehend_medical.families import MODEL_VERSIONS, OUTPUT_LABELS, Family
from local.comprehend_medical.settings import Settings

DAY = 86_400.0
ACTIVE = frozenset({"SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED"})
ENDED = frozenset({"COMPLETED", "PARTIAL_SUCCESS", "FAILED", "STOPPED"})
# A started job fails if its name begins like this, whatever the setting `outcome` is.
WILL_FAIL = "will-fail"
# Such a job ends in part, with a manifest that is there at once.
WILL_END_IN_PART = "will-end-in-part"
FAILURE_MESSAGE = "No documents could be read: access to the input bucket was denied."
_ECHOED = ("JobName", "InputDataConfig", "LanguageCode", "DataAccessRoleArn", "KMSKey")

Properties = dict[str, Any]


class Step(NamedTuple):
    """A change that is due at a time."""

    at: float
    changes: Properties


class Job:
    """One job. Its JSON text is made once per change, so a page is joined and not serialized."""

    __slots__ = (
        "expires",
        "job_id",
        "key",
        "listed_from",
        "name",
        "plan",
        "status",
        "submitted",
        "text",
    )

    def __init__(self, key: int, properties: Mapping[str, Any]) -> None:
        self.key = key
        self.plan: tuple[Step, ...] = ()
        self.listed_from = -math.inf
        self.write(properties)

    def write(self, properties: Mapping[str, Any]) -> None:
        """Replace all properties. Only the shelf calls this, because it must move the job."""
        self.text = json.dumps(properties)
        self.job_id: str | None = properties.get("JobId")
        self.name: str | None = properties.get("JobName")
        self.status: str | None = properties.get("JobStatus")
        self.submitted: float | None = properties.get("SubmitTime")
        self.expires: float | None = properties.get("ExpirationTime")

    @property
    def properties(self) -> Properties:
        """Return a copy of the properties, with times as epoch seconds."""
        properties: Properties = json.loads(self.text)
        return properties


def milliseconds(seconds: float) -> float:
    """Truncate a time to whole milliseconds, as the service sends it (1589920717.594)."""
    # A double near 1.7e9 is off by up to 1.2e-7: without this tolerance, .594 could become .593.
    return math.floor(seconds * 1000 + 0.0005) / 1000


def new_job(family: Family, job_id: str, wanted: Properties, now: float, days: float) -> Properties:
    """Return the job for a Start request. In AWS's examples, ExpirationTime has no fraction."""
    submitted = milliseconds(now)
    account = wanted["DataAccessRoleArn"].split(":")[4]
    output = wanted["OutputDataConfig"]
    below = output.get("S3Key", "").strip("/")
    folder = f"{account}-{OUTPUT_LABELS[family]}-{job_id}/"
    properties = {
        "JobId": job_id,
        "JobStatus": "SUBMITTED",
        "SubmitTime": submitted,
        "ExpirationTime": float(math.floor(submitted + days * DAY)),
        "OutputDataConfig": output | {"S3Key": f"{below}/{folder}" if below else folder},
        "ModelVersion": MODEL_VERSIONS[family],
    }
    return properties | {name: wanted[name] for name in _ECHOED if wanted.get(name) is not None}


def ending(properties: Properties, outcome: str, at: float) -> Properties:
    """Return the final changes of a job: FAILED has a Message, PARTIAL_SUCCESS a manifest."""
    changes: Properties = {"JobStatus": outcome, "EndTime": milliseconds(at)}
    if outcome == "FAILED":
        changes["Message"] = FAILURE_MESSAGE
    if outcome == "PARTIAL_SUCCESS":
        folder = properties.get("OutputDataConfig", {}).get("S3Key", "")
        changes["ManifestFilePath"] = f"{folder}Manifest"
    return changes


def life(properties: Properties, settings: Settings) -> Iterator[Step]:
    """Yield the status changes of a new job."""
    running = properties["SubmitTime"] + settings.submitted_seconds
    ended = running + settings.in_progress_seconds
    yield Step(running, {"JobStatus": "IN_PROGRESS"})
    name = properties.get("JobName", "")
    outcome = "PARTIAL_SUCCESS" if name.startswith(WILL_END_IN_PART) else settings.outcome
    outcome = "FAILED" if name.startswith(WILL_FAIL) else outcome
    yield Step(ended, ending(properties, outcome, ended))
