"""One damaged row is skipped, counted and logged by its key, by every reader; the others are read as before."""

import json
from datetime import timedelta
from typing import Any

import pytest

from jobledger.api.describe import describe
from jobledger.api.export import csv_text, ndjson_text
from jobledger.board.data import (
    BoardReader,
    last_days,
    listed_jobs,
    read_jobs,
    read_overview,
)
from jobledger.board.links import PageLinks
from jobledger.board.sections import jobs_table
from jobledger.digest.current import read_current_totals
from jobledger.digest.shortlists import WindowChanges
from jobledger.errors import NotUnderstood
from jobledger.ledger.active import active_from_row
from jobledger.ledger.counters import partition
from jobledger.ledger.pages import read_page
from jobledger.ledger.rows import change_from_row, checked
from jobledger.times import rfc3339
from jobledger.totals.read import read_summary
from jobledger.totals.scan import read_facts
from testing.builders import NOW, SCOPE, START, listed_job
from testing.world import DAY, World

JOBS, VICTIM = 6, "job3"
CANARY = "a text that may tell of a patient"
ODD: dict[str, Any] = {
    "a number": {"N": "5"},
    "a fraction": {"N": "0.5"},
    "null": {"NULL": True},
    "a list": {"L": [{"S": CANARY}]},
    "a text": {"S": CANARY},
    "missing": None,
}
WRITTEN = ("Rank", "ListedAt", "FirstObservedAt", "History", "Version")
TIMES = ("SubmitTime", "EndTime", "ExpirationTime")
# A change without a SubmitTime is as good as any, a row of one status has no History; a JobId can be any text.
NO_DAMAGE = {(name, "missing") for name in ("SubmitTime", "ListedAt", "History")}
NO_DAMAGE |= {("JobId", "a text"), ("Rank", "a number"), ("Version", "a number")}


def damages(*attributes):
    pairs = [(attribute, value) for attribute in attributes for value in ODD]
    return pytest.mark.parametrize(
        "attribute,value", [pair for pair in pairs if pair not in NO_DAMAGE]
    )


@pytest.fixture
def world():
    """A ledger of six jobs that have ended, with their changes."""
    with World(hostile=False) as world:
        world.sync()
        more = {"ExpirationTime": START + 5 * DAY, "JobName": "name"}
        for status in ("IN_PROGRESS", "COMPLETED"):
            world.put(*(listed_job(f"job{n}", 60 * n, status, **more) for n in range(JOBS)))
            assert world.sync().error is None
        yield world


def damage(world, kind, attribute, value):
    """Damage the victim's last row of a kind."""
    ((key, row),) = [
        (key, row)
        for key, row in world.database.items.items()
        if key[0].endswith(kind) and key[1].endswith(f"#{VICTIM}")
        if row.get("JobStatus", row.get("StatusKey", {})).get("S", "").endswith("COMPLETED")
    ]
    row.pop(attribute, None)
    if attribute in TIMES and "Job" in row:
        job = json.loads(row["Job"]["S"]) | {attribute: value and next(iter(value.values()))}
        row["Job"] = {"S": json.dumps(job)}
    elif value is not None:
        row[attribute] = value
    return key


def sync_two_days_later(world):
    world.clock.forward(2 * DAY)
    assert world.sync().error is None


def total(world, states=None, **filters):
    """The number of jobs of a summary."""
    known = world.ledger.states() if states is None else states
    return read_summary(world.ledger, world.query(**filters), known, world.clock.now()).total


@pytest.fixture
def skipped(caplog, capsys):
    """Return the keys of the rows that were skipped; log and metrics quote no value."""

    def skipped():
        records = [r for r in caplog.records if r.message == "row skipped"]
        counted = [line for line in capsys.readouterr().out.splitlines() if "RowsSkipped" in line]
        assert len(counted) == len(records)
        assert CANARY not in f"{[vars(record) for record in records]} {counted}"
        return {(record.partition_key, record.sort_key) for record in records}

    return skipped


@damages("Family", "JobId", "ObservedAt", "SubmitTime")
def test_a_digest_counts_the_changes_beside_a_damaged_one(world, attribute, value, skipped):
    key = damage(world, "#changes", attribute, ODD[value])
    counts = WindowChanges.gather(world.changes()).counts
    assert (counts, skipped()) == ({"IN_PROGRESS": JOBS, "COMPLETED": JOBS - 1}, {key})


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"JobId":', "null", "[]", "5", '{"a":1}{"b":2}', f'"{CANARY}"', "{}", '{"a":1} '],
)
def test_a_page_in_every_format_has_the_jobs_beside_one_of_damaged_json(world, text, skipped):
    key = damage(world, "/SNOMEDCT", "Job", {"S": text})
    now = world.clock.now()
    others = [f"job{n}" for n in range(JOBS) if f"job{n}" != VICTIM]
    page = read_page(world.ledger, world.query(), 500, None, rfc3339(now))
    assert [json.loads(job)["JobId"] for job in page.jobs] == others
    assert csv_text(page.jobs).count("\r\n") == JOBS
    reader = BoardReader(world.ledger, [world.family], world.clock.now, lambda: None)
    board = read_jobs(reader, {}, 50)
    assert [job.job_id for job in listed_jobs(board.jobs)] == others
    # A page reads no partition keys.
    assert skipped() == {(None, key[1])}
    with pytest.raises(NotUnderstood):
        describe(world.ledger, VICTIM, now)


