"""Pages of active jobs: what a list of them has, whatever the service has deleted, and what it reads."""

from datetime import timedelta

import pytest

from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import NOW, full_job

FAMILIES = (Family.SNOMEDCT, Family.PHI)


@pytest.fixture
def api():
    with running_api() as running:
        yield running


def fill(api, numbers, family=Family.SNOMEDCT, **more):
    running = {"JobStatus": "IN_PROGRESS", "EndTime": None} | more
    api.fill(
        *(full_job(n, SubmitTime=NOW.timestamp() - n, **running) for n in numbers), family=family
    )


def ids(jobs):
    return [int(job["JobId"], 16) for job in jobs]


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("order,sign", [("descending", 1), ("ascending", -1)])
def test_the_pages_of_two_families_together_are_the_active_jobs_in_order(api, size, order, sign):
    fill(api, range(0, 300, 2))
    fill(api, range(1, 300, 2), Family.PHI)
    fill(api, range(400, 500), JobStatus="COMPLETED", EndTime=NOW.timestamp())
    for number in range(0, 300, 10):
        submitted = rfc3339(NOW - timedelta(seconds=number))
        api.ledger.mark_expired(Family.SNOMEDCT, f"{number:032x}", submitted)
    api.now += timedelta(minutes=1)
    query = {"Active": "true", "Family": ["SNOMEDCT", "PHI"], "Order": order, "MaxResults": size}
    pages = list(api.traverse(**query))
    assert {len(page) for page in pages[:-1]} <= {size}
    listed = [n for page in pages for n in ids(page)]
    assert listed == [n for n in range(300) if n % 10][::sign]


@pytest.mark.parametrize(
    "filters,expected",
    [
        ({"JobName": "b"}, [1, 3]),
        ({"JobNamePrefix": "a"}, [2, 4]),
        ({"JobStatus": "SUBMITTED"}, [4]),
        ({"SubmitTimeAfter": rfc3339(NOW - timedelta(seconds=3))}, [1, 2]),
        ({"SubmitTimeBefore": rfc3339(NOW - timedelta(seconds=3)), "Order": "descending"}, [4]),
        ({"Active": "false", "JobName": "b"}, [1, 3, 5]),
    ],
)
def test_active_jobs_can_be_filtered_as_all_jobs_can(api, filters, expected):
    fill(api, [1, 3], JobName="b")
    fill(api, [2], JobName="a")
    fill(api, [4], JobName="aa", JobStatus="SUBMITTED")
    fill(api, [5], JobName="b", JobStatus="FAILED", EndTime=NOW.timestamp())
    assert ids(api.get("/jobs", **{"Active": "true"} | filters).jobs) == expected


def test_a_job_of_an_unknown_status_without_an_end_is_active_and_a_later_job_joins_no_traversal(
    api,
):
    fill(api, [1, 2], JobStatus="PAUSED")  # observed when the traversal begins
    first = api.get("/jobs", Active="true", MaxResults=1)
    api.now += timedelta(minutes=1)
    fill(api, [3])
    rest = api.get("/jobs", Active="true", MaxResults=5, NextToken=first.json["NextToken"])
    assert (ids(first.jobs), ids(rest.jobs)) == ([1], [2])


def test_a_token_of_active_jobs_is_none_of_all_jobs_and_those_without_the_filter_stay_valid(api):
    fill(api, range(5))
    token = api.get("/jobs", Active="true", MaxResults=1).json["NextToken"]
    assert api.get("/jobs", MaxResults=1, NextToken=token).status == 400
    every = api.get("/jobs", MaxResults=1).json["NextToken"]
    assert api.get("/jobs", MaxResults=1, Active="false", NextToken=every).status == 200
