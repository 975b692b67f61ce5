"""What a reader of `make soak` makes of an answer."""

from datetime import UTC, datetime, timedelta

import pytest

from soak import answers


def a_job(number: int, **properties: str) -> dict[str, str]:
    job = {"JobId": f"{number}", "SubmitTime": f"2026-11-0{number}T00:00:00.000Z"}
    return job | {"Family": "PHI", "JobStatus": "FAILED", "JobName": "soak-1"} | properties


THREE = [a_job(3), a_job(2), a_job(1)]
PHI = {"Family": "PHI"}


def test_a_whole_walk_in_order_has_no_problem():
    query = PHI | {"JobStatus": "FAILED", "SubmitTimeAfter": "2026-10-01", "JobNamePrefix": "soak"}
    assert answers.walk_problem(THREE, query, ["1", "3"]) is None


@pytest.mark.parametrize(
    "jobs, query, known",
    [
        ([*THREE, THREE[2]], PHI, []),
        (THREE[::-1], PHI, []),
        (THREE, {"Family": "SNOMEDCT"}, []),
        (THREE, PHI | {"JobStatus": "STOPPED"}, []),
        (THREE, PHI | {"SubmitTimeAfter": "2026-11-01T00:00:00.000Z"}, []),
        (THREE, PHI | {"JobNamePrefix": "nightly"}, []),
        (THREE, PHI, ["4"]),
    ],
)
def test_a_wrong_walk_is_a_problem(jobs, query, known):
    assert answers.walk_problem(jobs, query, known)


def test_two_walks_of_one_key_have_the_same_jobs_whatever_their_status():
    later = [job | {"JobStatus": "STOPPED"} for job in THREE]
    assert answers.same_walk_problem(THREE, later) is None
    assert answers.same_walk_problem(THREE, [a_job(4), *THREE])
    assert answers.same_walk_problem(THREE, THREE[:2])


def test_a_summary_adds_up_and_loses_no_job():
    summary = {"Total": 3, "ByStatus": {"FAILED": 1, "STOPPED": 2}, "ByFamily": {"PHI": 3}}
    assert answers.summary_problem(summary, 3) is None
    assert answers.summary_problem(summary, 4)
    assert answers.summary_problem(summary | {"ByFamily": {"PHI": 2}}, 0)
    assert answers.summary_problem(summary | {"Total": 4}, 0)


def test_csv_pages_have_the_same_columns_in_each_row():
    page = '"JobId","JobName"\r\n"a","x\r\ny"\r\n'
    assert answers.csv_problem(page, []) is None
    assert answers.csv_problem(page, ["JobId", "JobName"]) is None
    assert answers.csv_problem(page, ["JobId"])
    assert answers.csv_problem(page + '"b"\r\n', [])
    assert answers.csv_problem("", [])


def a_description(*history: str) -> dict[str, object]:
    steps = [{"JobStatus": s, "ObservedAt": f"t{n}"} for n, s in enumerate(history)]
    return {"ComprehendMedicalAsyncJobProperties": a_job(1, JobStatus="FAILED"), "History": steps}


def test_a_job_only_moves_forward():
    good = a_description("SUBMITTED", "FAILED")
    assert answers.description_problem(good, "1", 2) is None
    assert answers.description_problem(good, "2", 0)
    assert answers.description_problem(a_description("SUBMITTED"), "1", 0)
    assert answers.description_problem(a_description("IN_PROGRESS", "SUBMITTED", "FAILED"), "1", 0)
    late = a_description("SUBMITTED", "FAILED")
    late["ComprehendMedicalAsyncJobProperties"] = a_job(1, JobStatus="IN_PROGRESS")
    late["History"] = [{"JobStatus": "IN_PROGRESS", "ObservedAt": "t"}]
    assert answers.description_problem(late, "1", 3) == "a job has moved backwards"


def test_a_consistent_read_is_recent_or_says_that_it_is_not():
    now = datetime(2026, 11, 25, tzinfo=UTC)
    old = (now - timedelta(minutes=5)).isoformat()
    assert answers.consistent_problem({"AsOf": now.isoformat()}, now) is None
    assert answers.consistent_problem({"AsOf": old, "Stale": True}, now) is None
    assert answers.consistent_problem({"AsOf": old}, now)
