"""What jobs processed, in every answer of the API that shows jobs or counts them."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobledger.api.export import COLUMNS, OUTPUT_COLUMNS, csv_text
from jobledger.jobs import Job
from jobledger.ledger.output import Output, output_in, with_output
from jobledger.ledger.outputs import Outputs
from jobledger.service import Family
from testing.api import Api, running_api
from testing.builders import full_job
from testing.recounted import complete_counters

SNOMEDCT = Family.SNOMEDCT
PARTLY = Output(400, 388, 12, 123_456, 31, {"InternalServerError": 9, "TextSizeLimitExceeded": 3})
DENIED = Output(problem="AccessDenied", location="s3://codes/out/Manifest")
SENTENCE = "12 of 400 files were not processed: 9 × InternalServerError, 3 × TextSizeLimitExceeded."


@pytest.fixture
def api() -> Iterator[Api]:
    with running_api() as running:
        yield running


@pytest.fixture
def job(api: Api, monkeypatch: pytest.MonkeyPatch) -> Job:
    """The only job of a deployment that reads outputs; it has none yet."""
    monkeypatch.setenv("READS_OUTPUTS", "true")
    (only,) = api.fill(full_job(1, JobStatus="PARTIAL_SUCCESS"))
    complete_counters(api.its_ledger())
    return only


def processed(api: Api, job: Job, output: Output) -> None:
    assert Outputs(api.its_ledger()).record(SNOMEDCT, job.sort_key, output)


def test_a_list_and_a_job_end_with_what_was_processed(api, job):
    processed(api, job, PARTLY)
    expected = json.loads(PARTLY.json)
    assert [each["Output"] for each in api.get("/jobs").jobs] == [expected]
    (line,) = api.get("/jobs", Format="ndjson").body.splitlines()
    assert json.loads(line)["Output"] == expected
    described = api.get(f"/jobs/{job.job_id}").json["ComprehendMedicalAsyncJobProperties"]
    assert described["Output"] == expected


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_columns_for_it_at_the_end_only_where_outputs_are_read(api, job, monkeypatch):
    processed(api, job, PARTLY)
    (row,) = rows(api.get("/jobs", Format="csv").body)
    assert list(row) == [*COLUMNS, *OUTPUT_COLUMNS]
    assert [row[column] for column in OUTPUT_COLUMNS] == [
        *("400", "388", "12", "123456", "31"),
        '{"InternalServerError": 9, "TextSizeLimitExceeded": 3}',
        "",
    ]
    assert row["OtherProperties"] == ""
    monkeypatch.delenv("READS_OUTPUTS")
    (row,) = rows(api.get("/jobs", Format="csv").body)
    assert (list(row), json.loads(row["OtherProperties"])) == (
        list(COLUMNS),
        {"Output": json.loads(PARTLY.json)},
    )


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


def test_a_summary_adds_files_and_characters_and_what_they_cost(api, job, monkeypatch):
    nothing = api.get("/summary").json["Output"]
    assert nothing == {"ByFamily": {}, "Characters": {}}
    processed(api, job, PARTLY)
    expected: dict[str, Any] = {
        "ByFamily": {
            "SNOMEDCT": {
                "PARTIAL_SUCCESS": {
                    "InputFileCount": 400,
                    "UnprocessedFilesCount": 12,
                    "TotalMeteredCharacters": 123_456,
                }
            }
        },
        "Characters": {"2026-11": {"SNOMEDCT": 123_456}},
    }
    assert api.get("/summary").json["Output"] == expected
    monkeypatch.setenv("CHARACTER_PRICES", "SNOMEDCT=0.0005,PHI=1")
    expected["Cost"] = {"2026-11": {"SNOMEDCT": "0.62"}}
    assert api.get("/summary", Family="ALL").json["Output"] == expected
    assert api.get("/summary", JobStatus="FAILED").json["Output"]["ByFamily"] == {}
    monkeypatch.delenv("READS_OUTPUTS")
    assert "Output" not in api.get("/summary").json


def test_the_board_says_why_files_were_not_processed_and_how_to_see_them(api, job):
    assert "The service gives no message." in api.get("/board").body
    processed(api, job, PARTLY)
    assert SENTENCE in api.get("/board").body
    page = api.get(f"/board/jobs/{job.job_id}").body
    assert f"{SENTENCE} 123,456 characters are billed. It took 31 s." in page
    assert f"jobledger job --files {job.job_id}" in page


@pytest.mark.parametrize(
    "output, sentence",
    [
        (PARTLY, SENTENCE),
        (Output(1, 0, 1, error_codes={"A": 1}), "1 of 1 files was not processed: 1 × A."),
        (Output(None, None, 5, 1), "5 files were not processed: the list of them could not be read."),
        (Output(400, 400, 0, 9), "All files were processed."),
        (Output(400), "The manifest does not say whether all files were processed."),
        (
            Output(400, problem="AccessDenied", location="s3://b/ward-7"),
            "The manifest does not say whether all files were processed.",
        ),
        (Output(400, error_codes={"A": 2}), "2 of 400 files were not processed: 2 × A."),
        (Output(2, 1, 1, 9, problem="TooLarge"), "1 of 2 files was not processed: the list of them could not be read."),
        (Output(problem="ManifestNotFound", location="s3://a/b"), "No manifest was found."),
        (DENIED, "S3 denied the manifest: it does not exist, or this deployment may not read it."),
    ],
)  # fmt: skip
def test_an_output_in_a_sentence_names_no_place(output, sentence):
    assert output.text == sentence
    assert output_in({"Output": json.loads(output.json)}) == output


def test_what_is_no_output_is_none():
    assert (
        output_in({}) is output_in({"Output": []}) is output_in({"Output": {"Problem": 1}}) is None
    )
