"""Reads the list of files that a job did not process, from S3, with the caller's own credentials.

AWS documents the files that a batch job writes:
https://docs.aws.amazon.com/comprehend-medical/latest/dev/ontologies-batchapi.html
"""

import json
from collections.abc import Iterator
from typing import Any, TypedDict, cast

from job_ledger.errors import JobLedgerError
from job_ledger.types import Job

UNPROCESSED = ("Input", "ErrorCode", "ErrorMessage")


class UnprocessedFile(TypedDict, total=False):
    """A file that a job did not process, and the service's reason."""

    Input: str
    ErrorCode: str
    ErrorMessage: str


class FilesUnavailable(JobLedgerError):
    """The manifest of a job, or its list of files, cannot be read with these credentials."""


def unprocessed_files(job: Job, session: Any) -> list[UnprocessedFile]:
    """Return the files that a job did not process. `session` is a botocore session. Raises FilesUnavailable."""
    bucket, key = _manifest_of(job)
    client = session.create_client("s3")
    summary = _object(_read(client, bucket, key), "Summary")
    location = summary.get("UnprocessedFilesListLocation")
    number = summary.get("UnprocessedFilesCount")
    if str(number) == "0" or (not location and number is None):
        return []
    if not location:
        raise FilesUnavailable("The job's manifest names no list of files that were not processed.")
    *others, last = _places(str(location), bucket, key)
    for place in others:
        try:
            found = _read(client, *place)
        except FilesUnavailable:
            continue
        return _files(found)
    return _files(_read(client, *last))


def _manifest_of(job: Job) -> tuple[str, str]:
    """Return the bucket and key of a job's manifest."""
    path = job.get("ManifestFilePath") or ""
    bucket = (job.get("OutputDataConfig") or {}).get("S3Bucket") or ""
    if path.startswith("s3://"):
        bucket, _, path = path.removeprefix("s3://").partition("/")
    if not bucket or not path.strip("/"):
        raise FilesUnavailable("The job has no manifest: the service gave no ManifestFilePath.")
    return bucket, path.lstrip("/")


def _places(location: str, bucket: str, manifest: str) -> Iterator[tuple[str, str]]:
    """Yield where the list can be. AWS does not document whether its location is a key, or below the manifest's."""
    if location.startswith("s3://"):
        other, _, key = location.removeprefix("s3://").partition("/")
        yield other, key
        return
    key = location.lstrip("/")
    yield bucket, key
    yield bucket, f"{manifest.rpartition('/')[0]}/{key}".lstrip("/")


def _read(client: Any, bucket: str, key: str) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        return json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise FilesUnavailable(f"S3 answers {code} for s3://{bucket}/{key}.") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise FilesUnavailable(f"S3 cannot be reached ({type(error).__name__}).") from error
    except (ValueError, RecursionError) as error:
        raise FilesUnavailable(f"s3://{bucket}/{key} has no JSON.") from error


def _object(document: Any, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise FilesUnavailable(f"The job's manifest has no {name}.")
    return found


def _files(document: Any) -> list[UnprocessedFile]:
    files = document.get("Files") if isinstance(document, dict) else None
    if not isinstance(files, list):
        raise FilesUnavailable("The list of files has no Files.")
    return [
        cast(UnprocessedFile, {name: str(file[name]) for name in UNPROCESSED if file.get(name)})
        for file in files
        if isinstance(file, dict)
    ]
