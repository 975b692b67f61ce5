"""Loads jobs from the output of the AWS CLI, or from an object of families to such lists."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from local.comprehend_medical.errors import JobsFileError
from local.comprehend_medical.families import Family
from local.comprehend_medical.jobs import Properties, milliseconds
from local.comprehend_medical.model import job_shape

LIST_KEY = "ComprehendMedicalAsyncJobPropertiesList"
_FAMILIES = ", ".join(Family)
MOST_SECONDS = 1e15
_TIME = "an ISO 8601 time (2026-11-02T03:04:05.678Z) or epoch seconds"


def load_jobs(path: Path) -> dict[Family, list[Properties]]:
    """Read a jobs file. Errors are one line with file, family, index and property."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise JobsFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise JobsFileError(f"{path}: is not JSON: {error}") from error
    try:
        return read_jobs(content)
    except JobsFileError as error:
        raise JobsFileError(f"{path}: {error}") from error


def read_jobs(content: object) -> dict[Family, list[Properties]]:
    """Read jobs from parsed JSON. A list without a family contains SNOMED CT jobs.

    Unknown statuses and properties are accepted; known properties must have the right type.
    """
    if isinstance(content, list) or (isinstance(content, Mapping) and LIST_KEY in content):
        content = {Family.SNOMEDCT: content}
    if not isinstance(content, Mapping):
        raise JobsFileError(
            f"holds {_kind(content)}; allowed is an object with {LIST_KEY}, "
            f"or one whose keys are families ({_FAMILIES})"
        )
    jobs: dict[Family, list[Properties]] = {}
    for name, value in content.items():
        if name not in set(Family):
            raise JobsFileError(f"{name!r} is not a family; allowed are {_FAMILIES}, or {LIST_KEY}")
        jobs[Family(name)] = _read_family(Family(name), value)
    return jobs


def _read_family(family: Family, value: object) -> list[Properties]:
    if isinstance(value, Mapping) and LIST_KEY in value:
        value = value[LIST_KEY]
    if not isinstance(value, list):
        raise JobsFileError(
            f"{family}: holds {_kind(value)}; allowed is a list of jobs, "
            f"or an object with {LIST_KEY}"
        )
    jobs = [_read_job(job, f"{family}[{index}]") for index, job in enumerate(value)]
    seen: dict[str, int] = {}
    for index, job in enumerate(jobs):
        job_id = job.get("JobId")
        if job_id is not None and seen.setdefault(job_id, index) != index:
            raise JobsFileError(
                f"{family}[{index}].JobId: {job_id!r} is that of "
                f"{family}[{seen[job_id]}] too; allowed is each id once a family"
            )
    return jobs


def _read_job(job: object, where: str) -> Properties:
    if not isinstance(job, Mapping):
        raise JobsFileError(f"{where}: is {_kind(job)}; allowed is an object of job properties")
    members = _members()
    read: Properties = {}
    for name, value in job.items():
        if value is None:
            continue
        kind = members.get(name)
        if kind is None:
            read[name] = value
        elif kind == "timestamp":
            read[name] = _read_time(value, f"{where}.{name}")
        elif isinstance(value, dict if kind == "structure" else str):
            read[name] = value
        else:
            allowed = "an object" if kind == "structure" else "a string"
            raise JobsFileError(f"{where}.{name}: is {_kind(value)}; allowed is {allowed}")
    return read


@cache
def _members() -> dict[str, str]:
    return {name: shape.type_name for name, shape in job_shape().members.items()}


def _read_time(value: object, where: str) -> float:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            # Without an offset: UTC instead of this machine's zone.
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return milliseconds(moment.timestamp())
        if isinstance(value, int | float) and not isinstance(value, bool):
            # As a service could send it: also beyond the calendar, and with milliseconds in a double.
            if abs(value) > MOST_SECONDS:
                raise ValueError
            return milliseconds(value)
    except (ValueError, OverflowError, OSError) as error:
        raise JobsFileError(f"{where}: {value!r} is not a time; allowed is {_TIME}") from error
    raise JobsFileError(f"{where}: is {_kind(value)}; allowed is {_TIME}")


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")
