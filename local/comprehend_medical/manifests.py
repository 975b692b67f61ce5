"""What an ended job writes to S3: its manifest and its list of unprocessed files, and what a reader should make of them.

The form is that of AWS's documents; where they say nothing, a job's id decides among what is possible. So the outcome of
a job is the same wherever it is asked for. The members of `Output` are those of Job Ledger.
"""

import json
import random
from collections import Counter
from enum import StrEnum
from typing import Any, NamedTuple

from local.comprehend_medical.families import NOUNS, OUTPUT_LABELS, Family
from local.comprehend_medical.jobs import WILL_END_IN_PART, Properties

WITH_MANIFEST = ("COMPLETED", "PARTIAL_SUCCESS")
ERROR_CODES = ("InternalServerError", "TextSizeLimitExceeded", "InvalidEncoding")


class Kind(StrEnum):
    """How a job's manifest is. `NONE`: the job has none, and says no place of one."""

    NONE = "None"
    WHOLE = "Whole"
    NUMBERS_AS_TEXT = "NumbersAsText"
    LATE = "Late"
    MISSING = "Missing"
    DENIED = "Denied"
    NOT_JSON = "NotJson"
    OTHER_FIELDS = "OtherFields"
    LIST_BELOW = "ListBelowTheFolder"
    LIST_AS_URI = "ListAsUri"
    LIST_MISSING = "ListMissing"
    LIST_DENIED = "ListDenied"


# In a hundred.
_DAMAGED = {Kind.LATE: 4, Kind.MISSING: 2, Kind.DENIED: 2, Kind.NOT_JSON: 1, Kind.OTHER_FIELDS: 1}
_OF_COMPLETED = {Kind.WHOLE: 80, Kind.NUMBERS_AS_TEXT: 10, **_DAMAGED}
_OF_PARTIAL = {
    Kind.WHOLE: 50,
    Kind.NUMBERS_AS_TEXT: 10,
    Kind.LIST_BELOW: 12,
    Kind.LIST_AS_URI: 12,
    Kind.LIST_MISSING: 4,
    Kind.LIST_DENIED: 2,
    **_DAMAGED,
}


class Object(NamedTuple):
    """An object to write."""

    bucket: str
    key: str
    body: bytes
    archived: bool = False
    """S3 refuses to read an archived object, with the status 403."""


class Outcome(NamedTuple):
    """What a job writes, and its `Output` as Job Ledger should have it, if it may read the bucket."""

    kind: Kind
    objects: tuple[Object, ...]
    output: Properties


def outcome_of(family: Family, job: Properties) -> Outcome:
    """Return the outcome of an ended job."""
    at = job.get("OutputDataConfig", {})
    bucket, path = at.get("S3Bucket"), job.get("ManifestFilePath")
    if bucket is None:
        return Outcome(Kind.NONE, (), {"Problem": "NoOutputLocation"})
    if path is None:
        location = f"s3://{bucket}/{at.get('S3Key', '')}"
        return Outcome(Kind.NONE, (), {"Problem": "ManifestNotFound", "Location": location})
    rng = random.Random(job["JobId"])
    return _Manifest(family, job, bucket, path, rng).outcome()


def manifest_path(job: Properties) -> str:
    """Return the path that the service says, in the output's bucket."""
    return f"{job['OutputDataConfig'].get('S3Key', '')}Manifest"


