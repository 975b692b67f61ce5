"""Each verdict of `make soak` fails on a planted discrepancy, and on nothing else."""

from dataclasses import replace

import pytest

from soak import verdict
from soak.calls import CONNECTION_LOST, Failure
from soak.verdict import Absence, Change, Digest, Event, Kind, Window

JOB = {"JobId": "a", "JobStatus": "COMPLETED", "JobName": "n"}
HISTORY = [("SUBMITTED", "t1"), ("IN_PROGRESS", "t2"), ("COMPLETED", "t3")]
CHANGES = [
    Change("PHI", "a", "SUBMITTED", None, "t1"),
    Change("PHI", "a", "IN_PROGRESS", "SUBMITTED", "t2"),
    Change("PHI", "a", "COMPLETED", "IN_PROGRESS", "t3"),
]
EVENTS = [Event(f"e{number}", change) for number, change in enumerate(CHANGES)]


def test_a_ledger_with_every_property_has_no_problem():
    gone = {"PHI": {"a": JOB, "deleted": JOB}}
    assert verdict.ledger_problems({"PHI": {"a": JOB}}, gone, ["a", "deleted"]) == []


@pytest.mark.parametrize(
    "ledger, problem",
    [
        ({}, "PHI: 1 jobs are not in the ledger"),
        ({"PHI": {"a": JOB | {"JobStatus": "FAILED"}}}, "PHI: JobStatus differs in 1 jobs"),
        ({"PHI": {"a": JOB | {"Message": "m"}}}, "PHI: Message differs in 1 jobs"),
        (
            {"PHI": {"a": {"JobId": "a", "JobStatus": "COMPLETED"}}},
            "PHI: JobName differs in 1 jobs",
        ),
    ],
)
def test_a_job_or_property_that_the_ledger_lacks_is_a_problem(ledger, problem):
    assert problem in verdict.ledger_problems({"PHI": {"a": JOB}}, ledger, [])


def test_a_started_job_that_is_nowhere_is_a_problem():
    both = {"PHI": {"a": JOB}}
    assert verdict.ledger_problems(both, both, ["a", "b"]) == [
        "1 jobs that were started are not in the ledger"
    ]


def test_counters_that_differ_from_a_recount_are_a_problem():
    right = {"day#1": {"Jobs#FAILED": 1}}
    assert verdict.counter_problems(right, right) == []
    assert verdict.counter_problems({"day#1": {"Jobs#FAILED": 2}}, right)
    assert verdict.counter_problems({}, right)
    assert verdict.counter_problems(right, {})


def test_a_history_that_a_job_can_have_has_no_problem():
    stopped = [("IN_PROGRESS", "t1"), ("STOP_REQUESTED", "t2"), ("STOPPED", "t3")]
    histories = {"a": HISTORY, "b": stopped, "c": HISTORY[:1]}
    assert (
        verdict.history_problems(histories, {"a": "COMPLETED", "b": "STOPPED"}, {"b": "PHI"}, ["b"])
        == []
    )


@pytest.mark.parametrize(
    "history, problem",
    [
        ([("IN_PROGRESS", "t1"), ("SUBMITTED", "t2"), ("COMPLETED", "t3")], "backwards"),
        ([("COMPLETED", "t1"), ("FAILED", "t2"), ("COMPLETED", "t3")], "repeat a status"),
        ([("SUBMITTED", "t2"), ("COMPLETED", "t1")], "times out of order"),
        ([("SUBMITTED", "t1")], "do not end with the job's status"),
        ([("STOP_REQUESTED", "t1"), ("COMPLETED", "t2")], "nobody requested"),
    ],
)
def test_a_history_that_a_job_cannot_have_is_a_problem(history, problem):
    (found,) = verdict.history_problems({"a": history}, {"a": "COMPLETED"}, {"a": "PHI"}, [])
    assert problem in found


def test_a_log_of_all_transitions_has_no_problem():
    assert verdict.log_problems(CHANGES, {"a": HISTORY}, ["a"]) == []
    # The first fill announces nothing.
    assert verdict.log_problems(CHANGES[1:], {"a": HISTORY}, []) == []


@pytest.mark.parametrize(
    "changes",
    [
        CHANGES[1:],
        [*CHANGES, CHANGES[0]],
        [*CHANGES[:2], replace(CHANGES[2], previous="SUBMITTED")],
        [*CHANGES, Change("PHI", "b", "FAILED", None, "t9")],
    ],
)
def test_a_log_that_differs_from_the_histories_is_a_problem(changes):
    assert verdict.log_problems(changes, {"a": HISTORY}, ["a"])


def test_events_of_all_changes_have_no_problem_even_when_delivered_again():
    assert verdict.event_problems([*EVENTS, EVENTS[0]], CHANGES) == []


@pytest.mark.parametrize(
    "events",
    [
        EVENTS[1:],
        [*EVENTS, Event("e9", Change("PHI", "b", "FAILED", None, "t9"))],
        [*EVENTS, Event("e9", CHANGES[0])],
        [*EVENTS[:2], Event("e0", CHANGES[2])],
    ],
)
def test_events_that_differ_from_the_log_are_a_problem(events):
    assert verdict.event_problems(events, CHANGES)


DIGESTS = [
    Digest("d1", Window("t0", "t2"), {"SUBMITTED": 1, "IN_PROGRESS": 0, "COMPLETED": 0}),
    Digest("d2", Window("t2", "t3"), {"SUBMITTED": 0, "IN_PROGRESS": 1, "COMPLETED": 0}),
]


