"""Generates a sample account: jobs as after months of nightly runs, including unusual ones."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from local.comprehend_medical.families import MODEL_VERSIONS, OUTPUT_LABELS, Family
from local.comprehend_medical.jobs import ACTIVE, DAY, Properties, Step, ending, milliseconds

SHARES = {
    Family.SNOMEDCT: 36,
    Family.ICD10CM: 22,
    Family.RXNORM: 16,
    Family.ENTITIES_V2: 16,
    Family.PHI: 10,
}
ENDINGS = {"COMPLETED": 900, "PARTIAL_SUCCESS": 45, "FAILED": 40, "STOPPED": 15}
ACTIVE_EACH = 4  # of the ten that a family may have
ONLY_JOBS = 2_500
OWN_JOBS, OTHERS_JOBS, TWINS = 500, 100, 3  # of a source; those in all sources, of a family
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ComprehendMedicalBatchProcessingRole"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NIGHTLY, NIGHTLY_PHI = "nightly-notes", "nightly-phi"
STREAMS = (NIGHTLY, "discharge-summaries", "radiology", "pathology", "backfill", "triage")
MESSAGES = (
    "The input data location contains no documents.",
    "Access to the input S3 bucket was denied for the data access role.",
    "A document exceeds the maximum size for batch analysis.",
    "The KMS key could not be used to write the output.",
)
# All of them match the API's pattern for JobName: letters, separators, numbers and _.:/=+-%@
ODD_NAMES = (
    "=1+1",
    "+notes",
    "-notes",
    "@notes",
    "=HYPERLINK",
    "%41%00",
    "../../notes",
    "notes:2026/11/02",
    "заметки-врача",
    "診療記録-夜間",
    "סיכום-אשפוז",
    "ملاحظات-١٢٣",
    "Übergabe Ärzte",
    "notes\u2028second line",
    "notes\u2029second paragraph",
    "notes\u00a0no-break",
    "notes\u3000wide",
    " leading and trailing ",
    "Ⅻ-½-notes",
    "𝒏𝒐𝒕𝒆𝒔",
    "n" * 256,
)


def sample_jobs(
    now: float, count: int = ONLY_JOBS, days: float = 120, seed: int = 1
) -> dict[Family, list[Properties]]:
    """Return jobs of the `days` before `now`. Equal arguments give equal jobs."""
    rng = random.Random(seed)
    families = rng.choices(list(Family), [SHARES.get(each, 10) for each in Family], k=count)
    jobs: dict[Family, list[Properties]] = {family: [] for family in Family}
    for index, family in enumerate(families):
        # All jobs are at least an hour old, because younger ones would be active. None expires immediately.
        age = 3_600 + rng.random() * max(days * DAY - 7_200, 0)
        if len(jobs[family]) < ACTIVE_EACH:
            jobs[family].append(_active_job(rng, family, now, len(jobs[family])))
        else:
            jobs[family].append(_ended_job(rng, family, now - age, index))
    for listed in jobs.values():
        listed.sort(key=_submitted)
    return jobs


def sample_sources(now: float, sources: Sequence[str]) -> dict[str, dict[Family, list[Properties]]]:
    """Return the jobs of each source. The first is the own one, which has more when it is the only one.

    Some of its newest jobs are in every other source as well: of the same id and SubmitTime, with another name.
    """
    own = sample_jobs(now, OWN_JOBS if sources[1:] else ONLY_JOBS)
    jobs = {sources[0]: own}
    for number, source in enumerate(sources[1:], 2):
        jobs[source] = sample_jobs(now, OTHERS_JOBS, seed=number)
        for family, listed in jobs[source].items():
            ended = [job for job in own[family] if "EndTime" in job][-TWINS:]
            listed += [twin | {"JobName": f"twin-in-{source.replace('/', ':')}"} for twin in ended]
            listed.sort(key=_submitted)
    return jobs


def submitted_job(rng: random.Random, family: Family, now: float) -> Properties:
    """Return a job that is submitted now."""
    return _job(rng, family, now, "SUBMITTED", _name(rng, family, now))


def plan_for(properties: Properties, now: float) -> Iterator[Step]:
    """Yield the changes of an active sample job: it ends 10 seconds to 3 minutes from now."""
    rng = random.Random(properties.get("JobId"))
    ended = now + 10 + rng.random() * 170
    if properties.get("JobStatus") == "STOP_REQUESTED":
        yield Step(ended, {"JobStatus": "STOPPED", "EndTime": milliseconds(ended)})
        return
    if properties.get("JobStatus") == "SUBMITTED":
        yield Step(now + (ended - now) / 3, {"JobStatus": "IN_PROGRESS"})
    outcome = rng.choices(("COMPLETED", "PARTIAL_SUCCESS", "FAILED"), (80, 10, 10))[0]
    yield Step(ended, ending(properties, outcome, ended))


def _submitted(job: Properties) -> Any:
    return job["SubmitTime"]


def _active_job(rng: random.Random, family: Family, now: float, place: int) -> Properties:
    status = sorted(ACTIVE)[place % len(ACTIVE)]
    submitted = now - 5 - rng.random() * 600
    drawn = _name(rng, family, now)
    return _job(rng, family, submitted, status, drawn if place else _nightly(family))


def _ended_job(rng: random.Random, family: Family, submitted: float, index: int) -> Properties:
    status = rng.choices(list(ENDINGS), list(ENDINGS.values()))[0]
    # Every fortieth name is unusual, so that even a small sample shows all of them.
    name = (
        ODD_NAMES[index // 40 % len(ODD_NAMES)]
        if index % 40 == 39
        else _name(rng, family, submitted)
    )
    job = _job(rng, family, submitted, status, name)
    ended = submitted + 60 + rng.lognormvariate(5, 0.8)
    job |= ending(job, status, ended)
    if status == "FAILED":
        job["Message"] = rng.choice(MESSAGES)
    elif rng.random() < 0.02:
        # All 14 properties are optional in the model: some jobs have only a few.
        job = {name: job[name] for name in ("JobId", "JobStatus", "SubmitTime")}
    return job


def _name(rng: random.Random, family: Family, submitted: float) -> str | None:
    if rng.random() < 0.1:
        return None
    day = datetime.fromtimestamp(submitted, UTC).date().isoformat()
    stream = rng.choice(STREAMS)
    return _nightly(family) if stream == NIGHTLY else f"{stream}-{day}"


def _nightly(family: Family) -> str:
    """Return the name that all nightly runs of a family share. The documents ask for these names."""
    return NIGHTLY_PHI if family is Family.PHI else NIGHTLY


def _job(
    rng: random.Random, family: Family, submitted: float, status: str, name: str | None
) -> Properties:
    job_id = f"{rng.getrandbits(128):032x}"
    # Callers can name a prefix; the service writes below it.
    below = "out/" if name in (NIGHTLY, NIGHTLY_PHI) else ""
    streams = (stream for stream in (*STREAMS, NIGHTLY_PHI) if name and name.startswith(stream))
    job = {
        "JobId": job_id,
        "JobName": name,
        "JobStatus": status,
        "SubmitTime": milliseconds(submitted),
        "ExpirationTime": float(int(submitted + 120 * DAY)),
        "InputDataConfig": {
            "S3Bucket": "clinical-notes-input",
            "S3Key": f"{next(streams, 'notes')}/",
        },
        "OutputDataConfig": {
            "S3Bucket": "clinical-notes-output",
            "S3Key": f"{below}{ACCOUNT}-{OUTPUT_LABELS[family]}-{job_id}/",
        },
        "LanguageCode": "en",
        "DataAccessRoleArn": ROLE,
        "KMSKey": KEY if rng.random() < 0.3 else None,
        "ModelVersion": MODEL_VERSIONS[family],
    }
    return {name: value for name, value in job.items() if value is not None}
