"""A made-up account for the end-to-end tests: a file of jobs, and what a list of them should hold."""

import csv
import datetime
import io
import json
import random
from typing import Any

from jobledger.service import Family, list_method
from local.comprehend_medical.manifests import WITH_MANIFEST
from tests.e2e.stack import LIST

FAMILIES = tuple(str(family) for family in Family if family is not Family.PHI)
"""The families whose jobs stay as the file has them; PHI is for tests that start jobs."""

SCOPE = "000000000000/us-east-1"
LIST_CALLS = {family: list_method(Family(family)) for family in FAMILIES}
NAMES = ("nightly-notes", "=1+1", "診療記録 夜間", "notes:2026/11/02", "%41+b@c=d", "n" * 256)
ENDED = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "PARTIAL_SUCCESS", "STOPPED")
COUNTS = dict.fromkeys(FAMILIES, 40) | {"SNOMEDCT": 523, "ICD10CM": 120, "RXNORM": 101, "PHI": 3}
FEW = dict.fromkeys(COUNTS, 12)
"""For the tests that list no jobs: the first sync of many takes longer than the rest of a deployment."""


def rfc3339(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def start_phi_job(client: Any, name: str) -> str:
    """Start a job of this name with a client of Comprehend Medical; return its id."""
    started = client.start_phi_detection_job(
        JobName=name,
        LanguageCode="en",
        DataAccessRoleArn="arn:aws:iam::111122223333:role/ComprehendMedical",
        InputDataConfig={"S3Bucket": "notes"},
        OutputDataConfig={"S3Bucket": "codes"},
    )
    return str(started["JobId"])


def made_up_jobs(counts: dict[str, int]) -> dict[str, list[dict[str, object]]]:
    """Ended jobs of the last weeks, so many of each family; some were submitted in the very same millisecond."""
    source, now = random.Random(2), datetime.datetime.now(datetime.UTC)
    return {
        family: [made_up_job(source, now) for _ in range(count)] for family, count in counts.items()
    }


def made_up_job(source: random.Random, now: datetime.datetime) -> dict[str, object]:
    # Whole hours: with hundreds of jobs some must share their time.
    submitted = now.replace(minute=0, second=0, microsecond=0)
    submitted -= datetime.timedelta(
        hours=source.randint(2, 400), milliseconds=source.choice((0, 1))
    )
    ended = submitted + datetime.timedelta(seconds=source.randint(60, 3000))
    status = source.choice(ENDED)
    job_id = f"{source.getrandbits(128):032x}"
    job: dict[str, object] = {
        "JobId": job_id,
        "JobName": source.choice(NAMES),
        "JobStatus": status,
        "SubmitTime": rfc3339(submitted),
        "EndTime": rfc3339(ended),
        "ExpirationTime": rfc3339(submitted + datetime.timedelta(days=120)),
        "InputDataConfig": {"S3Bucket": "notes", "S3Key": f"in/{source.randint(1, 9)}/"},
        "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/ü/"},
        "LanguageCode": "en",
        "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
        "ModelVersion": "3.0.0",
    }
    if status in ("FAILED", "PARTIAL_SUCCESS"):
        job["Message"] = 'Not one of the documents could be read: "a\\b"'
    if status in WITH_MANIFEST:
        job["ManifestFilePath"] = f"out/ü/{job_id}/Manifest"
    if source.random() < 0.1:
        del job["JobName"]
    return job


def ids_in(form: str, text: str) -> list[str]:
    """The ids of the jobs in a list in this format, in its order."""
    if form == "csv":
        return [row["JobId"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    if form == "ndjson":
        return [json.loads(line)["JobId"] for line in text.split("\n")[:-1]]
    if form == "json":
        return [job["JobId"] for job in json.loads(text)[LIST]]
    return [line.split("\t")[5] for line in text.splitlines()[1:]]


def listed(jobs: list[dict], filters: dict[str, str]) -> list[dict]:
    """What a list with these filters has to hold, in its order, by nothing but the documentation."""
    tests = {
        "JobName": lambda job, wanted: job.get("JobName") == wanted,
        "JobStatus": lambda job, wanted: job["JobStatus"] == wanted,
        "SubmitTimeAfter": lambda job, bound: job["SubmitTime"] > bound,
        "SubmitTimeBefore": lambda job, bound: job["SubmitTime"] < bound,
    }
    kept = [job for job in jobs if all(tests[n](job, value) for n, value in filters.items())]
    oldest_first = "SubmitTimeBefore" in filters and "SubmitTimeAfter" not in filters
    return sorted(kept, key=lambda job: (job["SubmitTime"], job["JobId"]), reverse=not oldest_first)
