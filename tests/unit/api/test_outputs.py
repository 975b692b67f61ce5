"""What jobs processed, in every answer of the API that shows jobs or counts them."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobledger.api.export import COLUMNS, OUTPUT_COLUMNS, csv_text
from jobledger.ledger.output import Output, output_in, with_output
from jobledger.ledger.outputs import Outputs
from jobledger.service import Family
from testing.api import Api, running_api
from testing.builders import full_job
from testing.recounted import complete_counters

PARTLY = Output(400, 388, 12, 123_456, 31, {"InternalServerError": 9, "TextSizeLimitExceeded": 3})
DENIED = Output(problem="AccessDenied", location="s3://codes/out/Manifest")
SENTENCE = "12 of 400 files were not processed: 9 × InternalServerError, 3 × TextSizeLimitExceeded."


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A deployment that reads outputs, with one job that has none yet."""
    with running_api() as running:
        monkeypatch.setenv("READS_OUTPUTS", "true")
        running.fill(full_job(1, JobStatus="PARTIAL_SUCCESS"))
        complete_counters(running.ledger)
        yield running


def process(api: Api) -> Any:
    """Record what the job processed, and return it as callers get it."""
    row = api.ledger.find(f"{1:032x}")
    assert row
    assert Outputs(api.ledger).record(Family.SNOMEDCT, str(row["SK"]), PARTLY)
    return json.loads(PARTLY.json)


def test_jobs_end_with_what_was_processed_and_csv_has_columns_where_it_is_read(api, monkeypatch):
    expected = process(api)
    (listed,), line = api.get().jobs, json.loads(api.get(Format="ndjson").body)
    described = api.get(f"/jobs/{1:032x}").json["ComprehendMedicalAsyncJobProperties"]
    assert [job["Output"] for job in (listed, line, described)] == [expected] * 3
    (row,) = rows(api.get(Format="csv").body)
    assert list(row) == [*COLUMNS, *OUTPUT_COLUMNS]
    codes = '{"InternalServerError": 9, "TextSizeLimitExceeded": 3}'
    cells = [row[column] for column in ("OtherProperties", *OUTPUT_COLUMNS)]
    assert cells == ["", "400", "388", "12", "123456", "31", codes, ""]
    monkeypatch.delenv("READS_OUTPUTS")
    (row,) = rows(api.get(Format="csv").body)
    assert (list(row), json.loads(row["OtherProperties"])) == ([*COLUMNS], {"Output": expected})


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "text, problem, others",
    [
        ('{"JobId":"a"}', "", ""),
        (with_output('{"JobId":"a"}', DENIED.json), "AccessDenied", ""),
        ('{"JobId":"a","New":{"b":1,"Output":{"c":2}}}', "", '{"New": {"b": 1, "Output": {"c": 2}}}'),
        ('{"JobId":"a","Message":",\\"Output\\":{}}"}', "", ""),
        (with_output('{"JobId":"a"}', "damaged"), "", ""),
    ],
)  # fmt: skip
def test_any_job_has_a_row_of_csv_with_all_columns(text, problem, others):
    (row,) = rows(csv_text([text], outputs=True))
    assert (row["JobId"], row["OutputProblem"], row["OtherProperties"]) == ("a", problem, others)
    assert None not in row.values()


def test_a_summary_adds_files_and_characters_and_what_they_cost(api, monkeypatch):
    def output(**query: str) -> Any:
        return api.get("/summary", **query).json.get("Output")

    assert output() == {"ByFamily": {}, "Characters": {}}
    process(api)
    files = {"InputFileCount": 400, "UnprocessedFilesCount": 12, "TotalMeteredCharacters": 123_456}
    expected: dict[str, Any] = {
        "ByFamily": {"SNOMEDCT": {"PARTIAL_SUCCESS": files}},
        "Characters": {"2026-11": {"SNOMEDCT": 123_456}},
    }
    assert output() == expected
    monkeypatch.setenv("CHARACTER_PRICES", "SNOMEDCT=0.0005,PHI=1")
    assert output(Family="ALL") == expected | {"Cost": {"2026-11": {"SNOMEDCT": "0.62"}}}
    assert output(JobStatus="FAILED")["ByFamily"] == {}
    monkeypatch.delenv("READS_OUTPUTS")
    assert output() is None


def test_the_board_says_why_files_were_not_processed_and_how_to_see_them(api):
    assert "The service gives no message." in api.get("/board").body
    process(api)
    assert SENTENCE in api.get("/board").body
    page = api.get(f"/board/jobs/{1:032x}").body
    assert f"{SENTENCE} 123,456 characters are billed. It took 31 s." in page
    assert f"jobledger job --files {1:032x}" in page


@pytest.mark.parametrize(
    "output, sentence",
    [
        (PARTLY, SENTENCE),
        (Output(1, 0, 1, error_codes={"A": 1}), "1 of 1 files was not processed: 1 × A."),
        (Output(None, None, 5, 1), "5 files were not processed: the list of them could not be read."),
        (Output(400, 400, 0, 9), "All files were processed."),
        (Output(400, problem="AccessDenied", location="s3://b/ward-7"), "The manifest does not say whether all files were processed."),
        (Output(400, error_codes={"A": 2}), "2 of 400 files were not processed: 2 × A."),
        (Output(2, 1, 1, 9, problem="TooLarge"), "1 of 2 files was not processed: the list of them could not be read."),
        (Output(problem="ManifestNotFound", location="s3://a/b"), "No manifest was found."),
        (DENIED, "S3 denied the manifest: it does not exist, or this deployment may not read it."),
    ],
)  # fmt: skip
def test_an_output_in_a_sentence_names_no_place(output, sentence):
    assert output.text == sentence
    assert output_in({"Output": json.loads(output.json)}) == output
    other: dict[str, Any]
    for other in ({}, {"Output": []}, {"Output": {"Problem": 1}}):
        assert output_in(other) is None
