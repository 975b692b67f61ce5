"""Each job of the service is stored, as far as it fits, with marks; its page goes on, whatever a property is."""

import json
import math
from typing import Any

import pytest

from jobledger.api.export import csv_text
from jobledger.api.listing import Listing, json_text
from jobledger.clients import session
from jobledger.digest.shortlists import WindowChanges
from jobledger.fitting import ALTERED, MAX_JOB_BYTES
from jobledger.jobs import job_from_service
from jobledger.ledger.pages import read_page
from jobledger.ledger.rows import job_row
from jobledger.ledger.table import encode
from jobledger.service import PROPERTIES, Family
from jobledger.sync.upstream import Upstream
from jobledger.times import rfc3339
from jobledger.totals.read import read_summary
from testing.builders import FAR_FUTURE, FAR_PAST, START
from testing.dynamodb_limits import size_of
from testing.scripted_server import Scripted, scripted
from testing.world import World

TIMES = ("SubmitTime", "EndTime", "ExpirationTime")
LOCATIONS = ("InputDataConfig", "OutputDataConfig")
TEXTS = tuple(name for name in PROPERTIES if name not in TIMES + LOCATIONS + ("JobId",))
NEW = "AddedLater"
LARGE = {
    "text of 410 KB": "x" * 410_000,
    "text of 410 KB, four bytes a character": "\U0001f600" * 102_500,
    "controls": "\x01" * 60_000,
    "quotes": '"\\' * 60_000,
    "lone surrogates": "\ud800" * 60_000,
}
OTHER_TYPES: dict[str, Any] = {
    "number": 7,
    "large number": 10**30,
    "truth": True,
    "list": ["x", 1],
    "object": {"a": {"b": [1]}},
    "large list": list(range(100_000)),
    "deep list": json.loads("[" * 900 + "]" * 900),
}
NO_TIMES: dict[str, Any] = {
    "1e15": 1e15,
    "1e308": 1e308,
    "-1e15": -1e15,
    "NaN": math.nan,
    "infinity": math.inf,
    "year 10000": 253_402_300_800,
    "text": "yesterday",
    "empty text": "",
    "truth": True,
    "list": [1],
    "object": {"a": 1},
}
ODDITIES = [
    *((name, what, value) for name in TEXTS for what, value in {**LARGE, **OTHER_TYPES}.items()),
    *((name, what, value) for name in TIMES for what, value in NO_TIMES.items()),
    *(
        (name, what, value)
        for name in LOCATIONS
        for what, value in {
            **LARGE,
            **{key: odd for key, odd in OTHER_TYPES.items() if key != "object"},
            "keys of another type": {"S3Bucket": 7, "S3Key": ["x"]},
            "large members": {"S3Bucket": "b", "S3Key": "x" * 410_000, "New": "y" * 410_000},
        }.items()
    ),
    *(
        (NEW, what, value)
        for what, value in {
            **LARGE,
            "large list": list(range(100_000)),
            "NaN": math.nan,
            "NaN inside": {"a": [math.nan]},
        }.items()
    ),
    *(("JobId", what, value) for what, value in LARGE.items()),
    *((name * 200, "long name", 1) for name in ("New", "\ud800")),
]
LIST = "ComprehendMedicalAsyncJobPropertiesList"


def a_job(job_id: str, **more: Any) -> dict[str, Any]:
    times = {"SubmitTime": START - 60, "EndTime": START - 30, "ExpirationTime": START + 86_400}
    return {"JobId": job_id, "JobName": "n", "JobStatus": "COMPLETED", **times, **more}


@pytest.mark.row(32, count="170 properties with a value that cannot be stored")
@pytest.mark.parametrize(
    "name, what, value", ODDITIES, ids=[f"{name[:20]!a}: {what}" for name, what, _ in ODDITIES]
)
def test_a_job_that_cannot_be_stored_as_it_is_stops_nothing_of_its_page(name, what, value):
    page = [a_job("before"), a_job("odd") | {name: value}, a_job("after")]
    with World(hostile=False) as world:
        world.sync()
        with scripted(Scripted(body=json.dumps({LIST: page}).encode())) as server:
            client = session().create_client("comprehendmedical", endpoint_url=server.url)
            world.upstream = Upstream(client)
            done = world.sync()
        assert (done.error, done.changed, done.altered) == (None, 3, 1)
        check_readers(world)
        (odd,) = (job for job in read_jobs(world) if job["JobId"] not in ("before", "after"))
    assert odd[ALTERED] == [name.encode(errors="backslashreplace").decode()[:100]]
    kept = {at: kind for at, kind in odd.items() if at not in (ALTERED, name, "Family")}
    assert len(kept) in (5, 6)
    if name in TIMES:
        assert name not in odd
    if name in TEXTS:
        assert isinstance(odd[name], str)


