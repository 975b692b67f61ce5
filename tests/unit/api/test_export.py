"""CSV and NDJSON: nothing is lost, and nothing runs in a spreadsheet."""

import csv
import io
import itertools
import json
import random
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobledger.api import export
from jobledger.api.export import COLUMNS, csv_text, ndjson_text, plain_cell, safe_cell
from jobledger.inputs.formats import parse_name
from jobledger.jobs import job_from_service
from jobledger.service import PROPERTIES, Family
from testing.api import Answer, running_api
from testing.builders import full_job

LEADERS = ("=", "+", "-", "@", "\t", "\r")
BLANKS = ("", " ", "\u00a0", "\n", "\r\n")
PUNCTUATION = "_.:/=+-%@"
SPECIAL_NAMES = [
    "=1+1", "+1", "-1", "@SUM", "%41", "a\u2028b", "\u2029",
    "\u00a0=1+1", " =1", "שלום", "مرحبا=1", "診療記録 夜間", "Ａ", "\u1680x", "٣", "Ⅷ",
    "=" * 256, "\U00020000" * 256, "é", " ", "=+-@",
]  # fmt: skip


def legal_names(count: int = 1000) -> list[str]:
    """Names of all that the service allows, the awkward ones first."""
    source = random.Random(17)
    letters = [c for c in map(chr, range(0x20, 0x30000)) if unicodedata.category(c)[0] in "LZN"]
    names = dict.fromkeys(SPECIAL_NAMES)
    while len(names) < count:
        length = source.choice([1, 2, 5, 20, 256])
        alphabet = source.choice([letters, letters[:200], PUNCTUATION, "= +-@\u00a0\u2028"])
        names["".join(source.choices(alphabet, k=length))] = None
    return [parse_name(name) for name in names]


def rows_of(text: str) -> list[dict[str, str]]:
    """What a program reads that knows to drop the leading quote."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: plain_cell(cell) for name, cell in row.items()} for row in rows]


READERS: dict[str, Callable[[Answer], list[Any]]] = {
    "json": lambda answer: answer.jobs,
    "csv": lambda answer: rows_of(answer.body),
    "ndjson": lambda answer: [*map(json.loads, answer.body.split("\n")[:-1])],
}


def test_a_thousand_legal_names_survive_ledger_json_csv_and_ndjson():
    names = legal_names()
    query: dict[str, Any] = {"MaxResults": 500, "Order": "ascending"}
    second = {"SubmitTimeAfter": f"{full_job(499)['SubmitTime']:.3f}"}
    with running_api() as api:
        api.fill(*(full_job(number, JobName=name) for number, name in enumerate(names)))
        for form, read in READERS.items():
            pages = [read(api.get(Format=form, **query, **more)) for more in ({}, second)]
            assert [job["JobName"] for page in pages for job in page] == names
        for name in names:
            assert [job["JobName"] for job in api.get("/jobs", JobName=name).jobs] == [name]


@pytest.mark.parametrize("column", ["JobName", "Message", "InputDataConfig.S3Key"])
def test_no_cell_begins_with_what_a_spreadsheet_runs(column):
    for blank, leader in itertools.product(BLANKS, LEADERS):
        text = f"{blank}{leader}HYPERLINK(1)"
        name, _, member = column.partition(".")
        made = csv_text([json_of(full_job() | {name: {member: text} if member else text})])
        (row,) = csv.DictReader(io.StringIO(made, newline=""))
        assert row[column] == f"'{text}"
        assert rows_of(made)[0][column] == text
        assert made.count('\r\n"') == 1  # the header's line and the job's: nothing began another


def test_disguises_of_a_formula_are_seen_through_and_other_text_is_left_as_it_is():
    for text in ("＝1", "＠A", "\ufeff=1", "\u200b=1", "\x00=1", "\u2028=1", "'=1", "'"):
        assert safe_cell(text) == f"'{text}"
    for text in ("", "a", "a=1", "2026-11-23T08:00:00.000Z", "%41", "{}", "a'b"):
        assert safe_cell(text) == text


@given(st.text())
def test_dropping_the_quote_gives_the_exact_text(text):
    cell = safe_cell(text)
    assert plain_cell(cell) == text
    assert cell[:1] not in set("=+-@\t\r\n")


def json_of(properties: dict) -> str:
    job = job_from_service(Family.SNOMEDCT, properties)
    assert job
    return job.json


def test_the_columns_are_the_properties_of_the_service_and_then_ours():
    text = csv_text([])
    assert text.count("\r\n") == 1
    assert next(csv.reader([text])) == list(COLUMNS)
    assert len(COLUMNS) == 14 + 2 + 2  # two of the properties are two columns each
    # Absent properties are empty cells, and added ones are in the last column.
    location = {"S3Bucket": "notes", "S3Key": "in/", "Region": "=eu"}
    added = {"Priority": 7, "Tags": [{"Key": "a"}], "InputDataConfig": location}
    jobs = [full_job() | added, {"JobId": "a"}, full_job(Message="a\ud800b")]
    row, bare, surrogate = rows_of(csv_text([*map(json_of, jobs)]))
    assert row["InputDataConfig.S3Key"] == "in/"
    assert json.loads(row["OtherProperties"]) == added | {"InputDataConfig": {"Region": "=eu"}}
    assert {name: bare[name] for name in bare if bare[name]} == {"JobId": "a", "Family": "SNOMEDCT"}
    assert surrogate["Message"] == "a\\ud800b", "the escape that it was"


TEXTS = st.text() | st.sampled_from(
    ["", "a", "é", "٣", "²", "_", "=1", "'a", 'a"b', "a\\b", "a,b", "a\r\n=1"]
)
VALUES = TEXTS | st.none() | st.integers() | st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS)
LOCATIONS = st.dictionaries(st.sampled_from(["S3Bucket", "S3Key", "Region"]), TEXTS)
JOBS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys([*PROPERTIES, "Family"], TEXTS) | {
        "Message": VALUES, "Added": VALUES, "InputDataConfig": LOCATIONS | VALUES, "OutputDataConfig": LOCATIONS,
    },
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(JOBS, max_size=3), st.booleans())
def test_a_row_that_is_copied_from_json_is_the_one_that_is_made_cell_by_cell(jobs, escaped):
    texts = [json.dumps(job, ensure_ascii=escaped) for job in jobs]
    with mock.patch.object(export, "_PLAIN_ROW", re.compile("(?!)")):
        by_cell = csv_text(texts)
    assert csv_text(texts) == by_cell


def test_a_byte_order_mark_is_there_on_request_and_ndjson_has_one_job_a_line():
    with running_api() as api:
        api.fill(full_job(1, JobName="Zürich"))
        plain, marked = (api.get("/jobs", Format=name) for name in ("csv", "csv-bom"))
    assert marked.content == b"\xef\xbb\xbf" + plain.content
    assert marked.headers["Content-Type"] == plain.headers["Content-Type"]
    jobs = [json_of(full_job(number, Message="a\nb\r\nc")) for number in range(3)]
    lines = ndjson_text(jobs).split("\n")[:-1]
    assert [*map(json.loads, lines)] == [*map(json.loads, jobs)]