def test_digests_that_tile_and_add_up_have_no_problem():
    # t3 is not before the end of the last window: it is in no digest yet.
    assert verdict.digest_problems([DIGESTS[1], DIGESTS[0], DIGESTS[1]], CHANGES, 2) == []


@pytest.mark.parametrize(
    "digests, problem",
    [
        (DIGESTS[:1], "1 digests came, and not 2"),
        ([DIGESTS[0], replace(DIGESTS[1], window=Window("t21", "t3"))], "1 windows do not begin"),
        ([DIGESTS[0], replace(DIGESTS[1], window=Window("t1", "t3"))], "1 windows do not begin"),
        ([DIGESTS[0], replace(DIGESTS[1], counts={})], "digests count 0 changes to IN_PROGRESS"),
        ([*DIGESTS, replace(DIGESTS[1], counts={})], "came again with other contents"),
    ],
)
def test_digests_with_a_gap_or_another_count_are_a_problem(digests, problem):
    assert any(problem in found for found in verdict.digest_problems(digests, CHANGES, 2))


RESTART = Absence(100.0, 110.0, Kind.RESTART)
REDEPLOYMENT = Absence(200.0, 230.0, Kind.REDEPLOYMENT)
SILENCE = Absence(300.0, 310.0, Kind.SILENCE)
REFUSED = Failure(0, 0, "/jobs", 503, retry_after=True, own=True)
LOST = Failure(0, 0, "/jobs: URLError", CONNECTION_LOST)
EMULATORS = Failure(0, 0, "/jobs", 502)


@pytest.mark.parametrize("failure", [REFUSED, LOST, EMULATORS])
def test_a_refusal_or_no_answer_around_a_restart_is_excused(failure):
    for began, ended in ((99, 101), (105, 106), (112, 113), (90, 170)):
        one = replace(failure, began=began, ended=ended)
        assert verdict.call_problems([one], [RESTART]) == []


@pytest.mark.parametrize(
    "failure",
    [
        replace(REFUSED, began=50, ended=51),
        replace(LOST, began=160, ended=161),
        replace(LOST, began=210, ended=211),
        replace(EMULATORS, began=50, ended=51),
        replace(REFUSED, began=105, ended=106, retry_after=False),
        Failure(105, 106, "/jobs", 500, own=True),
        Failure(105, 106, "/jobs", 404),
        Failure(105, 106, "a walk repeats a job", 200),
    ],
)
def test_any_other_failure_is_a_problem(failure):
    assert len(verdict.call_problems([failure], [RESTART, REDEPLOYMENT])) == 1


@pytest.mark.parametrize("failure", [REFUSED, EMULATORS])
def test_a_refusal_or_the_emulators_own_answer_during_a_redeployment_is_excused(failure):
    one = replace(failure, began=210, ended=211)
    assert verdict.call_problems([one], [REDEPLOYMENT]) == []


def test_a_refusal_while_the_emulator_is_silent_is_excused_and_none_after_it():
    assert verdict.call_problems([replace(REFUSED, began=290, ended=301)], [SILENCE]) == []
    assert verdict.call_problems([replace(REFUSED, began=311, ended=312)], [SILENCE])
    assert verdict.call_problems([replace(LOST, began=301, ended=302)], [SILENCE])


def test_memory_above_its_bound_and_foreign_connections_are_problems():
    assert verdict.bound_problems({"a function": 90}, {"a function": 100}, 0) == []
    assert verdict.bound_problems({"a function": 101}, {"a function": 100}, 0)
    assert verdict.bound_problems({}, {}, 1)


def test_a_property_that_cannot_be_stored_is_named_and_no_other():
    truth = {"PHI": {"a": JOB | {"Message": "m" * 9}}}
    cut = JOB | {"Message": "m", "AlteredProperties": ["Message"]}

    def problems(kept, altered):
        return verdict.ledger_problems(truth, {"PHI": {"a": kept}}, [], altered)

    assert problems(cut, {"a": ("Message",)}) == []
    assert problems(cut, {}) == [
        "PHI: AlteredProperties differs in 1 jobs",
        "PHI: Message differs in 1 jobs",
    ]
    unmarked = {name: value for name, value in cut.items() if name != "AlteredProperties"}
    assert problems(unmarked, {"a": ("Message",)}) == ["PHI: AlteredProperties differs in 1 jobs"]
    other = cut | {"JobName": "another"}
    assert problems(other, {"a": ("Message",)}) == ["PHI: JobName differs in 1 jobs"]


@pytest.mark.parametrize("erased, good", [(CHANGES[:1], True), (CHANGES[1:2], False), ([], False)])
def test_a_change_whose_row_was_deleted_may_have_been_in_a_digest(erased, good):
    left = CHANGES[1:]
    for digests in (DIGESTS, [replace(DIGESTS[0], counts={}), DIGESTS[1]]):
        found = verdict.digest_problems(digests, left, 2, erased)
        assert (found == []) is (good or digests is not DIGESTS)


def test_a_kind_of_oddity_that_was_not_met_is_a_problem():
    assert verdict.met_problems(("a", "b"), {"a": 1, "b": 2}) == []
    assert verdict.met_problems(("a", "b", "c"), {"a": 1, "b": 0}) == [
        "there were no b",
        "there were no c",
    ]
