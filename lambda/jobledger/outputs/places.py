"""Where a job's manifest and its list of unprocessed files are in S3. No AWS calls."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.fitting import encodable
from jobledger.jobs import s3_uri

_LONGEST_LOCATION = 1_100
_SCHEME = "s3://"


class Place(msgspec.Struct, frozen=True):
    """An object in S3; without a key, a bucket."""

    bucket: str
    key: str

    @classmethod
    def of_uri(cls, uri: str) -> Self:
        """Return the place of `s3://bucket/key`."""
        bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, as it is stored."""
        return encodable(f"{_SCHEME}{self.bucket}/{self.key}")[:_LONGEST_LOCATION]

    @property
    def looks_like_a_manifest(self) -> bool:
        """Whether the role may read it, by its key: it is a manifest, or in the folder of one."""
        parts = self.key.split("/")
        return parts[-1] == "Manifest" or any(part.startswith("Manifest_") for part in parts)


class Buckets:
    """What the deployment may read: `bucket` or `bucket/prefix`, several separated by commas."""

    def __init__(self, setting: str) -> None:
        self._allowed = [Place.of_uri(each) for each in setting.split(",")]

    def include(self, bucket: str) -> bool:
        """Whether a part of the bucket may be read."""
        return any(bucket == each.bucket for each in self._allowed)

    def allow(self, place: Place) -> bool:
        """Whether the object may be read."""
        return place.looks_like_a_manifest and any(
            place.bucket == each.bucket and place.key.startswith(each.key) for each in self._allowed
        )


class Locations(msgspec.Struct, frozen=True):
    """What a job says of its output: its place, and its manifest's, as far as they are known."""

    output: Place | None
    manifest: Place | None


def locations_of(job: str) -> Locations:
    """Return the locations in the JSON of a job. Raises NotUnderstood.

    The manifest is in the output's bucket, unless its path names another.
    """
    try:
        properties = json.loads(job)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("a job") from error
    if not isinstance(properties, Mapping):
        raise NotUnderstood("a job")
    uri, path = s3_uri(properties.get("OutputDataConfig")), properties.get("ManifestFilePath")
    output = Place.of_uri(uri) if uri else None
    return Locations(output, _manifest(path, output))


def _manifest(path: Any, output: Place | None) -> Place | None:
    if not isinstance(path, str) or not path:
        return None
    if path.startswith(_SCHEME):
        return Place.of_uri(path)
    return Place(output.bucket, path.lstrip("/")) if output else None


def list_places(written: str, manifest: Place) -> Iterator[Place]:
    """Yield the places that a manifest can mean by the location of a list: AWS does not say what it is relative to."""
    if written.startswith(_SCHEME):
        yield Place.of_uri(written)
        return
    path = written.lstrip("/")
    yield Place(manifest.bucket, path)
    folder = manifest.key.rpartition("/")[0]
    if folder:
        yield Place(manifest.bucket, f"{folder}/{path}")
