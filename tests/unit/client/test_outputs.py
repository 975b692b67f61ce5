"""What jobs processed, on the command line: sums of a summary, and the files of a job from S3."""

import json
from collections.abc import Mapping

import pytest

from testing.scripted_server import Received, Scripted, answering, document, scripted
from tests.unit.client.commands import run
from tests.unit.client.paged import SUMMARY, described

PLACE = {"S3Bucket": "codes", "S3Key": "out/"}
JOB = {"JobId": "job", "Family": "PHI", "OutputDataConfig": PLACE, "ManifestFilePath": "out/a b?/Manifest"}  # fmt: skip
FILES = [
    {"Input": "notes/ward-7.txt", "ErrorCode": "InvalidEncoding", "ErrorMessage": "Use UTF-8."},
    {"Input": "notes/\x1b[31m.txt", "ErrorCode": "TooLong"},
]
MANIFEST = "/codes/out/a%20b%3F/Manifest"
LIST = "Manifest_1-PHI-job/failed/list.json"


def manifest(location: str | None, left: int | str | None = 2) -> dict[str, object]:
    return {"Summary": {"UnprocessedFilesListLocation": location, "UnprocessedFilesCount": left}}


def listed(objects: Mapping[str, object], *arguments: str, job: Mapping[str, object] = JOB):
    """Run `jobledger job --files` with these objects in S3; any other one is denied."""

    def answer(request: Received) -> Scripted:
        path = request.target.partition("?")[0]
        if path.startswith("/jobs/"):
            return described(job)
        if path in objects:
            return document(objects[path])
        return Scripted(403, body=b"<Error><Code>AccessDenied</Code></Error>")

    with answering(answer) as server:
        return run(server.url, "job", "job", "--files", *arguments, AWS_ENDPOINT_URL_S3=server.url)


@pytest.mark.parametrize(
    "location, path",
    [
        (f"out/{LIST}", f"/codes/out/{LIST}"),
        (f"s3://codes/out/{LIST}", f"/codes/out/{LIST}"),
        (LIST, f"/codes/out/a%20b%3F/{LIST}"),
    ],
)
def test_the_files_that_were_not_processed_are_read_with_the_callers_credentials(location, path):
    objects = {MANIFEST: manifest(location), path: {"Files": FILES}}
    done = listed(objects)
    lines = ["notes/ward-7.txt  InvalidEncoding  Use UTF-8.", r"notes/\x1b[31m.txt  TooLong  "]
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", lines)
    assert json.loads(listed(objects, "--format", "json").stdout) == FILES


@pytest.mark.parametrize(
    "objects, job, code, text",
    [
        ({MANIFEST: manifest(None)}, JOB, 1, "The job's manifest names no list of files that"),
        ({MANIFEST: manifest(None, None)}, JOB, 0, "The job processed all of its files."),
        ({MANIFEST: manifest("x", "0")}, JOB, 0, "The job processed all of its files."),
        ({MANIFEST: manifest("x", 0)}, JOB, 0, "The job processed all of its files."),
        ({}, JOB, 1, "S3 answers AccessDenied for s3://codes/out/a b?/Manifest."),
        ({MANIFEST: manifest("x")}, JOB, 1, "S3 answers AccessDenied for s3://codes/out/a b?/x."),
        ({MANIFEST: []}, JOB, 1, "The job's manifest has no Summary."),
        ({MANIFEST: manifest("out/l"), "/codes/out/l": {}}, JOB, 1, "The list of files has no Files."),
        ({}, JOB | {"ManifestFilePath": None}, 1, "the service gave no ManifestFilePath"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(objects, job, code, text):
    done = listed(objects, job=job)
    assert (done.returncode, text in (done.stderr if code else done.stdout)) == (code, True)
    assert done.stderr.count("\n") == code


def test_a_summary_shows_files_and_what_the_bill_is_made_of():
    counts = {
        status: {"InputFileCount": files, "UnprocessedFilesCount": left, "TotalMeteredCharacters": 1_000_000}
        for status, files, left in (("COMPLETED", 1_000, 0), ("PARTIAL_SUCCESS", 400, 12))
    }  # fmt: skip
    output = {
        "ByFamily": {"PHI": counts},
        "Characters": {"2026-11": {"PHI": 1_500_000}, "2026-10": {"PHI": 500_000}},
        "Cost": {"2026-11": {"PHI": "21.00"}},
    }
    with scripted(document(SUMMARY | {"Output": output})) as server:
        lines = run(server.url, "summary").stdout.splitlines()
    assert "PHI                  1,400 files, 12 not processed, 2,000,000 characters" in lines
    assert lines[-2:] == [
        "2026-10 PHI                500,000",
        "2026-11 PHI              1,500,000  21.00",
    ]
