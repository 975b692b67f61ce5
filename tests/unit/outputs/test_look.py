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


def listing(location):
    """A manifest of five processed files and three others, whose list is said to be there."""
    return manifest(5, 3, UnprocessedFilesListLocation=location)


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
        *((f"{start}{list_of(1)}", list_of(1)) for start in ("", "/", "s3://out/")),
        ("failed/list.json", f"{FOLDER}/failed/list.json"),
        ("/failed/list.json", f"{FOLDER}/failed/list.json"),
        ("Manifest_1/failed", f"{FOLDER}/Manifest_1/failed"),
    ],
)
@pytest.mark.parametrize("first", [ObjectMissing("NoSuchKey"), ObjectDenied("AccessDenied")])
def test_the_list_is_found_wherever_it_may_be(written, key, first):
    output, _ = looked({key_of(1): listing(written), "Manifest_1/failed": first, key: CODES})
    assert output == Output(8, 5, 3, 500, 31, {"B": 2, "A": 1})


@pytest.mark.parametrize(
    "problem, places",
    [
        (
            "BucketNotConfigured",
            [f"s3://other/{list_of(1)}", "s3://out/results/notes.txt", "s3://"],
        ),
        ("ManifestNotFound", [list_of(2), f"s3://out/{list_of(2)}", "\ud800", None]),
    ],
)
def test_a_list_that_cannot_be_found_leaves_the_numbers_and_says_where_its_manifest_is(
    problem, places
):
    for written in places:
        output, _ = looked({key_of(1): listing(written)})
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
        *((b"<html>", "NotAManifest"), (b"{}", "NotAManifest")),
    ],
)
@pytest.mark.parametrize("which, files", [(key_of(1), None), (list_of(1), 8)])
def test_what_cannot_be_read_is_said_with_its_place(found, problem, which, files, caplog):
    objects = {key_of(1): listing(f"s3://out/{list_of(1)}"), list_of(1): CODES, which: found}
    output, _ = looked(objects)
    assert (output.problem, output.location, output.input_files) == (problem, AT, files)
    assert CANARY not in caplog.text


def test_an_object_that_is_no_list_is_not_looked_for_elsewhere():
    folder = f"{FOLDER}/Manifest_1/failed"
    objects = {key_of(1): listing("Manifest_1/failed"), "Manifest_1/failed": b"<html>"}
    output, read = looked(objects | {folder: CODES})
    assert (output.problem, len(read)) == ("NotAManifest", 2)


@pytest.mark.parametrize(
    "properties, problem, location",
    [
        ({"OutputDataConfig": None}, "NoOutputLocation", None),
        ({"OutputDataConfig": None, "ManifestFilePath": None}, "NoOutputLocation", None),
        ({"ManifestFilePath": None}, "ManifestNotFound", "s3://out/results/"),
        (
            {"ManifestFilePath": None, "OutputDataConfig": {"S3Bucket": "other"}},
            *("BucketNotConfigured", "s3://other/"),
        ),
        ({"ManifestFilePath": "s3://other/a"}, "BucketNotConfigured", "s3://other/a"),
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


@pytest.mark.parametrize("which", [key_of(1), list_of(1)])
def test_too_little_time_is_no_problem_of_the_job(which):
    with pytest.raises(DeadlineReached):
        looked({key_of(1): listing(list_of(1)), which: DeadlineReached()})


def test_nothing_of_a_manifest_but_numbers_and_codes_is_kept():
    codes = unprocessed_list("A", f"{CANARY} of a patient")
    objects = {"Manifest": listing(f"Manifest_{CANARY}"), f"Manifest_{CANARY}": codes}
    output, _ = looked(objects, OutputDataConfig=CONFIG, ManifestFilePath="Manifest")
    assert output.error_codes == {"A": 1, "OTHER": 1}
    assert CANARY not in output.json
