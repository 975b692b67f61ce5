"""Each job is stored as far as it fits, with marks, and the rest of its page is stored as well."""

import json
import math
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger import fitting
from jobledger.api.export import csv_text
from jobledger.api.listing import Listing, json_text
from jobledger.clients import session
from jobledger.digest.shortlists import WindowChanges
from jobledger.fitting import ALTERED, MAX_JOB_BYTES
from jobledger.jobs import Job, job_from_service
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.pages import read_page
from jobledger.ledger.rows import job_row
from jobledger.ledger.table import encode
from jobledger.service import PROPERTIES, Family
from jobledger.sync.upstream import Upstream
from jobledger.times import rfc3339
from jobledger.totals.read import read_summary
from testing.builders import FAR_FUTURE, FAR_PAST, START, MemoryLedger
from testing.dynamodb_limits import size_of
from testing.scripted_server import document, scripted
from testing.world import World

TIMES = ("SubmitTime", "EndTime", "ExpirationTime")
LOCATIONS = ("InputDataConfig", "OutputDataConfig")
TEXTS = tuple(name for name in PROPERTIES if name not in TIMES + LOCATIONS + ("JobId",))
NEW = "AddedLater"
LARGE = {
    "text of 410 KB": "x" * 410_000, "text of 410 KB, four bytes a character": "\U0001f600" * 102_500,
    "controls": "\x01" * 60_000, "quotes": '"\\' * 60_000, "lone surrogates": "\ud800" * 60_000,
}  # fmt: skip
DEEP = json.loads("[" * 900 + "]" * 900)
OTHER_TYPES = [7, 10**30, True, ["x", 1], list(range(100_000)), DEEP]
NO_TIMES = [
    *(1e15, 1e308, -1e15, math.nan, math.inf, 253_402_300_800, "yesterday", "", True, [1], {"a": 1})
]
NO_LOCATIONS = [
    {"S3Bucket": 7, "S3Key": ["x"]},
    {"S3Bucket": "b", "S3Key": "x" * 410_000, "New": "y" * 410_000},
]
ODDITIES: dict[str, list[Any]] = {
    **{name: [*LARGE.values(), *OTHER_TYPES, {"a": {"b": [1]}}] for name in TEXTS},
    **dict.fromkeys(TIMES, NO_TIMES),
    **{name: [*LARGE.values(), *OTHER_TYPES, *NO_LOCATIONS] for name in LOCATIONS},
    NEW: [*LARGE.values(), list(range(100_000)), math.nan, {"a": [math.nan]}],
    "JobId": list(LARGE.values()),
    **{name: [1] for name in ("New" * 200, "\ud800" * 200)},
}
LIST = "ComprehendMedicalAsyncJobPropertiesList"


def a_job(job_id: str, **more: Any) -> dict[str, Any]:
    times = {"SubmitTime": START - 60, "EndTime": START - 30, "ExpirationTime": START + 86_400}
    return {"JobId": job_id, "JobName": "n", "JobStatus": "COMPLETED", **times, **more}


def fitted(properties: dict[str, Any]) -> Job:
    job = job_from_service(Family.SNOMEDCT, properties)
    assert job is not None
    return job


@pytest.mark.parametrize("name", ODDITIES, ids=lambda name: ascii(name[:20]))
def test_a_page_is_stored_although_some_of_its_jobs_do_not_fit(name):
    odd = [a_job(f"odd-{n}") | {name: value} for n, value in enumerate(ODDITIES[name])]
    page = [a_job("before"), *odd, a_job("after")]
    with World(hostile=False) as world:
        world.sync()
        with scripted(document({LIST: [*page, {"JobStatus": "FAILED"}]})) as server:
            client = session().create_client("comprehendmedical", endpoint_url=server.url)
            world.upstream = Upstream(client)
            done = world.sync()
        # The last one has no id: it is left out, and counted.
        assert (done.error, done.changed, done.altered) == (None, len(page), len(odd) + 1)
        check_readers(world, len(page))
        jobs = [job for job in read_jobs(world) if job["JobId"] not in ("before", "after")]
    assert len(jobs) == len(odd)
    for job in jobs:
        assert job[ALTERED] == [name.encode(errors="backslashreplace").decode()[:100]]
        kept = {at: kind for at, kind in job.items() if at not in (ALTERED, name, "Family")}
        assert len(kept) in (5, 6)
        assert name not in TIMES or name not in job
        assert name not in TEXTS or isinstance(job[name], str)


LENGTHS = (1, 32, 33, 42, 43, 128, 260, 270, 424, 440, 700, 3_500)


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_quick_way_of_usual_jobs_stores_what_the_slow_one_does(name):
    values = [*ODDITIES.get(name, ()), None, 0, 1.0005, -1.5, True]
    for letter in ("x", "\x01", "\U0001f600", "\ud800"):
        texts = [letter * length for length in LENGTHS]
        values += [*texts, *({"S3Bucket": text, "S3Key": text} for text in texts)]
    for value in values:
        job = a_job("a") | {name: value}
        slow = fitting.Fitting(job)
        assert fitting.fitted(job) == (slow.job, tuple(slow.altered))


