"""Where manifests and lists are looked for, and what may be read."""

import json

import pytest

from jobledger.errors import NotUnderstood
from jobledger.ledger.output import Output
from jobledger.outputs.places import Buckets, Locations, Place, list_places, locations_of

OUT = {"S3Bucket": "out", "S3Key": "results/"}


def located(**properties):
    return locations_of(json.dumps(properties))


@pytest.mark.parametrize(
    "path, place",
    [
        ("results/Manifest", Place("out", "results/Manifest")),
        ("/results/Manifest", Place("out", "results/Manifest")),
        ("//a", Place("out", "a")),
        ("s3://other/results/Manifest", Place("other", "results/Manifest")),
        ("s3://other", Place("other", "")),
        *((nothing, None) for nothing in ("", None, 5, ["a"])),
    ],
)
def test_a_manifest_is_in_the_bucket_of_the_output_unless_its_path_names_another(path, place):
    at = located(OutputDataConfig=OUT, ManifestFilePath=path)
    assert at == Locations(Place("out", "results/"), place)


def test_a_job_can_have_neither_place():
    for properties in (
        {},
        {"OutputDataConfig": None},
        {"OutputDataConfig": {"S3Key": "a"}},
        {"OutputDataConfig": "text", "ManifestFilePath": "a/Manifest"},
        {"OutputDataConfig": {"S3Bucket": ""}},
    ):
        assert located(**properties) == Locations(None, None)
    assert located(ManifestFilePath="s3://a/b").manifest == Place("a", "b")


@pytest.mark.parametrize("job", ["", "None", "[]", "5", "{", "[" * 100_000])
def test_what_is_no_job_is_not_understood(job):
    with pytest.raises(NotUnderstood):
        locations_of(job)


@pytest.mark.parametrize(
    "key, looks",
    [
        *(("Manifest", True), ("a/b/Manifest", True), ("a/Manifest_1-X-2/failed/list.json", True)),
        *(("Manifest_1", True), ("Manifest_1/x", True), ("a/Manifest_", True)),
        *(("", False), ("a/Manifests", False), ("Manifest/a", False), ("aManifest", False)),
        *(
            ("a/manifest", False),
            ("a/xManifest_1/b", False),
            ("a/b.txt", False),
            ("a/Manifest/", False),
        ),
    ],
)
def test_a_manifest_is_known_by_its_key(key, looks):
    assert Place("a", key).looks_like_a_manifest is looks
    assert Buckets("a").allow(Place("a", key)) is looks


@pytest.mark.parametrize(
    "setting, bucket, key, allowed",
    [
        ("out", "out", "Manifest", True),
        ("a,out", "out", "Manifest", True),
        ("a,out/results", "out", "results/Manifest", True),
        ("a,out/results", "out", "results-2/Manifest", True),
        ("a,out/results/", "out", "results-2/Manifest", False),
        ("out/results", "out", "Manifest", False),
        ("out", "out2", "Manifest", False),
        ("out", "ou", "Manifest", False),
        ("out", "OUT", "Manifest", False),
        ("a/x,out/y", "out", "x/Manifest", False),
    ],
)
def test_only_the_buckets_and_prefixes_of_the_setting_may_be_read(setting, bucket, key, allowed):
    assert Buckets(setting).allow(Place(bucket, key)) is allowed


def test_a_bucket_is_included_if_a_part_of_it_is():
    buckets = Buckets("a,out/results")
    assert [buckets.include(each) for each in ("a", "out", "out/results", "b")] == [
        *(True, True, False, False)
    ]


@pytest.mark.parametrize(
    "written, places",
    [
        ("s3://out/a/list", [Place("out", "a/list")]),
        ("s3://other/a/list", [Place("other", "a/list")]),
        ("a/list", [Place("out", "a/list"), Place("out", "r/Manifest_1/a/list")]),
        ("/a/list", [Place("out", "a/list"), Place("out", "r/Manifest_1/a/list")]),
    ],
)
def test_a_list_is_at_a_uri_or_a_key_or_below_the_folder_of_its_manifest(written, places):
    assert [*list_places(written, Place("out", "r/Manifest_1/Manifest"))] == places


def test_a_manifest_without_a_folder_has_its_list_in_the_bucket():
    assert [*list_places("a", Place("out", "Manifest"))] == [Place("out", "a")]


def test_a_location_is_cut_and_can_be_stored():
    uri = Place("out", "k" * 2000).uri
    assert (len(uri), uri[:9]) == (1100, "s3://out/")
    assert Output(location=Place("out", "\ud800").uri).json == '{"Location":"s3://out/\\\\ud800"}'
