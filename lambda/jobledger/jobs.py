"""A job as the ledger has it, and its progress by status."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from jobledger.fitting import dumps as _dumps
from jobledger.fitting import encodable, fitted
from jobledger.service import PROPERTIES, TERMINAL, Family, JobStatus
from jobledger.sources import tagged

_RANK_TERMINAL = 3
_RANKS: dict[str, int] = {
    JobStatus.SUBMITTED: 0,
    JobStatus.IN_PROGRESS: 1,
    JobStatus.STOP_REQUESTED: 2,
    **dict.fromkeys(TERMINAL, _RANK_TERMINAL),
}
# The service's model requires no property. Jobs without a submit time are stored under this one.
_NO_SUBMIT_TIME = "1970-01-01T00:00:00.000Z"
# Checks JSON without making objects of it.
_checker = msgspec.json.Decoder(msgspec.Raw)


class Job(msgspec.Struct, frozen=True):
    """One job: the filterable properties as fields, and the whole job as ready-made JSON.

    Times are in the format of `times.rfc3339`. A property that the service omits is None. `altered` are the properties
    that are not stored as the service returned them. `source` is as in `sources`.
    """

    family: Family
    job_id: str
    name: str | None
    status: str | None
    submit_time: str | None
    end_time: str | None
    expiration_time: str | None
    json: str
    altered: tuple[str, ...] = ()
    source: str | None = None

    @property
    def sort_key(self) -> str:
        """`SubmitTime#JobId` and the tag of the source: unique within a family, in submission order."""
        return self.key_of(self.submit_time, self.job_id, self.source)

    @staticmethod
    def key_of(submit_time: str | None, job_id: str, source: str | None = None) -> str:
        """Return the sort key of a job from its submit time, id and source."""
        return tagged(f"{submit_time or _NO_SUBMIT_TIME}#{job_id}", source)

    @staticmethod
    def submit_time_of(sort_key: str) -> str | None:
        """Return the submit time of a job from its sort key; None when it has none."""
        time = sort_key.partition("#")[0]
        return None if time == _NO_SUBMIT_TIME else time

    @property
    def rank(self) -> int:
        """The progress of the job, from 0 (submitted) to 3 (ended).

        A status outside the service's model counts as ended when the job has an EndTime, and as in progress
        otherwise.
        """
        if self.status in _RANKS:
            return _RANKS[self.status]
        return _RANK_TERMINAL if self.end_time else _RANKS[JobStatus.IN_PROGRESS]

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.rank == _RANK_TERMINAL


def job_from_service(family: Family, properties: Mapping[str, Any]) -> Job | None:
    """Return the job for one entry of a List or Describe response; None when it has no JobId.

    All properties are kept as far as they can be stored (`fitting`), including ones outside the service's model.
    Times (datetimes, or epoch seconds as in AWS JSON) become text. An entry without a JobId in text cannot be
    identified and is not stored.
    """
    job = {name: properties[name] for name in PROPERTIES if name in properties}
    if len(job) < len(properties):
        job |= {name: properties[name] for name in sorted(properties) if name not in job}
    job, altered = fitted(job)
    if not job.get("JobId"):
        return None
    return Job(
        family=family,
        job_id=encodable(job["JobId"]),
        name=_key_part(job.get("JobName") or "") or None,
        status=encodable(job.get("JobStatus") or "") or None,
        submit_time=job.get("SubmitTime"),
        end_time=job.get("EndTime"),
        expiration_time=job.get("ExpirationTime"),
        json=_dumps(job | {"Family": family.value}),
        altered=altered,
    )


def job_from_json(family: Family, stored: str) -> Job | None:
    """Return the job that was stored as `Job.json`."""
    properties = msgspec.json.decode(stored)
    properties.pop("Family", None)
    return job_from_service(family, properties)


class Stored(msgspec.Struct):
    """The properties of a stored job by which it is counted and followed."""

    JobStatus: str | None = None
    SubmitTime: str | None = None
    EndTime: str | None = None
    ExpirationTime: str | None = None

    @property
    def status(self) -> str | None:
        """The status, as in `Job`."""
        return encodable(self.JobStatus or "") or None


_stored = msgspec.json.Decoder(Stored)


def read_stored(text: str) -> Stored:
    """Return these properties of `Job.json`. Raises ValueError for text that no version of ours writes."""
    try:
        return _stored.decode(text)
    except msgspec.DecodeError:
        pass  # JSON can carry a lone surrogate, which msgspec refuses
    try:
        return msgspec.convert(json.loads(text, parse_constant=_refuse), Stored)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def s3_uri(location: object) -> str | None:
    """Return `s3://bucket/key` of a job's InputDataConfig or OutputDataConfig; None without a bucket."""
    if not isinstance(location, dict) or not location.get("S3Bucket"):
        return None
    return f"s3://{location['S3Bucket']}/{location.get('S3Key') or ''}"


def _key_part(name: str) -> str:
    """Return a name for index keys: of 2,048 bytes, with a status. The model's names have 1,024 at most."""
    return encodable(name).encode()[:1_800].decode(errors="ignore")


def is_object(text: str) -> bool:
    """Whether the text is a JSON object with a member. It costs a seventh of a millisecond for 500 jobs.

    Members are added at its end: nothing follows it.
    """
    if not (text.startswith("{") and text.endswith("}") and '"' in text):
        return False
    try:
        _checker.decode(text)
    except msgspec.DecodeError:
        return _is_object_with_surrogates(text)
    return True


def _is_object_with_surrogates(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except ValueError:
        return False


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(constant)