def read_jobs(world: World) -> list[dict[str, Any]]:
    page = read_page(world.ledger, world.query(), 500, None, rfc3339(world.clock.now()))
    listing = Listing(page.jobs, None, None, False)
    return list(json.loads(json_text(listing))[LIST])


def check_readers(world: World, number: int) -> None:
    """A page, its CSV, a summary and a digest have all jobs, and the largest row is bounded."""
    page = read_page(world.ledger, world.query(), 500, None, rfc3339(world.clock.now()))
    assert csv_text(page.jobs).encode().count(b"\r\n") > number
    states, now = world.ledger.states(), world.clock.now()
    assert read_summary(world.ledger, world.query(), states, now).total == number
    changes = WindowChanges.gather(world.ledger.changes(world.family, FAR_PAST, FAR_FUTURE))
    assert sum(changes.counts.values()) == number
    assert max(map(size_of, world.database.items.values())) < 2 * MAX_JOB_BYTES


@pytest.mark.parametrize("name", TIMES)
def test_a_time_of_the_calendar_is_kept(name):
    for time, kept in {
        -1: "1969-12-31T23:59:59.000Z",
        -62_135_596_800: "0001-01-01T00:00:00.000Z",
        253_402_300_799: "9999-12-31T23:59:59.000Z",
        "2026-11-23T01:00:00+01:00": "2026-11-23T00:00:00.000Z",
    }.items():
        job = fitted(a_job("job", **{name: time}))
        assert (json.loads(job.json)[name], job.altered) == (kept, ())


def test_what_the_model_allows_is_stored_as_it_is():
    for more in (
        {"JobName": "\U0001f600" * 256},
        {"Message": "m" * 8_000},
        {"DataAccessRoleArn": "a" * 2_048, "KMSKey": "k" * 2_048},
        {"InputDataConfig": {"S3Bucket": "b" * 63, "S3Key": "\u00e9" * 512}},
        {"JobId": "\U00020000" * 32},
        {NEW: {"a": ["x" * 9_000]}},
        {name: None for name in PROPERTIES if name != "JobId"},
    ):
        properties = a_job("job") | more
        job = fitted(properties)
        assert job.altered == ()
        assert {**properties, "Family": "PHI"}.keys() == json.loads(job.json).keys()


def test_of_a_large_location_the_bucket_and_the_beginning_of_the_key_are_kept():
    whole = {"S3Bucket": "b" * 63, "S3Key": "k" * 3_102}
    edge = {"S3Bucket": "b" * 63, "S3Key": "k" * 3_111}
    assert len(json.dumps(edge, separators=(",", ":"))) == 3_200
    fits = {"S3Bucket": "b" * 63, "S3Key": "k" * 1_000, "New": "n" * 2_000}
    for location, expected, altered in (
        (fits, fits, ()),
        (edge, edge, ()),
        (whole | {"New": "n"}, {"S3Bucket": "b" * 63, "S3Key": "k" * 1_598}, ("InputDataConfig",)),
    ):
        job = fitted({"JobId": "job", "InputDataConfig": location})
        assert (json.loads(job.json)["InputDataConfig"], job.altered) == (expected, altered)


def everything_large(text: str) -> dict[str, Any]:
    texts = (*TEXTS, *(f"New{number:03}" for number in range(50)), "JobId")
    locations = {name: {"S3Bucket": text, "S3Key": text} for name in LOCATIONS}
    return {**dict.fromkeys(texts, text), **locations, **dict.fromkeys(TIMES, 1e15)}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_fifty_of_the_largest_jobs_fit_into_a_transaction_and_a_page_into_a_response(text):
    job = fitted(everything_large(text) | {"SubmitTime": START})
    assert len(job.json.encode()) < MAX_JOB_BYTES
    assert len(job.job_id.encode()) <= 128
    row = job_row("111122223333/ap-southeast-99/ENTITIES_V2", job, None, "t", "t")
    assert size_of(encode(row)) * 50 < 4_000_000
    for name in ("NameKey", "StatusKey", "NameStatusKey"):
        assert len(str(row[name]).encode()) <= 2_048
    ledger = MemoryLedger(*(replace(job, job_id=f"{number}") for number in range(150))).ledger
    page = read_page(ledger, JobQuery(families=(job.family,)), 500, None, FAR_FUTURE)
    assert page.position is not None
    for body in (json_text(Listing(page.jobs, None, None, False)), csv_text(page.jobs)):
        assert len(json.dumps(body, ensure_ascii=False).encode()) < 6_000_000
    # Long ids with the same beginning stay apart.
    assert len({fitted({"JobId": "x" * 2_000 + end}).job_id for end in "ab"}) == 2
