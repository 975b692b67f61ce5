"""Listing: documented orders, walks that miss nothing, tokens, and each hostility on and off."""

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from local.comprehend_medical import Family, Hostility, Service, ServiceError, Settings
from tests.contract.shapes import LIST_KEY, MINIMAL, Clock, ids, job, listed, walk

JOBS = [job(number) for number in range(1, 301)]
IDS = [job["JobId"] for job in JOBS]
TAME = Hostility.none()
HOSTILE = Hostility(throttle=False)
INVALID = "InvalidRequestException"
FIRST = JOBS[0]["SubmitTime"]
START, STOP = "StartSNOMEDCTInferenceJob", "StopSNOMEDCTInferenceJob"


def service_with(hostility=TAME, clock=None, settings=None):
    return Service({Family.SNOMEDCT: JOBS}, hostility, settings, clock or Clock())


def only(name):
    """One hostility, all others tamed: what a switch does by itself."""
    return replace(TAME, **{name: True})


def refused(act, *arguments, **more):
    """The code of an error."""
    with pytest.raises(ServiceError) as error:
        act(*arguments, **more)
    return error.value.code


@pytest.mark.parametrize("hostility", [TAME, HOSTILE])
@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_time_filter_orders_as_documented_with_exclusive_bounds(hostility, size):
    service = service_with(hostility)
    for bound, since_first, expected in (
        ("Before", 999, IDS),
        ("After", -1, IDS[::-1]),
        ("Before", 10, IDS[:10]),
        ("After", 10, IDS[:10:-1]),
        ("Before", 10.001, IDS[:11]),
        ("After", 9.999, IDS[:9:-1]),
        ("Before", 0, []),
        ("After", 299, []),
    ):
        found = ids(service, size, **{f"SubmitTime{bound}": FIRST + since_first})
        assert list(dict.fromkeys(found)) == expected
        assert sorted(found, reverse=bound == "After") == found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "filters", [{}, {"SubmitTimeAfter": 1.0}, {"SubmitTimeBefore": 2e9}, {"JobStatus": "COMPLETED"}]
)
def test_a_hostile_walk_misses_no_job_whatever_comes_and_goes_meanwhile(seed, filters):
    rng = random.Random(seed)
    service = service_with(HOSTILE, settings=Settings(seed=seed))
    for size in (1, 2, 9, 100, 500):
        assert set(ids(service, size, **filters)) == set(IDS)
    found: set[str] = set()
    stay = set(IDS)
    for page in walk(service, MaxResults=20, Filter=filters):
        found |= {job["JobId"] for job in page}
        leaving = rng.choice(IDS)
        stay.discard(leaving)
        service.delete_jobs({Family.SNOMEDCT: [leaving]})
        changing = int(rng.choice(sorted(stay)), 16)
        changed = job(changing, Message="changed", JobName="other")
        service.put_jobs({Family.SNOMEDCT: [job(rng.randrange(1_000, 2_000)), changed]})
    assert stay <= found


def test_a_job_that_is_put_again_is_found_by_its_new_values_only():
    clock = Clock()
    service = service_with(only("expire_jobs"), clock)
    put = {"JobName": "new", "JobStatus": "FAILED", "ExpirationTime": clock() + 10}
    service.put_jobs({Family.SNOMEDCT: [job(1, SubmitTime=1.5, **put)]})
    for filters in ({"JobName": "new"}, {"JobStatus": "FAILED"}, {"SubmitTimeBefore": 2}):
        assert ids(service, **filters) == IDS[:1]
    assert IDS[0] not in ids(service, JobName="name-1")
    assert ids(service, SubmitTimeAfter=2) == IDS[:0:-1]
    clock.tick(10)
    assert IDS[0] not in ids(service)


def test_the_default_page_is_100_and_names_match_exactly():
    service = service_with()
    assert len(listed(service)[LIST_KEY]) == 100
    assert ids(service, JobName="name-") == ids(service, JobStatus="FAILED") == []
    assert set(ids(service, JobName="name-1")) == set(IDS[::3])


def test_single_filter_refuses_two():
    service = service_with(only("single_filter"))
    two = {"JobName": "a", "JobStatus": "FAILED"}
    assert refused(listed, service, {"Filter": two}) == INVALID
    assert listed(service, {"Filter": {"JobName": "a", "JobStatus": None}}) == {LIST_KEY: []}


