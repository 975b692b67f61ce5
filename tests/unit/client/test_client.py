"""The client against the API's own handler."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from job_ledger import ApiError
from jobledger.digest.claims import DigestState, DigestStateRow, Sent
from jobledger.times import rfc3339
from testing.builders import NOW
from testing.served_api import JOBS

START, END = "2026-11-22T08:00:00.000Z", "2026-11-23T08:00:00.000Z"
SENT = Sent("d" * 32, START, END, {"COMPLETED": 1}, "m")
ANSWER = {
    "DigestId": "d" * 32, "MessageId": "m", "Window": {"Start": START, "End": END}, "Counts": SENT.counts,
}  # fmt: skip


def queries(server):
    return [request.query for request in server.requests]


def test_jobs_iterates_over_all_pages_and_reads_a_page_only_when_it_is_wanted(ledger, server):
    jobs = ledger.jobs(max_results=10)
    assert server.requests == []
    assert len(list(itertools.islice(jobs, 15))) == 15
    assert len(server.requests) == 2
    ids = [job["JobId"] for job in ledger.jobs()]
    assert ids == [f"{n:032x}" for n in reversed(range(JOBS))]
    assert len(server.requests) == 2 + 3, "pages of 500"


def test_times_of_every_kind_become_times_of_the_api(ledger, server):
    times = {
        datetime(2026, 11, 22, 8, tzinfo=UTC): "2026-11-22T08:00:00+00:00",
        datetime(2026, 11, 22, 8, 0, 0, 500, tzinfo=UTC): "2026-11-22T08:00:00.000500+00:00",
        date(2026, 11, 22): "2026-11-22",
        "2026-11-22T08:00:00Z": "2026-11-22T08:00:00Z",
        1_795_334_400: "1795334400",
        1_795_334_400.5: "1795334400.500000",
    }
    for value in times:
        ledger.page(submit_time_after=value, order=None)
    assert queries(server) == [{"SubmitTimeAfter": [sent]} for sent in times.values()]


def test_an_unknown_filter_and_a_time_without_a_zone_are_refused_and_not_sent(ledger, server):
    with pytest.raises(TypeError, match="jobstatus is not a filter; this call accepts family, job"):
        ledger.page(jobstatus="FAILED")
    with pytest.raises(TypeError, match="max_results is not a filter"):
        ledger.summary(max_results=5)
    with pytest.raises(ValueError, match="submit_time_after needs a time zone"):
        ledger.page(submit_time_after=datetime(2026, 11, 22))  # noqa: DTZ001 - it is the mistake
    assert server.requests == []


def test_an_id_that_no_job_has_never_reaches_another_route(ledger):
    described = ledger.job(f"{9_001:032x}")
    assert described["ComprehendMedicalAsyncJobProperties"]["JobName"] == "夜 =1+1"
    for job_id in ("", ".", "..", "absent", "a%2Fb", "a?b", "#", "../jobs"):
        with pytest.raises(ApiError) as caught:
            ledger.job(job_id)
        assert caught.value.status in (400, 404)


def test_a_digest_has_a_key_so_that_retries_publish_once_and_the_last_one_is_shown(ledger, server):
    server.api.answer_of_function = ANSWER
    server.api.asked.clear()
    assert ledger.publish_digest() == ANSWER
    window = (NOW - timedelta(days=1), NOW - timedelta(hours=1))
    ledger.publish_digest(*window, idempotency_key="mine")
    (_, first), (_, second) = server.api.asked
    assert len(first["IdempotencyKey"]) == 36
    start, end = map(rfc3339, window)
    assert second == {"IdempotencyKey": "mine", "WindowStart": start, "WindowEnd": end}
    with pytest.raises(ApiError, match="No digest has been published yet"):
        ledger.last_digest()
    api = server.api.ledger
    DigestStateRow(api.table, api.scope).save(DigestState(last=SENT))
    assert ledger.last_digest() == ANSWER
