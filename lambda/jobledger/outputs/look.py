"""Looks for what one job processed: reads its manifest, and the list of its unprocessed files if there are some."""

from collections.abc import Callable

from msgspec.structs import replace

from jobledger.errors import (
    DeadlineReached,
    ManifestInvalid,
    ObjectDenied,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
)
from jobledger.ledger.output import Output, Problem
from jobledger.observability import described, logger
from jobledger.outputs.manifest import (
    LIST_BYTES,
    MANIFEST_BYTES,
    Manifest,
    read_codes,
    read_manifest,
)
from jobledger.outputs.places import Buckets, Locations, Place, list_places, locations_of

SETTLED: frozenset[Problem] = frozenset({"NoOutputLocation", "BucketNotConfigured"})
"""The problems that waiting does not solve."""
_PROBLEMS: dict[type[Exception], Problem] = {
    ManifestInvalid: "NotAManifest",
    ObjectDenied: "AccessDenied",
    ObjectMissing: "ManifestNotFound",
    ObjectTooLarge: "TooLarge",
}
Read = Callable[[str, str, int], bytes | bytearray]
"""Returns the bytes of an object of a bucket, of a size up to a limit. Raises StoreError, or DeadlineReached."""


def look(job: str, buckets: Buckets, read: Read) -> Output:
    """Return what a job processed, with a problem if it cannot be read.

    Raises DeadlineReached when `read` does, and NotUnderstood for text that is not a job's JSON.
    """
    locations = locations_of(job)
    problem, looked_at = _cannot_be_read(locations, buckets)
    place = locations.manifest
    if problem or place is None:
        return Output(problem=problem, location=looked_at.uri if looked_at else None)
    try:
        manifest = read_manifest(read(place.bucket, place.key, MANIFEST_BYTES))
    except DeadlineReached:
        raise
    except Exception as error:
        return Output(problem=_problem_of(error), location=place.uri)
    if not manifest.has_unprocessed:
        return manifest.output
    found = _codes(manifest, place, buckets, read)
    if isinstance(found, dict):
        return replace(manifest.output, error_codes=found)
    # What the manifest says may be anything, so it is not stored.
    return replace(manifest.output, problem=found, location=place.uri)


def _cannot_be_read(locations: Locations, buckets: Buckets) -> tuple[Problem | None, Place | None]:
    """Return why a manifest cannot be read, before it is tried, and the place that was looked at."""
    output, manifest = locations.output, locations.manifest
    if manifest:
        return None if buckets.allow(manifest) else "BucketNotConfigured", manifest
    if output is None:
        return "NoOutputLocation", None
    # The service may add the path later.
    return "ManifestNotFound" if buckets.include(output.bucket) else "BucketNotConfigured", output


def _codes(
    manifest: Manifest, place: Place, buckets: Buckets, read: Read
) -> dict[str, int] | Problem:
    """Return the number of unprocessed files by code, or why their list cannot be read."""
    if manifest.unprocessed_list is None:
        return "ManifestNotFound"
    problem: Problem = "BucketNotConfigured"
    for at in list_places(manifest.unprocessed_list, place):
        if at.bucket == place.bucket and buckets.allow(at):
            try:
                return read_codes(read(at.bucket, at.key, LIST_BYTES))
            except DeadlineReached:
                raise
            except Exception as error:
                found = _problem_of(error)
            if found not in ("AccessDenied", "ManifestNotFound"):
                return found
            # A place that is denied may have the list; a place without an object does not.
            problem = problem if problem == "AccessDenied" else found
    return problem


def _problem_of(error: Exception) -> Problem:
    if not isinstance(error, StoreError | ManifestInvalid):
        logger.error("output not read", extra=described(error))
    return _PROBLEMS.get(type(error), "Unavailable")
