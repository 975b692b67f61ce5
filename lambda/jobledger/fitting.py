"""What of a job's properties can be stored, so that each job of the service has a row, of a bounded size.

The service's model bounds few properties, and no answer is guaranteed to follow it. A text that is too long is
cut, a known property of another type becomes text, and a time that cannot be parsed, or a value that is too large, is left
out. `Altered` names these properties in the job.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jobledger.times import from_epoch, rfc3339, rfc3339_of_epoch

ALTERED = "AlteredProperties"
"""Our own property, which names those that are not as the service returned them."""
MAX_JOB_BYTES = 58_000
"""The size of a job's JSON is below this: fifty jobs and their changes fit into a transaction of 4 MB."""

TIMES = frozenset({"SubmitTime", "EndTime", "ExpirationTime"})
_LOCATIONS = frozenset({"InputDataConfig", "OutputDataConfig"})
# The bytes of the JSON of a text.
_TEXTS = {
    "JobName": 4_100,
    "JobStatus": 100,
    "Message": 20_480,
    **dict.fromkeys(
        ("LanguageCode", "DataAccessRoleArn", "ManifestFilePath", "KMSKey", "ModelVersion"), 2_560
    ),
}
_LOCATION_TEXT = 1_600
# Of all properties that the service adds to its model, and of the name of one.
_OTHERS, _OTHER_NAME = 10_000, 100
# A NextToken of 512 characters has a JobId; the model's have 32.
_JOB_ID = 128
_MOST_NAMED = 20


def fitted(properties: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a job's properties as they are stored, and the names of those that differ.

    Nearly every job has only properties of the model and short texts: it is stored as it is, except for its
    times. Other jobs take ten times as long.
    """
    try:
        msgspec.convert(properties, _Usual)
        properties["JobId"].encode("ascii")
        times = {name: rfc3339_of_epoch(properties[name]) for name in TIMES if name in properties}
    except (msgspec.ValidationError, ValueError, OverflowError):
        fitting = Fitting(properties)
        return fitting.job, tuple(fitting.altered)
    return {**properties, **times}, ()


def _short(most: int) -> Any:
    """Return the type of a text whose JSON has at most this many bytes: an escaped character takes six."""
    return Annotated[str, msgspec.Meta(max_length=most // 6)]


# The JSON of a place has 32 bytes beside its texts.
_Place: Any = dict[Literal["S3Bucket", "S3Key"], _short(_LOCATION_TEXT - 16)]  # type: ignore[misc] # a type made of a value
_Usual = msgspec.defstruct(
    "_Usual",
    [
        ("JobId", Annotated[str, msgspec.Meta(min_length=1, max_length=_JOB_ID)]),
        *((name, _short(most - 2), msgspec.UNSET) for name, most in _TEXTS.items()),
        *((name, float, msgspec.UNSET) for name in TIMES),
        *((name, _Place, msgspec.UNSET) for name in _LOCATIONS),
    ],
    forbid_unknown_fields=True,
)


class Fitting:
    """The properties of one job as they are stored; `altered` are the names of those that differ."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.altered: list[str] = []
        self._left = _OTHERS
        self.job: dict[str, Any] = {}
        for name, value in properties.items():
            try:
                self.job[name] = value if value is None else self._fitted(name, value)
            except (ValueError, OverflowError, TypeError, RecursionError):
                self._alter(name)
        if self.altered:
            self.job[ALTERED] = self.altered

    def _alter(self, name: str) -> None:
        if len(self.altered) < _MOST_NAMED:
            self.altered.append(encodable(name)[:_OTHER_NAME])

    def _fitted(self, name: str, value: Any) -> Any:
        """Return a value as it is stored. Raises an error for one that is left out."""
        if name in TIMES or isinstance(value, datetime):
            return _time(value)
        if name == "JobId":
            return self._job_id(value)
        if name in _TEXTS:
            return self._text(name, value, _TEXTS[name])
        if name in _LOCATIONS:
            return self._location(name, value)
        return self._other(name, value)

    def _job_id(self, value: Any) -> str:
        """Return a JobId that a key can hold; a shortened one still differs from all others."""
        if not isinstance(value, str):
            raise TypeError
        known = encodable(value).encode()
        if len(known) <= _JOB_ID:
            return value
        self._alter("JobId")
        return f"{_cut(encodable(value), 34)}~{hashlib.sha256(known).hexdigest()}"

    def _text(self, name: str, value: Any, most: int) -> str:
        text = value if isinstance(value, str) else dumps(value)
        fits = len(text) * 6 < most or _size(text) <= most
        if not fits or text is not value:
            self._alter(name)
        return text if fits else _cut(text, most)

    def _location(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError
        place = {at: value[at] for at in ("S3Bucket", "S3Key") if at in value}
        if not all(text is None or isinstance(text, str) for text in place.values()):
            raise TypeError
        if _size(value) <= 2 * _LOCATION_TEXT:
            return value
        self._alter(name)
        return {at: text and _cut(text, _LOCATION_TEXT) for at, text in place.items()}

    def _other(self, name: str, value: Any) -> Any:
        size = len(json.dumps(value, allow_nan=False))
        if len(encodable(name)) > _OTHER_NAME or self._left < len(name):
            raise ValueError
        if size > self._left:
            if not isinstance(value, str):
                raise ValueError
            self._alter(name)
            value, size = _cut(value, self._left), self._left
        self._left -= size + 6 * len(name)
        return value


def encodable(text: str) -> str:
    """Return text without lone surrogates, which JSON can carry but no attribute of a row."""
    return text.encode(errors="backslashreplace").decode()


def dumps(value: Any) -> str:
    """Return the JSON of a value."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        # JSON can carry a lone surrogate and any integer. In JSON, the backslash makes it an escape.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return encodable(text)


def _size(value: Any) -> int:
    return len(dumps(value).encode())


def _cut(text: str, most: int) -> str:
    """Return nearly the longest beginning whose JSON has at most this many bytes."""
    text = text[: max(most, 0)]
    while text and (size := _size(text)) > most:
        text = text[: len(text) * most // size]
    return text


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return rfc3339(from_epoch(value))
    if not isinstance(value, str):
        raise TypeError
    return rfc3339(datetime.fromisoformat(value))
