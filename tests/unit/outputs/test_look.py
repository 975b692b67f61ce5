"""What the ledger says of a job's output, for each kind of manifest, list, and place."""

import pytest

from jobledger.errors import (
    DeadlineReached,
    ObjectDenied,
    ObjectMissing,
    ObjectTooLarge,
    StoreUnavailable,
)
from jobledger.ledger.output import Output
from jobledger.outputs.look import look
from jobledger.outputs.places import Buckets
from tests.unit.outputs.world import (
    CANARY,
    CONFIG,
    ended_job,
    key_of,
    list_of,
    manifest,
    unprocessed_list,
)

AT = f"s3://out/{key_of(1)}"
FOLDER = key_of(1).rpartition("/")[0]
CODES = unprocessed_list("A", "B", "B")


def looked(objects, buckets="out", **properties):
    """What is found of a job, and the keys that were read, of these objects of the bucket `out`."""
    read = []

    def reading(bucket, key, limit):
        read.append((bucket, key))
        found = objects.get(key, ObjectMissing("NoSuchKey"))
        if isinstance(found, Exception):
            raise found
        return found

    output = look(ended_job(**properties).json, Buckets(buckets), reading)
    assert {bucket for bucket, _ in read} <= {"out"}
    return output, [key for _, key in read]


def test_a_job_whose_files_were_all_processed_has_the_numbers_of_its_manifest():
    output, read = looked({key_of(1): manifest(5)})
    assert (output, read) == (Output(5, 5, 0, 500, 31), [key_of(1)])
    assert output.json == (
        '{"InputFileCount":5,"SuccessFilesCount":5,"UnprocessedFilesCount":0,"TotalMeteredCharacters":500,'
        '"TotalDurationSeconds":31}'
    )


@pytest.mark.parametrize(
    "written, key",
    [
        (list_of(1), list_of(1)),
        (f"/{list_of(1)}", list_of(1)),
        (f"s3://out/{list_of(1)}", list_of(1)),
        ("failed/list.json", f"{FOLDER}/failed/list.json"),
        ("/failed/list.json", f"{FOLDER}/failed/list.json"),
        ("Manifest_1/failed", f"{FOLDER}/Manifest_1/failed"),
    ],
)
@pytest.mark.parametrize("first", [ObjectMissing("NoSuchKey"), ObjectDenied("AccessDenied")])
def test_the_list_is_found_wherever_it_may_be(written, key, first):
    objects = {
        key_of(1): manifest(5, 3, UnprocessedFilesListLocation=written),
        "Manifest_1/failed": first,
        key: CODES,
    }
    output, _ = looked(objects)
    assert output == Output(8, 5, 3, 500, 31, {"B": 2, "A": 1})


@pytest.mark.parametrize(
    "written, problem",
    [
        (f"s3://other/{list_of(1)}", "BucketNotConfigured"),
        ("s3://out/results/notes.txt", "BucketNotConfigured"),
        ("s3://", "BucketNotConfigured"),
        (list_of(2), "ManifestNotFound"),
        (f"s3://out/{list_of(2)}", "ManifestNotFound"),
        ("\ud800", "ManifestNotFound"),
        (None, "ManifestNotFound"),
    ],
)
def test_a_list_that_cannot_be_found_leaves_the_numbers_and_says_where_its_manifest_is(
    written, problem
):
    output, _ = looked({key_of(1): manifest(5, 3, UnprocessedFilesListLocation=written)})
    assert (output.problem, output.location, output.input_files) == (problem, AT, 8)
    assert "other" not in output.json


@pytest.mark.parametrize(
    "found, problem",
    [
        (ObjectDenied("AccessDenied"), "AccessDenied"),
        (ObjectMissing("NoSuchKey"), "ManifestNotFound"),
        (ObjectTooLarge("TooLarge"), "TooLarge"),
        (StoreUnavailable("SlowDown"), "Unavailable"),
        (KeyError(CANARY), "Unavailable"),
        (b"<html>", "NotAManifest"),
        (b"{}", "NotAManifest"),
    ],
)
@pytest.mark.parametrize("which", [key_of(1), list_of(1)])
def test_what_cannot_be_read_is_said_with_its_place(found, problem, which, caplog):
    objects = {
        key_of(1): manifest(5, 3, UnprocessedFilesListLocation=f"s3://out/{list_of(1)}"),
        list_of(1): CODES,
        which: found,
    }
    output, _ = looked(objects)
    assert (output.problem, output.location) == (problem, AT)
    assert output.input_files == (8 if which == list_of(1) else None)
    assert CANARY not in caplog.text


def test_an_object_that_is_no_list_is_not_looked_for_elsewhere():
    objects = {
        key_of(1): manifest(5, 3, UnprocessedFilesListLocation="Manifest_1/failed"),
        "Manifest_1/failed": b"<html>",
        f"{FOLDER}/Manifest_1/failed": CODES,
    }
    output, read = looked(objects)
    assert (output.problem, len(read)) == ("NotAManifest", 2)


@pytest.mark.parametrize(
    "properties, problem, location",
    [
        ({"OutputDataConfig": None}, "NoOutputLocation", None),
        ({"OutputDataConfig": None, "ManifestFilePath": None}, "NoOutputLocation", None),
        ({"ManifestFilePath": None}, "ManifestNotFound", "s3://out/results/"),
        (
            {"ManifestFilePath": None, "OutputDataConfig": {"S3Bucket": "other"}},
            "BucketNotConfigured",
            "s3://other/",
        ),
        (
            {"ManifestFilePath": f"s3://other/{key_of(1)}"},
            "BucketNotConfigured",
            f"s3://other/{key_of(1)}",
        ),
        ({"ManifestFilePath": "results/a.txt"}, "BucketNotConfigured", "s3://out/results/a.txt"),
        ({"ManifestFilePath": "s3://out"}, "BucketNotConfigured", "s3://out/"),
        ({"buckets": "out/other"}, "BucketNotConfigured", AT),
    ],
)
def test_nothing_is_read_where_nothing_may_be(properties, problem, location):
    assert looked({}, **properties) == (Output(problem=problem, location=location), [])


def test_a_manifest_of_a_uri_needs_no_output_location():
    output, _ = looked({key_of(1): manifest()}, OutputDataConfig=None, ManifestFilePath=AT)
    assert output.complete


def test_too_little_time_is_no_problem_of_the_job():
    listed = manifest(5, 3, UnprocessedFilesListLocation=list_of(1))
    for objects in (
        {key_of(1): DeadlineReached()},
        {key_of(1): listed, list_of(1): DeadlineReached()},
    ):
        with pytest.raises(DeadlineReached):
            looked(objects)


def test_nothing_of_a_manifest_but_numbers_and_codes_is_kept():
    objects = {
        "Manifest": manifest(5, 2, UnprocessedFilesListLocation=f"Manifest_{CANARY}"),
        f"Manifest_{CANARY}": unprocessed_list("A", f"{CANARY} of a patient"),
    }
    output, _ = looked(objects, OutputDataConfig=CONFIG, ManifestFilePath="Manifest")
    assert output.error_codes == {"A": 1, "OTHER": 1}
    assert CANARY not in output.json
