"""Each verdict of `make soak` fails on a planted discrepancy, and on nothing else."""

from dataclasses import replace

from soak import verdict
from soak.calls import CONNECTION_LOST, Failure
from soak.verdict import Absence, Change, Digest, Event, Kind, Window

JOB = {"JobId": "a", "JobStatus": "COMPLETED", "JobName": "n"}
HISTORY = [("SUBMITTED", "t1"), ("IN_PROGRESS", "t2"), ("COMPLETED", "t3")]
STOPPED = [("IN_PROGRESS", "t1"), ("STOP_REQUESTED", "t2"), ("STOPPED", "t3")]
CHANGES = [
    Change("PHI", "a", status, previous, time)
    for previous, (status, time) in zip((None, "SUBMITTED", "IN_PROGRESS"), HISTORY, strict=True)
]
UNKNOWN = Change("PHI", "b", "FAILED", None, "t9")
EVENTS = [Event(f"e{number}", change) for number, change in enumerate(CHANGES)]
DIGESTS = [
    Digest("d1", Window("t0", "t2"), {"SUBMITTED": 1, "IN_PROGRESS": 0, "COMPLETED": 0}),
    # t3 is not before the end of the last window: it is in no digest yet.
    Digest("d2", Window("t2", "t3"), {"SUBMITTED": 0, "IN_PROGRESS": 1, "COMPLETED": 0}),
]


def differs(*names):
    return [f"PHI: {name} differs in 1 jobs" for name in names]


def test_the_ledger_has_every_job_and_property():
    def problems(started=(), **jobs):
        return verdict.ledger_problems({"PHI": {"a": JOB}}, {"PHI": jobs}, started)

    assert problems(["a", "deleted"], a=JOB, deleted=JOB) == []
    assert problems() == ["PHI: 1 jobs are not in the ledger"]
    other = {"JobId": "a", "JobStatus": "FAILED", "Message": "m"}
    assert problems(a=other) == differs("JobName", "JobStatus", "Message")
    assert problems(["b"], a=JOB) == ["1 jobs that were started are not in the ledger"]


def test_a_property_that_cannot_be_stored_is_named_and_no_other():
    def problems(altered=("Message",), **kept):
        truth = {"PHI": {"a": JOB | {"Message": "m" * 9}}}
        return verdict.ledger_problems(truth, {"PHI": {"a": JOB | kept}}, [], {"a": altered})

    assert problems(Message="m", AlteredProperties=["Message"]) == []
    expected = differs("AlteredProperties", "Message")
    assert problems((), Message="m", AlteredProperties=["Message"]) == expected
    assert problems(Message="m") == differs("AlteredProperties")
    assert problems(JobName="x", AlteredProperties=["Message"]) == differs("JobName")


def test_the_counters_are_those_of_a_recount():
    right = {"day#1": {"Jobs#FAILED": 1}}
    assert verdict.counter_problems(right, right) == []
    for stored, counted in (({"day#1": {"Jobs#FAILED": 2}}, right), ({}, right), (right, {})):
        found = verdict.counter_problems(stored, counted)
        assert found == ["the counter row day#1 differs from a recount"]


def test_a_history_is_one_that_a_job_can_have():
    def problems(history, status="COMPLETED", stopped=()):
        return verdict.history_problems({"a": history}, {"a": status}, {"a": "PHI"}, stopped)

    for history, problem in (
        (HISTORY, None),
        ([("COMPLETED", "t1")], None),
        ([HISTORY[1], ("SUBMITTED", "t2"), HISTORY[2]], "go backwards or repeat a status"),
        ([*HISTORY, HISTORY[2]], "go backwards or repeat a status"),
        ([("SUBMITTED", "t2"), ("COMPLETED", "t1")], "have times out of order"),
        (HISTORY[:1], "do not end with the job's status"),
        ([("STOP_REQUESTED", "t1"), ("COMPLETED", "t2")], "have a stop that nobody requested"),
    ):
        assert problems(history) == ([f"1 histories {problem}"] if problem else [])
    # One may have a stop that was requested.
    assert problems(STOPPED, "STOPPED", ["a"]) == []