def read_jobs(world: World) -> list[dict[str, Any]]:
    page = read_page(world.ledger, world.query(), 500, None, rfc3339(world.clock.now()))
    listing = Listing(page.jobs, None, None, False)
    return list(json.loads(json_text(listing))[LIST])


def check_readers(world: World) -> None:
    """A page, its CSV, a summary and a digest have all three jobs, and the largest row is bounded."""
    page = read_page(world.ledger, world.query(), 500, None, rfc3339(world.clock.now()))
    assert csv_text(page.jobs).encode().count(b"\r\n") >= 4
    states, now = world.ledger.states(), world.clock.now()
    assert read_summary(world.ledger, world.query(), states, now).total == 3
    changes = WindowChanges.gather(world.ledger.changes(world.family, FAR_PAST, FAR_FUTURE))
    assert sum(changes.counts.values()) == 3
    assert max(map(size_of, world.database.items.values())) < 2 * MAX_JOB_BYTES


@pytest.mark.parametrize("time", [-1, -62_135_596_800, 253_402_300_799, 0, "2026-11-23T01:00:00Z"])
@pytest.mark.parametrize("name", TIMES)
def test_a_time_of_the_calendar_is_kept(name, time):
    job = job_from_service(Family.PHI, a_job("job", **{name: time}))
    assert job is not None
    assert job.altered == ()
    assert name in json.loads(job.json)


@pytest.mark.parametrize(
    "more",
    [
        {"JobName": "\U0001f600" * 256},
        {"Message": "m" * 8_000},
        {"DataAccessRoleArn": "a" * 2_048, "KMSKey": "k" * 2_048},
        {"InputDataConfig": {"S3Bucket": "b" * 63, "S3Key": "\u00e9" * 512}},
        {"JobId": "\U00020000" * 32},
        {NEW: {"a": ["x" * 9_000]}},
        {name: None for name in PROPERTIES if name != "JobId"},
    ],
)
def test_what_the_model_allows_is_stored_as_it_is(more):
    properties = a_job("job") | more
    job = job_from_service(Family.PHI, properties)
    assert job is not None
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
        properties = {"JobId": "job", "InputDataConfig": location}
        job = job_from_service(Family.PHI, properties)
        assert job is not None
        assert (json.loads(job.json)["InputDataConfig"], job.altered) == (expected, altered)


def everything_large(text: str) -> dict[str, Any]:
    location = {"S3Bucket": text, "S3Key": text}
    others = {f"New{number:03}": text for number in range(50)}
    return {
        **dict.fromkeys(TEXTS, text),
        **dict.fromkeys(LOCATIONS, location),
        **dict.fromkeys(TIMES, 1e15),
        **others,
        "JobId": text,
    }


@pytest.mark.row(32, count="5 texts of 60 to 410 KB in each property")
@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_fifty_of_the_largest_jobs_and_their_changes_fit_into_a_transaction(text):
    job = job_from_service(Family.PHI, everything_large(text))
    assert job is not None
    assert len(job.json.encode()) < MAX_JOB_BYTES
    assert len(job.job_id.encode()) <= 128
    row = job_row("111122223333/ap-southeast-99/ENTITIES_V2", job, None, "t", "t")
    assert size_of(encode(row)) * 50 < 4_000_000
    for name in ("NameKey", "StatusKey", "NameStatusKey"):
        assert len(str(row[name]).encode()) <= 2_048


def test_long_ids_with_the_same_beginning_stay_apart():
    ids = set()
    for end in "ab":
        job = job_from_service(Family.PHI, {"JobId": "x" * 2_000 + end})
        assert job is not None
        ids.add(job.job_id)
    assert len(ids) == 2


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_a_page_of_the_largest_jobs_is_below_the_limit_of_a_response_in_every_format(text):
    with World(hostile=False) as world:
        for number in range(150):
            job = job_from_service(
                world.family, everything_large(text) | {"JobId": str(number), "SubmitTime": START}
            )
            assert job is not None
            world.ledger.record(world.family, [job], FAR_PAST, announce_new=True)
        page = read_page(world.ledger, world.query(), 500, None, FAR_FUTURE)
        assert page.position is not None
        for body in (json_text(Listing(page.jobs, None, None, False)), csv_text(page.jobs)):
            assert len(json.dumps(body, ensure_ascii=False).encode()) < 6_000_000
