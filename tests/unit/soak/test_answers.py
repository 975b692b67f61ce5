"""What `make soak` makes of answers and of processes."""

import os
from datetime import UTC, datetime, timedelta

from soak import answers
from soak.watched import _is_local, descendants, foreign_connections, resident_mib


def a_job(number: int, **properties: str) -> dict[str, str]:
    job = {"JobId": f"{number}", "SubmitTime": f"2026-11-0{number}T00:00:00.000Z"}
    return job | {"Family": "PHI", "JobStatus": "FAILED", "JobName": "soak-1"} | properties


def a_description(*history: str, status: str = "FAILED") -> dict[str, object]:
    steps = [{"JobStatus": s, "ObservedAt": f"t{n}"} for n, s in enumerate(history)]
    return {"ComprehendMedicalAsyncJobProperties": a_job(1, JobStatus=status), "History": steps}


THREE = [a_job(3), a_job(2), a_job(1)]
SUMMARY = {"Total": 3, "ByStatus": {"FAILED": 1, "STOPPED": 2}, "ByFamily": {"PHI": 3}}
CSV = '"JobId","JobName"\r\n"a","x\r\ny"\r\n'
GOOD = a_description("SUBMITTED", "FAILED")
BACKWARDS = a_description("IN_PROGRESS", "SUBMITTED", "FAILED")
ACTIVE = a_description("IN_PROGRESS", status="IN_PROGRESS")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
OLD = (NOW - timedelta(minutes=5)).isoformat()


def test_a_traversal_has_all_jobs_in_order_that_its_filters_allow():
    def problem(jobs=THREE, known=(), **query):
        return answers.traversal_problem(jobs, {"Family": "PHI"} | query, known)

    filters = {"JobStatus": "FAILED", "SubmitTimeAfter": "2026-10-01", "JobNamePrefix": "soak"}
    assert problem(known=["1", "3"], **filters) is None
    assert problem([*THREE, THREE[2]]) == "a traversal repeats a job"
    assert problem(THREE[::-1]) == "a traversal is not in order"
    assert problem(known=["4"]) == "a traversal lacks 1 jobs that an earlier one had"
    time = "2026-11-01T00:00:00.000Z"
    others = {"Family": "SNOMEDCT", "JobStatus": "STOPPED", "SubmitTimeAfter": time, "JobNamePrefix": "nightly"}  # fmt: skip
    for name, value in others.items():
        assert problem(**{name: value}) == "a traversal has a job that its filters exclude"
    # Two traversals of one key have the same jobs whatever their status.
    later = [job | {"JobStatus": "STOPPED"} for job in THREE]
    assert answers.same_traversal_problem(THREE, later) is None
    assert answers.same_traversal_problem(THREE, [a_job(4), *THREE])
    assert answers.same_traversal_problem(THREE, THREE[:2])


def test_a_wrong_answer_is_a_problem_and_a_right_one_is_not():
    for judge, given, problem in (
        (answers.summary_problem, (SUMMARY, 3), None),
        (answers.summary_problem, (SUMMARY, 4), "1 jobs fewer"),
        (answers.summary_problem, (SUMMARY | {"ByFamily": {"PHI": 2}}, 0), "do not add up"),
        (answers.summary_problem, (SUMMARY | {"Total": 4}, 0), "do not add up"),
        (answers.csv_problem, (CSV, []), None),
        (answers.csv_problem, (CSV, ["JobId", "JobName"]), None),
        (answers.csv_problem, (CSV, ["JobId"]), "different columns"),
        (answers.csv_problem, (CSV + '"b"\r\n', []), "columns of its header"),
        (answers.csv_problem, ("", []), "no header"),
        (answers.description_problem, (GOOD, "1", 2), None),
        (answers.description_problem, (GOOD, "2", 0), "another job"),
        (answers.description_problem, (a_description("SUBMITTED"), "1", 0), "does not end"),
        (answers.description_problem, (BACKWARDS, "1", 0), "goes backwards"),
        (answers.description_problem, (ACTIVE, "1", 3), "has moved backwards"),
        (answers.consistent_problem, ({"AsOf": NOW.isoformat()}, NOW), None),
        (answers.consistent_problem, ({"AsOf": OLD, "Stale": True}, NOW), None),
        (answers.consistent_problem, ({"AsOf": OLD}, NOW), "does not say so"),
    ):
        found = judge(*given)
        assert ((found is None), (problem or "") in (found or "")) == (problem is None, True), given


def test_a_process_its_memory_and_its_connections_to_other_machines_are_found():
    assert descendants([os.getppid()])[os.getpid()] == os.getppid()
    assert resident_mib(os.getpid()) > 10
    assert foreign_connections([os.getpid()]) == 0
    local = ("0100007F", "00000000", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F")
    assert all(_is_local(address) for address in local)
    assert not _is_local("08080808")
    assert not _is_local("B80D0120000000000000000001000000")
