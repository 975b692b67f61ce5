"""Jobs as CSV and as NDJSON, from their ready-made JSON.

CSV is RFC 4180 with every cell quoted. The columns are the same for all jobs, so that pages can be
concatenated. A cell that a spreadsheet could interpret as a formula is prefixed with `'`, as OWASP ("CSV
Injection") recommends, and so is a cell that starts with `'`. Removing one leading `'` from a cell restores
the text (`plain_cell`).
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec

from jobledger.ledger.output import OUTPUT_MEMBER
from jobledger.service import PROPERTIES

_NESTED = {
    "InputDataConfig": ("S3Bucket", "S3Key"),
    "OutputDataConfig": ("S3Bucket", "S3Key"),
}
_OTHERS = "OtherProperties"
"""Properties that the service added after this list was written, as JSON; the last column but those of the output."""
OUTPUT_COLUMNS = (
    *("InputFileCount", "SuccessFilesCount", "UnprocessedFilesCount"),
    *("TotalMeteredCharacters", "TotalDurationSeconds", "ErrorCodes", "OutputProblem"),
)
"""What a job processed, where the deployment reads it. ErrorCodes are JSON."""
SOURCE_COLUMNS = ("Account", "Region")
"""Where a job is, in a ledger with several sources."""

# Excel reads a file without it as text of the machine's own encoding.
BYTE_ORDER_MARK = "\ufeff"
COLUMNS = (
    *(
        column
        for name in PROPERTIES
        for column in ([f"{name}.{member}" for member in _NESTED.get(name, ())] or [name])
    ),
    "Family",
    _OTHERS,
)
# The property, and the member of a nested one, of each column but the last.
_PLACES = tuple(
    (name, member or None) for name, _, member in (column.partition(".") for column in COLUMNS[:-1])
)
_decoder = msgspec.json.Decoder(dict[str, Any])

# A job with the known properties only, their values as they stand in the JSON.
_EMPTY = msgspec.Raw(b'""')
_Location = msgspec.defstruct(
    "_Location",
    [(member, msgspec.Raw, _EMPTY) for member in ("S3Bucket", "S3Key")],
    forbid_unknown_fields=True,
)
_PlainJob = msgspec.defstruct(
    "_PlainJob",
    [
        (name, _Location, msgspec.field(default_factory=_Location))
        if name in _NESTED
        else (name, msgspec.Raw, _EMPTY)
        for name in (*PROPERTIES, "Family")
    ],
    forbid_unknown_fields=True,
)
_plain_decoder = msgspec.json.Decoder(_PlainJob)
_plain_cells = attrgetter(*COLUMNS[:-1])
# Strings of JSON that are cells already, if they have no escapes: empty, or those that `safe_cell` leaves as they are.
_PLAIN_ROW = re.compile(r'(?:"(?:[^\W_][^"]*+)?+",)*+')
# Includes the full-width forms, which Japanese spreadsheets treat as equal.
_RISKY_STARTS = frozenset("=+-@＝＋－＠\t\r\n")


def csv_text(jobs: Iterable[str], *, outputs: bool = False, sources: bool = False) -> str:
    """Return jobs, each given as JSON, as CSV with a header line.

    With `outputs`, what they processed comes after the other columns, and with `sources` their sources come last.
    """
    columns = (*COLUMNS, *(OUTPUT_COLUMNS if outputs else ()), *(SOURCE_COLUMNS if sources else ()))
    header = ",".join(map(_quoted, columns))
    row = _row_with_output if outputs else _row
    rows = (_row_with_source(job, row) for job in jobs) if sources else map(row, jobs)
    return "".join(f"{row}\r\n" for row in (header, *rows))


def ndjson_text(jobs: Iterable[str]) -> str:
    """Return jobs as one JSON object a line. Only JSON that a person has edited contains line breaks, between members."""
    return "".join(job.replace("\n", " ") + "\n" for job in jobs)


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet interprets as a formula."""
    if text[:1].isalnum():
        return text
    return f"'{text}" if text.startswith("'") or _may_be_run(text) else text


def plain_cell(cell: str) -> str:
    """Return the original text of a cell that `safe_cell` wrote."""
    return cell.removeprefix("'")


def _may_be_run(text: str) -> bool:
    """Whether the text, without leading blanks, starts with a formula sign or a cell delimiter."""
    for character in text:
        if character in _RISKY_STARTS:
            return True
        if not _is_blank(character):
            return False
    return False


def _is_blank(character: str) -> bool:
    """Whether a program may strip the character: blanks, controls, and invisible format characters."""
    return unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cc", "Cf"}


def _row(text: str) -> str:
    """Return the row of a job. Most jobs have only plain text, and its JSON is copied."""
    if "\\" not in text:
        with suppress(msgspec.DecodeError):  # other properties, or values that are not text
            row = b",".join((*_plain_cells(_plain_decoder.decode(text)), b"")).decode()
            if _PLAIN_ROW.fullmatch(row):
                return f'{row}""'
    # JSON can carry a lone surrogate, but UTF-8 cannot: it becomes its escape.
    cells = ",".join(map(_quoted, _cells(_read(text))))
    return cells.encode(errors="backslashreplace").decode()


def _row_with_output(text: str) -> str:
    """Return the row of a job and of its output, which `with_output` has made its last member."""
    job, member, output = text.rpartition(OUTPUT_MEMBER)
    try:
        found = _decoder.decode(output[:-1]) if member else {}
        row = _row(f"{job}}}" if member else text)
    except msgspec.DecodeError:
        found, row = {}, _row(text)
    named = found | {"OutputProblem": found.get("Problem", "")}
    cells = (safe_cell(_text(named.get(column, ""))) for column in OUTPUT_COLUMNS)
    return ",".join((row, *map(_quoted, cells)))


def _row_with_source(text: str, row: Callable[[str], str]) -> str:
    """Return the row of a job without its source, and then this, which `ShownJobs` has put behind its properties."""
    before, _, after = text.rpartition(',"Account":"')
    account, _, after = after.partition('","Region":"')
    region, _, after = after.partition('"')
    return f'{row(before + after)},"{account}","{region}"'


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def _read(text: str) -> dict[str, Any]:
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        job: dict[str, Any] = json.loads(text)  # it has a lone surrogate, which msgspec refuses
        return job


def _cells(job: dict[str, Any]) -> list[str]:
    nested = {name: dict(job[name]) for name in _NESTED if isinstance(job.get(name), dict)}
    rest = job | nested
    cells = [_text(_taken(rest, nested.get(name), name, member)) for name, member in _PLACES]
    others = {name: value for name, value in rest.items() if value != {}}
    cells.append(_text(others) if others else "")
    return [safe_cell(cell) for cell in cells]


def _taken(
    rest: dict[str, Any], inner: dict[str, Any] | None, name: str, member: str | None
) -> Any:
    """Remove a column's value from the rest of a job and return it."""
    if member is None:
        return rest.pop(name, "")
    return "" if inner is None else inner.pop(member, "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