@pytest.mark.parametrize("attribute", TIMES)
@pytest.mark.parametrize("value", ["a number", "a text", "a list"])
def test_counts_have_the_jobs_beside_one_with_a_damaged_time(world, attribute, value, skipped):
    key = damage(world, "/SNOMEDCT", attribute, ODD[value])
    assert len(list(read_facts(world.ledger, world.query()))) == JOBS - 1
    assert total(world, {}, name="name") == JOBS - 1
    # The counters know that it is there.
    states, now = world.ledger.states(), world.clock.now()
    current = read_current_totals(world.ledger, (world.family,), states, now)
    assert (total(world), current.totals) == (JOBS, {"COMPLETED": JOBS})
    assert {sort_key for _, sort_key in skipped()} == {key[1]}


@damages(*WRITTEN)
def test_a_sync_records_the_jobs_beside_one_with_a_damaged_row(world, attribute, value, skipped):
    key = damage(world, "/SNOMEDCT", attribute, ODD[value])
    changed = [f"job{number}" for number in range(JOBS)]
    world.put(*(listed_job(job, 60 * n, Message="m") for n, job in enumerate(changed)))
    sync_two_days_later(world)
    jobs = {job_id for job_id, job in world.ledger_jobs().items() if "Message" in job}
    assert jobs == set(changed) - {VICTIM}
    assert key in skipped()


@pytest.mark.parametrize("attribute", ["JobKey", "UnknownAt"])
@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("then", ["ends", "goes on", "moves", "is deleted", "is erased"])
def test_a_sync_mends_a_damaged_active_row_and_the_job_is_followed_on(attribute, value, then):
    """No condition on such a row holds: unless it is mended, each sync of the family fails."""
    jobs = [listed_job(f"job{n}", 60 * n, "IN_PROGRESS") for n in range(3)]
    with World(jobs, hostile=False) as world:
        world.sync_until_current()
        rows, scope = world.database.items, world.ledger.partition(world.family)
        active = rows[f"{scope}#active", "job1"]
        key = (scope, active["JobKey"]["S"])
        active.pop(attribute, None)
        active |= {attribute: ODD[value]} if ODD[value] else {}
        if then in ("is deleted", "is erased"):
            world.delete("job1")
        else:
            status = "COMPLETED" if then == "ends" else "IN_PROGRESS"
            world.put(listed_job("job1", 120 if then == "moves" else 60, status))
        if then == "is erased":
            world.database._remove(key)
        world.sync()
        assert world.sync().error is None
        followed = {"job0", "job2"} | ({"job1"} if then in ("goes on", "moves") else set())
        assert {sk for pk, sk in rows if pk == f"{scope}#active"} == followed
        assert len(world.ledger_jobs()) == (2 if then == "is erased" else 3)


@pytest.mark.parametrize("attribute", [*TIMES, *WRITTEN])
@pytest.mark.parametrize("value", ["a text", "missing"])
def test_a_damaged_row_stops_no_recount(world, attribute, value):
    damage(world, "/SNOMEDCT", attribute, ODD[value])
    for row in counter_rows(world):
        row["Jobs#COMPLETED"] = {"N": "77"}
    for _ in range(2):
        sync_two_days_later(world)
    assert total(world) in (JOBS, JOBS - 1)


def counter_rows(world):
    return [row for (pk, _), row in world.database.items.items() if pk == partition(SCOPE)]


@pytest.mark.parametrize("value", ODD)
def test_what_a_person_adds_to_the_counter_rows_is_no_count(world, value):
    states, now = world.ledger.states(), world.clock.now()
    before = read_summary(world.ledger, world.query(), states, now)
    assert len(counter_rows(world)) == 4
    for row in counter_rows(world):
        row.update(dict.fromkeys(NO_COUNTS, ODD[value] or {"N": "1"}))
    for key in ("all#NEW", "month#2026-11#NEW", "day#2026-11-23#NEW", "all#"):
        of_no_family = {"PK": {"S": partition(SCOPE)}, "SK": {"S": key}}
        world.database._put(of_no_family | {"Jobs#COMPLETED": {"N": "1"}})
    assert read_summary(world.ledger, world.query(), states, now) == before
    assert total(world, after=rfc3339(now - timedelta(days=40))) == JOBS
    sync_two_days_later(world)


NO_COUNTS = ("odd", "D#x#COMPLETED", "Hour#x", "D#", "#", "##", "Note")


