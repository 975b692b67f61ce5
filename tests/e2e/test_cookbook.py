"""docs/cookbook.md: each answer is run as it is written against a deployment, and is right."""

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.options import ROOT
from tests.e2e.account import FAMILIES, rfc3339, start_phi_job
from tests.e2e.programs import printed
from tests.e2e.stack import wait_until
from tests.unit.client.commands import environment

pytestmark = pytest.mark.xdist_group("deployment")

COOKBOOK = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
ANSWERS = {
    title: (language, code)
    for title, language, code in re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?```(\w+)\n(.*?)```", COOKBOOK, re.MULTILINE | re.DOTALL
    )
}


def is_nightly(job, _now):
    return (job["Family"], job.get("JobName")) == ("SNOMEDCT", "nightly-notes")


def is_yesterday(time, now):
    yesterday = (now - timedelta(days=1)).strftime("%Y-%m-%dT00:00:00.000Z")
    return yesterday < time < now.strftime("%Y-%m-%dT00:00:00.000Z")


@pytest.fixture
def answer(deployment, tmp_path):
    """Run the answer to a question in an empty directory, and return what it prints."""
    clients = ROOT / ".venv-clients" / "bin"
    path = os.pathsep.join((str(ROOT / ".venv" / "bin"), str(clients), os.environ["PATH"]))
    url = deployment.api_url
    variables = environment(url, PATH=path, API_URL=url, AWS_SESSION_TOKEN="token")

    def answer(title: str) -> str:
        language, code = ANSWERS[title]
        # pandas is in an environment of its own.
        python = clients if "import pandas" in code else ROOT / ".venv" / "bin"
        command = "sh" if language == "sh" else str(python / "python")
        return printed(command, "-c", code, variables=variables, cwd=tmp_path)

    return answer


def ids_in(printed):
    return sorted(re.findall(r"\b[0-9a-f]{32}\b", printed))


@pytest.fixture
def kept(deployment):
    """Jobs by id, of the families in which no test starts any."""
    jobs = [job | {"Family": family} for family in FAMILIES for job in deployment.jobs[family]]
    return {job["JobId"]: job for job in jobs}


def wait_until_listed(deployment, job_id):
    """A consistent read can share a sync that began up to two seconds before."""

    def listed():
        jobs = deployment.get("/jobs", Family="PHI", ConsistentRead="true", MaxResults=500).json
        return job_id in str(jobs)

    wait_until(listed, 60, f"{job_id} is listed", every=1)


def job_that_completes(deployment, name, *, seconds):
    """Start a job that is COMPLETED after so many seconds."""
    times = {"submitted_seconds": seconds / 2, "in_progress_seconds": seconds}
    deployment.control("settings", **times, late_jobs=False, outcome="COMPLETED")
    return start_phi_job(deployment.client("comprehendmedical"), name)


def test_every_question_has_one_answer_and_a_test():
    assert len(ANSWERS) == len(re.findall("^## ", COOKBOOK, re.MULTILINE)) >= 10
    assert COOKBOOK.count("```") == 2 * len(ANSWERS)
    text = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in ANSWERS if f'"{title}"' not in text] == []


@pytest.mark.parametrize(
    "title, chosen",
    [
        (
            "Which jobs failed yesterday?",
            lambda job, now: job["JobStatus"] == "FAILED" and is_yesterday(job["SubmitTime"], now),
        ),
        (
            "What changed since this morning?",
            lambda job, now: job["EndTime"] >= now.strftime("%Y-%m-%dT00:00"),
        ),
        ("What are all runs of a nightly job?", is_nightly),
        ("Which jobs with this name wrote below this path?", is_nightly),
    ],
)
def test_an_answer_lists_the_jobs_that_it_is_asked_for(answer, kept, title, chosen):
    while True:
        now, printed = datetime.now(UTC), answer(title)
        if now.date() == datetime.now(UTC).date():  # else again: the day has changed meanwhile
            break
    expected = sorted(job_id for job_id, job in kept.items() if chosen(job, now))
    assert [job_id for job_id in ids_in(printed) if job_id in kept] == expected
    if "path" in title:
        assert printed.count(" s3://codes/out/ü/\n") == len(expected)


def test_the_usual_duration(answer):
    printed = answer("How long do jobs usually take?")
    assert re.search(r"^Durations +half within \d+m \d\ds, 90% within \d+m", printed, re.MULTILINE)


def test_what_is_running(answer, deployment, kept):
    job_id = job_that_completes(deployment, "in-progress", seconds=60)
    wait_until_listed(deployment, job_id)
    printed = answer("What is running now, and for how long?")
    (running,) = [line.split("\t") for line in printed.splitlines() if job_id in line]
    assert running[1] in ("SUBMITTED", "IN_PROGRESS")
    assert re.fullmatch(r"[\dms ]+", running[2])
    assert not kept.keys() & set(ids_in(printed))


def test_the_jobs_that_expire_soon(answer, deployment, kept):
    now = datetime.now(UTC)
    expiring = {
        "JobId": "e" * 32,
        "JobStatus": "COMPLETED",
        "SubmitTime": rfc3339(now - timedelta(minutes=5)),
        "EndTime": rfc3339(now),
        "ExpirationTime": rfc3339(now + timedelta(days=3)),
    }
    deployment.control("settings", late_jobs=False)
    deployment.control("jobs", Put={"PHI": [expiring]})
    wait_until_listed(deployment, "e" * 32)
    ids = ids_in(answer("Which jobs is the service about to delete?"))
    assert "e" * 32 in ids
    assert not kept.keys() & set(ids)


def test_a_pipeline_continues_after_a_successful_run(answer, deployment, tmp_path):
    script = tmp_path / "load.sh"
    script.write_text("#!/bin/sh\necho loaded\n")
    script.chmod(0o755)
    job_id = job_that_completes(deployment, "nightly-phi", seconds=4)
    printed = answer("Did last night's run succeed? (in a pipeline)")
    assert ids_in(printed) == [job_id]
    assert printed.splitlines()[-1] == "loaded"


def test_the_failure_rates_of_the_month(answer, deployment):
    month = datetime.now(UTC).strftime("%Y-%m-01T00:00:00.000Z")
    printed = answer("What is the failure rate of each family this month?")
    rates = dict(line.split(" ") for line in printed.splitlines())
    for family in FAMILIES:
        jobs = [job for job in deployment.jobs[family] if job["SubmitTime"] > month]
        statuses = [job["JobStatus"] for job in jobs if job["JobStatus"] != "STOPPED"]
        rate = round(statuses.count("FAILED") / len(statuses), 4) if statuses else None
        assert rates[family] == str(rate)


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_the_summary_by_curl_and_everything_in_pandas(answer, deployment):
    summary = json.loads(answer("And without Python?"))
    printed = answer("How do I get everything into pandas?")
    for family in FAMILIES:
        count = len(deployment.jobs[family])
        assert summary["ByFamily"][family] == count
        assert re.search(rf"^{family} +{count}\.0 ", printed, re.MULTILINE)