def test_the_log_has_each_transition_of_the_histories():
    def problems(*changes, announced=("a",)):
        return verdict.log_problems(changes, {"a": HISTORY}, announced)

    assert problems(*CHANGES) == []
    # The first fill announces nothing.
    assert problems(*CHANGES[1:], announced=()) == []
    assert problems(*CHANGES[1:]) == ["1 transitions are not in the change log"]
    assert problems(*CHANGES, CHANGES[0]) == ["1 changes are logged twice"]
    assert problems(*CHANGES, UNKNOWN) == ["1 changes are in no history"]
    assert len(problems(*CHANGES[:2], replace(CHANGES[2], previous="SUBMITTED"))) == 2


def test_each_change_came_as_an_event():
    for events, problems in (
        ([*EVENTS, EVENTS[0]], []),  # it was delivered again
        (EVENTS[1:], ["1 changes came with no event"]),
        ([*EVENTS, Event("e9", UNKNOWN)], ["1 events are of no change"]),
        ([*EVENTS, Event("e9", CHANGES[0])], ["1 changes have events with two ids"]),
        ([*EVENTS[:2], Event("e0", CHANGES[2])], ["1 event ids have two changes"]),
    ):
        assert verdict.event_problems(events, CHANGES) == problems


def test_digests_tile_and_count_what_the_log_has():
    def problems(*digests, changes=CHANGES, erased=()):
        return verdict.digest_problems(digests, changes, 2, erased)

    first, second = DIGESTS
    gap = ["1 windows do not begin where the one before ended"]
    assert problems(second, *DIGESTS) == []
    assert problems(first) == ["1 digests came, and not 2"]
    assert problems(first, replace(second, window=Window("t21", "t3"))) == gap
    assert problems(first, replace(second, window=Window("t1", "t3"))) == gap
    uncounted = ["digests count 0 changes to IN_PROGRESS, the log has 1"]
    assert problems(first, replace(second, counts={})) == uncounted
    again = ["a digest came again with other contents"]
    assert problems(replace(second, counts={}), *DIGESTS) == again
    # A change whose row was deleted may have been in a digest.
    empty = replace(first, counts={})
    assert problems(*DIGESTS, changes=CHANGES[1:], erased=CHANGES[:1]) == []
    assert problems(empty, second, changes=CHANGES[1:], erased=CHANGES[:1]) == []
    assert problems(*DIGESTS, changes=CHANGES[1:], erased=CHANGES[1:2])


def test_memory_connections_and_kinds_of_oddity_have_bounds():
    assert verdict.bound_problems({"f": 100}, {"f": 100}, 0) == []
    assert verdict.bound_problems({"f": 101}, {"f": 100}, 0) == ["f took 101 MiB, more than 100"]
    assert verdict.bound_problems({}, {}, 1) == ["1 connections left this machine"]
    missing = ["there were no b", "there were no c"]
    assert verdict.met_problems(("a", "b", "c"), {"a": 1, "b": 0}) == missing


RESTART = Absence(100.0, 110.0, Kind.RESTART)
REDEPLOYMENT = Absence(200.0, 230.0, Kind.REDEPLOYMENT)
SILENCE = Absence(300.0, 310.0, Kind.SILENCE)
REFUSED = Failure(0, 0, "/jobs", 503, retry_after=True, own=True)
LOST = Failure(0, 0, "/jobs: URLError", CONNECTION_LOST)
EMULATORS = Failure(0, 0, "/jobs", 502)
DURING = [(99, 101), (105, 106), (112, 113), (90, 170)]


def test_a_failed_call_is_excused_while_the_emulator_may_not_answer():
    for failure, times, excused in (
        (REFUSED, [*DURING, (210, 211), (290, 301)], True),
        (REFUSED, [(50, 51), (311, 312)], False),
        (EMULATORS, [*DURING, (210, 211)], True),
        (EMULATORS, [(50, 51)], False),
        (LOST, DURING, True),
        # In a redeployment and in a silence, there is an answer.
        (LOST, [(160, 161), (210, 211), (301, 302)], False),
        (replace(REFUSED, retry_after=False), [(105, 106)], False),
        (Failure(0, 0, "/jobs", 500, own=True), [(105, 106)], False),
        (Failure(0, 0, "/jobs", 404), [(105, 106)], False),
        (Failure(0, 0, "a traversal repeats a job", 200), [(105, 106)], False),
    ):
        for began, ended_at in times:
            failed = replace(failure, began=began, ended=ended_at)
            problems = verdict.call_problems([failed], [RESTART, REDEPLOYMENT, SILENCE])
            assert (problems == []) is excused, (began, problems)
