"""A program that uses the client which openapi-python-client generates as the package `generated`.

It runs in an environment of its own, so it imports nothing of this project.
"""

import datetime
import json
import sys

from generated import Client, models  # type: ignore[import-not-found] # made by the test
from generated.api.digests import publish_digest  # type: ignore[import-not-found] # by the test
from generated.api.jobs import describe_job, list_jobs, summarise_jobs  # type: ignore[import-not-found] # by the test
from generated.api.ledger import get_health  # type: ignore[import-not-found] # made by the test

AFTER, BEFORE = "2026-11-22T00:00:00Z", datetime.date(2027, 1, 1).isoformat()

with Client(base_url=sys.argv[1], raise_on_unexpected_status=True) as client:
    every = [models.ListJobsFamilyItem.ALL]
    first = list_jobs.sync(client=client, family=every, max_results=2)
    second = list_jobs.sync(client=client, family=every, max_results=2, next_token=first.next_token)
    pages = [page.comprehend_medical_async_job_properties_list for page in (first, second)]
    jobs = [job for page in pages for job in page]
    failed = list_jobs.sync(
        client=client,
        job_name="nightly notes: 1/2+3",
        job_status=[models.ListJobsJobStatusItem[name] for name in ("FAILED", "STOPPED")],
        submit_time_after=AFTER,
        submit_time_before=BEFORE,
    )
    described = describe_job.sync(jobs[0].job_id, client=client)
    later = described.comprehend_medical_async_job_properties
    window = models.DigestRequest("2026-11-01T00:00:00Z", "2026-11-02")
    digest = publish_digest.sync(client=client, body=window, idempotency_key="generated-client")
    families = [models.SummariseJobsFamilyItem.ALL]
    summary = summarise_jobs.sync(client=client, family=families, submit_time_after=AFTER)
    # What its parser cannot read: the text of another format.
    text = client.get_httpx_client().get("/jobs", params={"Format": "csv"}).text
    results = {
        "Listed": [job.job_id for job in jobs],
        "Failed": [job.job_id for job in failed.comprehend_medical_async_job_properties_list],
        "Later": [later.job_status, later.additional_properties["Quality"]],
        "Total": summary.total,
        "Status": get_health.sync(client=client).status,
        "WindowEnd": digest.window.end.isoformat()[:10],
        "Wrong": [each.parameter for each in list_jobs.sync(client=client, job_name="a*").errors],
        "Csv": text[:7],
    }
    print(json.dumps(results))