@pytest.mark.parametrize("filters", [{}, {"JobName": "name-1"}, {"JobStatus": "COMPLETED"}])
def test_shuffle_gives_each_walk_without_time_filter_its_own_order(filters):
    hostile = service_with(only("shuffle"))
    orders = [ids(hostile, 30, **filters) for _ in range(3)]
    newest_first = ids(service_with(), **filters)
    assert newest_first == sorted(newest_first, reverse=True)
    assert [sorted(order, reverse=True) for order in orders] == [newest_first] * 3
    assert len({tuple(order) for order in [*orders, newest_first]}) == 4


def test_repeat_jobs_lists_the_last_job_of_a_page_again_on_the_next():
    service = service_with(only("repeat_jobs"))
    pages = [page for _ in range(10) for page in walk(service, MaxResults=20)]
    again = [after[0] == before[-1] for before, after in pairwise(pages)]
    assert sum(again) > 10
    assert max(len(page) for page in pages) == 20
    assert ids(service_with(), 20) == IDS[::-1]


@pytest.mark.parametrize("hostility", [TAME, only("expiring_tokens"), HOSTILE])
def test_a_token_expires_and_until_then_gives_the_same_page_again(hostility):
    clock = Clock()
    service = service_with(hostility, clock)
    wanted = {"NextToken": listed(service)["NextToken"]}
    page = listed(service, wanted)[LIST_KEY]
    clock.tick(60)
    assert listed(service, wanted)[LIST_KEY] == page
    clock.tick(0.1)
    if hostility.expiring_tokens:
        assert refused(listed, service, wanted) == INVALID
    else:
        assert listed(service, wanted)[LIST_KEY] == page


def test_a_token_is_good_for_its_own_query_only():
    service = service_with()
    token = listed(service)["NextToken"]
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in (0, 40)]
    for made_up in [*changed, token + "AAAA", token[:-4], "x"]:
        assert refused(listed, service, {"NextToken": made_up}) == INVALID
    wanted = {"NextToken": token}
    for foreign in ({"Filter": {"JobStatus": "COMPLETED"}}, {"Filter": {"SubmitTimeAfter": 1}}):
        assert refused(listed, service, wanted | foreign) == INVALID
    assert refused(listed, service, wanted, Family.PHI) == INVALID
    assert refused(listed, service_with(), wanted) == INVALID
    service.put_jobs({}, replace=True)
    assert refused(listed, service, wanted) == INVALID


@pytest.mark.parametrize("status", [429, 400])
def test_throttle_lets_ten_reads_and_five_writes_pass_a_second(status):
    clock = Clock()
    service = service_with(only("throttle"), clock, Settings(throttle_status=status))
    stop = json.dumps({"JobId": IDS[0]})
    throttled = "TooManyRequestsException"
    for _ in range(2):
        for _ in range(10):
            listed(service)
        for _ in range(5):
            service.call(STOP, stop)
        with pytest.raises(ServiceError) as error:
            listed(service, family=Family.PHI)
        assert (error.value.code, error.value.status) == (throttled, status)
        assert refused(service.call, STOP, stop) == throttled
        clock.tick(0.9)
        assert refused(listed, service) == throttled
        clock.tick(0.1)


@pytest.mark.parametrize("hostility, left", [(TAME, 300), (only("expire_jobs"), 299)])
def test_expire_jobs_deletes_a_job_at_its_expiration_time(hostility, left):
    clock = Clock(JOBS[0]["ExpirationTime"] - 0.001)
    service = service_with(hostility, clock)
    assert len(set(ids(service))) == 300
    clock.tick(0.001)
    assert len(set(ids(service))) == len(service.jobs()[Family.SNOMEDCT]) == left


@pytest.mark.parametrize("hostility, late", [(TAME, False), (only("late_jobs"), True)])
def test_late_jobs_are_described_before_they_are_listed(hostility, late):
    clock = Clock()
    service = Service(hostility=hostility, clock=clock)
    started = service.call(START, json.dumps(MINIMAL))
    clock.tick(4.9)
    assert "IN_PROGRESS" in service.call("DescribeSNOMEDCTInferenceJob", started)
    for filters in ({}, {"SubmitTimeAfter": 1}, {"JobStatus": "IN_PROGRESS"}):
        assert len(ids(service, **filters)) == (0 if late else 1)
    assert len(service.jobs()[Family.SNOMEDCT]) == 1, "the truth knows it at once"
    clock.tick(0.1)
    assert len(ids(service)) == 1


def test_short_and_empty_pages_carry_a_token():
    def sizes(hostility):
        service = service_with(hostility)
        return {len(page) for _ in range(10) for page in walk(service, MaxResults=50)}

    assert sizes(TAME) == {50}
    short = sizes(only("short_pages"))
    assert len(short) > 10
    assert 0 not in short
    assert sizes(only("empty_pages")) == {0, 50}
    assert max(sizes(HOSTILE)) == 50