def test_an_erased_job_comes_back_as_new_only_while_the_service_lists_it(world):
    """As docs/security.md tells operators who erase a job."""
    for is_listed in (True, False):
        if not is_listed:
            world.delete(VICTIM)
        for key in [key for key in world.database.items if key[1].endswith(f"#{VICTIM}")]:
            world.database._remove(key)
        sync_two_days_later(world)
        found = [change.previous for change in world.changes() if change.job_id == VICTIM]
        assert found == ([None] if is_listed else [])
        assert (VICTIM in world.ledger_jobs()) is is_listed
    assert total(world) == JOBS - 1


@pytest.mark.parametrize("sync", [{"S": "{"}, {"S": "[]"}, {"N": "5"}, None])
def test_a_damaged_state_of_one_family_hides_no_other(world, sync):
    for family, state in (("PHI", sync), ("NEW", {"S": "{}"})):
        row = {"PK": {"S": "state"}, "SK": {"S": f"{SCOPE}/{family}"}}
        world.database._put(row | ({"Sync": state} if state else {}))
    assert set(world.ledger.states()) == {world.family}


JOB = {"PK": f"{SCOPE}/PHI", "SK": "2026-11-23T11:00:00.000Z#job", "Rank": 3, "Version": 1}
JOB |= {"Job": "{}", "FirstObservedAt": rfc3339(NOW)}
CHANGE = {"Family": "PHI", "JobId": "job", "ObservedAt": rfc3339(NOW)}
ACTIVE = {"SK": "job", "JobKey": JOB["SK"]}


@pytest.mark.parametrize(
    "read, row, said",
    [
        (active_from_row, ACTIVE | {"JobKey": 1}, "the key of an active job"),
        (active_from_row, ACTIVE | {"JobKey": "a#2026-11-23T11:00:00.000Z"}, "the key of an active job"),
        (active_from_row, ACTIVE | {"UnknownAt": "a"}, "a time of an active job"),
        (change_from_row, {}, "a row of the change log"),
        (change_from_row, CHANGE | {"Family": "a"}, "a row of the change log"),
        (change_from_row, CHANGE | {"JobStatus": "\ud800"}, "a row of the change log"),
        (change_from_row, CHANGE | {"EndTime": "a"}, "a time of the change log"),
        (checked, JOB | {"Rank": "a"}, "a job row"),
        (checked, JOB | {"FirstObservedAt": "a"}, "a time of a job row"),
        (checked, JOB | {"Job": "a"}, "a job"),
        (checked, JOB | {"Job": '{"EndTime":"a"}'}, "a time of a job row"),
    ],
)  # fmt: skip
def test_a_damaged_row_is_named_by_its_kind(read, row, said):
    with pytest.raises(NotUnderstood) as refused:
        read(row)
    assert str(refused.value) == said


def test_a_list_of_active_jobs_has_those_beside_damaged_rows_and_a_row_that_is_no_jobs(skipped):
    jobs = [listed_job(f"job{n}", 60 * n, "IN_PROGRESS") for n in range(6)]
    with World(jobs, hostile=False) as world:
        world.sync_until_current()
        scope = world.ledger.partition(world.family)
        job_rows = [row for (pk, _), row in world.database.items.items() if pk == scope]
        for row, text in zip(job_rows, ("{", "{}", '{"SubmitTime":"a"}'), strict=False):
            row["Job"] = {"S": text}
        # The table refuses to read one row twice.
        another = world.database.items[f"{scope}#active", "job1"] | {"SK": {"S": "job9"}}
        world.database._put(another)
        query, now = world.query(active=True), world.clock.now()
        page = read_page(world.ledger, query, 500, None, rfc3339(now))
        assert len(page.jobs) == 3
        reader = BoardReader(world.ledger, [world.family], world.clock.now, lambda: None)
        shown = read_overview(reader, [world.family], last_days(now), now).active
        assert len(shown.jobs) == 3
        assert len({key for _, key in skipped()}) == 4
        world.sync()
        assert set(world.active()) == {f"job{n}" for n in range(6)}


def test_a_line_of_ndjson_is_one_job_although_a_person_has_written_it_on_several():
    assert ndjson_text(['{\n "JobId": "a\\n"\n}']).splitlines() == ['{  "JobId": "a\\n" }']


@pytest.mark.parametrize("name", ["JobId", "JobName", "JobStatus", *TIMES, "Message", "Output"])
@pytest.mark.parametrize("value", ODD)
def test_the_boards_list_shows_a_job_with_an_odd_property(world, name, value):
    key = damage(world, "/SNOMEDCT", "Job", {"S": "{"})
    odd = ODD[value] and next(iter(ODD[value].values()))
    job = {"JobId": VICTIM, "Family": "SNOMEDCT"} | (
        {name: 5} if value == "a number" else {name: odd}
    )
    world.database.items[key]["Job"] = {"S": json.dumps(job)}
    reader = BoardReader(world.ledger, [world.family], world.clock.now, lambda: None)
    jobs = listed_jobs(read_jobs(reader, {}, 50).jobs)
    assert len(jobs) == JOBS
    assert jobs_table(jobs, PageLinks(""), "none").count("<tr>") == 1 + JOBS
