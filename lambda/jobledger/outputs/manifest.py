"""Reads a job's manifest and its list of unprocessed files, as AWS documents them. No AWS calls.

A manifest is `{"Summary": {…}}` with numbers, also as text. The list is `{"Files": [{"Input", "ErrorCode",
"ErrorMessage"}, …]}`. Of the list only the codes are kept: names of files and messages can identify patients.
"""

import json
import re
from collections import Counter
from typing import Any

import msgspec

from jobledger.errors import ManifestInvalid, ObjectTooLarge
from jobledger.ledger.output import Output

MANIFEST_BYTES, LIST_BYTES = 2**20, 64 * 2**20
"""What is read at most of each; AWS documents no size."""
OTHER = "OTHER"
"""The name under which further codes, and values that are not codes, are counted together."""
MOST_NAMED = 20
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_LARGEST = 10**15
_LONGEST_NUMBER = 16
# A list of 64 MB has fewer, with a name and a code each.
_MOST_FILES = 2_000_000
_MOST_CODES = 50_000
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LONGEST_ESCAPE, _PART = len(rb"\ud800"), 2**20
# A key of S3 has 1,024 bytes, each of which can be an escape.
_LONGEST_VALUE = 8_192
_ABSENT = msgspec.Raw(b"null")


class Manifest(msgspec.Struct, frozen=True):
    """The numbers of a manifest, and the location of its list of unprocessed files, as it is written."""

    output: Output
    unprocessed_list: str | None

    @property
    def has_unprocessed(self) -> bool:
        """Whether some files were not processed, as far as the manifest says."""
        number = self.output.unprocessed_files
        return bool(self.unprocessed_list) if number is None else number > 0


def read_manifest(data: bytes | bytearray) -> Manifest:
    """Return what a manifest says. Raises ManifestInvalid for anything else."""
    try:
        # Python's decoder, because msgspec refuses what JSON allows: lone surrogates and huge numbers.
        text = data.decode("utf-8")
        whole = json.loads(text, parse_constant=_refuse, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid from error
    summary = whole.get("Summary") if isinstance(whole, dict) else None
    if not isinstance(summary, dict):
        raise ManifestInvalid
    success = _number(summary.get("SuccessFilesCount"))
    unprocessed = _number(summary.get("UnprocessedFilesCount"))
    files = _number(summary.get("InputFileCount"))
    if files is None and success is not None and unprocessed is not None:
        files = _number(success + unprocessed)
    characters = _number(summary.get("TotalMeteredCharacters"))
    if {files, success, unprocessed, characters} == {None}:
        raise ManifestInvalid
    location = summary.get("UnprocessedFilesListLocation")
    return Manifest(
        Output(
            input_files=files,
            success_files=success,
            unprocessed_files=unprocessed,
            characters=characters,
            seconds=_number(summary.get("TotalDurationSeconds")),
        ),
        location if isinstance(location, str) and location else None,
    )


def read_codes(data: bytes | bytearray) -> dict[str, int]:
    """Return the number of unprocessed files by code, the most frequent first.

    Raises ManifestInvalid for anything but a list of files, and ObjectTooLarge for more files than a job can have.
    """
    try:
        counts = _counted(data)
    except (ValueError, RecursionError):
        # JSON can carry lone surrogates, which msgspec refuses.
        try:
            counts = _counted(_without_surrogates(data))
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid from error
    others = counts.pop(OTHER, 0)
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    others += sum(counts[code] for code in ordered[MOST_NAMED:])
    named = {code: counts[code] for code in ordered[:MOST_NAMED]}
    return named | ({OTHER: others} if others else {})


def _counted(data: bytes | bytearray) -> Counter[str]:
    """Count the files of a list by their code. Raises ValueError or RecursionError for any other JSON, and for text that is not JSON."""
    counts: Counter[str] = Counter()
    number = 0

    class File(msgspec.Struct, eq=False):
        """A file of the list. No value of it is decoded before its length is known: one can be all of the 64 MB."""

        Input: msgspec.Raw = _ABSENT
        ErrorCode: msgspec.Raw = _ABSENT

        def __post_init__(self) -> None:
            nonlocal number
            number += 1
            if number > _MOST_FILES:
                raise ObjectTooLarge("TooManyFiles")
            code = _code_of(self.Input, self.ErrorCode)
            counts[code if code in counts or len(counts) < _MOST_CODES else OTHER] += 1

        # All are the same to the set, which so keeps one: a list of 64 MB would be 300 MB of objects.
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    class Files(msgspec.Struct):
        Files: set[File]

    msgspec.json.decode(data, type=Files)
    return counts


def _code_of(name: msgspec.Raw, code: msgspec.Raw) -> str:
    """Return the code of a file, unless it can be something else: it is shown to every reader of the ledger."""
    if max(len(name), len(code)) > _LONGEST_VALUE:
        return OTHER
    named, found = msgspec.json.decode(name), msgspec.json.decode(code)
    if not isinstance(found, str) or not _CODE.fullmatch(found):
        return OTHER
    return OTHER if isinstance(named, str) and found in named else found


def _without_surrogates(data: bytes | bytearray) -> bytearray:
    """Replace the escapes of surrogates, part by part; a part without end takes up to thirty times its size."""
    text = data if isinstance(data, bytearray) else bytearray(data)
    for start in range(0, len(text), _PART):
        # With the rest of an escape that begins in this part. A replacement has its length, and keeps its backslash.
        part = slice(start, start + _PART + _LONGEST_ESCAPE - 1)
        text[part] = _SURROGATE.sub(rb"\\ufffd", text[part])
    return text


def _number(value: Any) -> int | None:
    """Return a whole number that JSON has as a number or as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(rf"[0-9]{{1,{_LONGEST_NUMBER}}}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _LARGEST and value == int(value) else None


def _whole(digits: str) -> int | None:
    """Return an integer of JSON; None for one beyond all bounds, which Python refuses to read."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(constant)
