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
    for config in (None, {"S3Key": "a"}, {"S3Bucket": ""}, "text"):
        at = located(OutputDataConfig=config, ManifestFilePath="a/Manifest")
        assert at == Locations(None, None)
    assert located(ManifestFilePath="s3://a/b").manifest == Place("a", "b")


@pytest.mark.parametrize("job", ["", "None", "[]", "5", "{", "[" * 100_000], ids=lambda j: j[:5])
def test_what_is_no_job_is_not_understood(job):
    with pytest.raises(NotUnderstood):
        locations_of(job)


def test_only_manifests_in_the_buckets_and_prefixes_of_the_setting_may_be_read():
    for key in ("Manifest", "a/b/Manifest", "a/Manifest_1-X-2/failed/list.json", "Manifest_1/x"):
        assert Buckets("out").allow(Place("out", key))
    for key in ("", "a/Manifests", "Manifest/a", "aManifest", "a/manifest", "a/xManifest_1/b"):
        assert not Buckets("out").allow(Place("out", key))
    for setting, key, allowed in (
        ("a,out", "Manifest", True),
        ("a,out/results", "results/Manifest", True),
        ("a,out/results", "results-2/Manifest", True),
        ("a,out/results/", "results-2/Manifest", False),
        ("out/results", "Manifest", False),
        *((bucket, "Manifest", False) for bucket in ("ou", "out2", "OUT")),
        ("a/x,out/y", "x/Manifest", False),
    ):
        assert Buckets(setting).allow(Place("out", key)) is allowed, (setting, key)


def test_a_bucket_is_included_if_a_part_of_it_is():
    included = map(Buckets("a,out/results").include, ("a", "out", "out/results", "b"))
    assert [*included] == [True, True, False, False]


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
    # A manifest without a folder has its list in the bucket.
    assert [*list_places(written, Place("out", "Manifest"))] == places[:1]


def test_a_location_is_cut_and_can_be_stored():
    uri = Place("out", "k" * 2000).uri
    assert (len(uri), uri[:9]) == (1100, "s3://out/")
    assert Output(location=Place("out", "\ud800").uri).json == '{"Location":"s3://out/\\\\ud800"}'
