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
        # JSON can carry lone surrogates, which msgspec refuses. The escape keeps its length and its backslash.
        try:
            counts = _counted(_SURROGATE.sub(rb"\\ufffd", data))
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid from error
    others = counts.pop(OTHER, 0)
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    others += sum(counts[code] for code in ordered[MOST_NAMED:])
    named = {code: counts[code] for code in ordered[:MOST_NAMED]}
    return named | ({OTHER: others} if others else {})


class _File:
    """A file of the list. None of them is kept: a list of 64 MB would be 300 MB of objects."""


class _List(msgspec.Struct):
    Files: list[_File]


def _counted(data: bytes | bytearray) -> Counter[str]:
    """Count the files of a list by their code. Raises ValueError or RecursionError for any other JSON, and for text that is not JSON."""
    counts: Counter[str] = Counter()
    number, the_file = 0, _File()

    def count(_: type, file: Any) -> _File:
        nonlocal number
        number += 1
        if number > _MOST_FILES:
            raise ObjectTooLarge("TooManyFiles")
        code = _code_of(file)
        counts[code if code in counts or len(counts) < _MOST_CODES else OTHER] += 1
        return the_file

    msgspec.json.decode(data, type=_List, dec_hook=count)
    return counts


def _code_of(file: Any) -> str:
    """Return the code of a file, unless it can be something else: it is shown to every reader of the ledger."""
    code = file.get("ErrorCode") if isinstance(file, dict) else None
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return OTHER
    name = file.get("Input")
    return OTHER if isinstance(name, str) and code in name else code


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