class _Manifest:
    """One job's numbers and places."""

    def __init__(
        self, family: Family, job: Properties, bucket: str, path: str, rng: random.Random
    ) -> None:
        partial = job["JobStatus"] == "PARTIAL_SUCCESS"
        kinds = _OF_PARTIAL if partial else _OF_COMPLETED
        drawn = rng.choices(list(kinds), list(kinds.values()))[0]
        self.kind = Kind.WHOLE if str(job.get("JobName")).startswith(WILL_END_IN_PART) else drawn
        self._job, self._bucket, self._path = job, bucket, path
        self._folder = path[: path.rfind("/") + 1]
        operation = NOUNS[family].removesuffix("Job").removesuffix("V2")
        account = job.get("DataAccessRoleArn", ":" * 4).split(":")[4]
        self._lists = f"Manifest_{account}-{operation}-{job['JobId']}"
        self._name = f"{OUTPUT_LABELS[family]}.json"
        self._operation = operation
        files = rng.randint(1, 400)
        self._codes = rng.choices(ERROR_CODES, (9, 3, 1), k=rng.randint(1, min(files, 30)))
        left = len(self._codes) if partial else 0
        self._numbers = {
            "InputFileCount": files,
            "SuccessFilesCount": files - left,
            "UnprocessedFilesCount": left,
            "TotalMeteredCharacters": sum(rng.randint(50, 20_000) for _ in range(files - left)),
            "TotalDurationSeconds": rng.randint(20, 3_000),
        }

    def outcome(self) -> Outcome:
        """Return what is written, and what should be read."""
        match self.kind:
            case Kind.MISSING:
                return self._unread("ManifestNotFound")
            case Kind.DENIED:
                return self._unread("AccessDenied", self._object(self._summary(), archived=True))
            case Kind.NOT_JSON:
                return self._unread("NotAManifest", self._object(b'{"Summary": {"InputFileCount"'))
            case Kind.OTHER_FIELDS:
                other = {"Summary": {"Status": "COMPLETED", "Pages": 12}}
                return self._unread("NotAManifest", self._object(json.dumps(other).encode()))
        written = [self._object(self._summary())]
        output = dict[str, Any](self._numbers)
        if not output["UnprocessedFilesCount"]:
            return Outcome(self.kind, (*written,), output)
        if self.kind in (Kind.LIST_MISSING, Kind.LIST_DENIED):
            missing = self.kind is Kind.LIST_MISSING
            output["Problem"] = "ManifestNotFound" if missing else "AccessDenied"
            output["Location"] = self._uri
        else:
            output["ErrorCodes"] = dict(Counter(sorted(self._codes)).most_common())
        if self.kind is not Kind.LIST_MISSING:
            key = f"{self._folder}{self._lists}/failed/{self._name}"
            denied = self.kind is Kind.LIST_DENIED
            # The list first: who sees the manifest finds it.
            written.insert(0, Object(self._bucket, key, self._unprocessed(), denied))
        return Outcome(self.kind, (*written,), output)

    @property
    def _uri(self) -> str:
        return f"s3://{self._bucket}/{self._path}"

    def _unread(self, problem: str, *objects: Object) -> Outcome:
        return Outcome(self.kind, objects, {"Problem": problem, "Location": self._uri})

    def _object(self, body: bytes, *, archived: bool = False) -> Object:
        return Object(self._bucket, self._path, body, archived)

    def _summary(self) -> bytes:
        as_text = self.kind is Kind.NUMBERS_AS_TEXT
        places = {
            f"{name}DataConfiguration": {
                "Bucket": self._job.get(f"{name}DataConfig", {}).get("S3Bucket"),
                "Path": self._job.get(f"{name}DataConfig", {}).get("S3Key", ""),
            }
            for name in ("Input", "Output")
        }
        summary = {
            "Status": self._job["JobStatus"],
            "JobType": self._operation,
            **places,
            **{name: str(n) if as_text else n for name, n in self._numbers.items()},
            "SuccessfulFilesListLocation": self._location("success"),
            "UnprocessedFilesListLocation": self._location("failed"),
        }
        return json.dumps({"Summary": summary}).encode()

    def _location(self, folder: str) -> str:
        below = f"{self._lists}/{folder}/{self._name}"
        match self.kind:
            case Kind.LIST_BELOW:
                return below
            case Kind.LIST_AS_URI:
                return f"s3://{self._bucket}/{self._folder}{below}"
        return f"{self._folder}{below}"

    def _unprocessed(self) -> bytes:
        files = [
            {"Input": f"note-{number}.txt", "ErrorCode": code, "ErrorMessage": "Not processed."}
            for number, code in enumerate(self._codes)
        ]
        return json.dumps({"Files": files}).encode()
