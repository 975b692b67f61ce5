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


def within_one_day(answer, title):
    """What an answer prints, and the midnight (UTC) before it: again when the day has changed meanwhile."""
    while True:
        before, printed, after = today(), answer(title), today()
        if before == after:
            return printed, before


def today():
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def ids_in(printed):
    return re.findall(r"\b[0-9a-f]{32}\b", printed)


def jobs_that_stay(deployment):
    """The jobs of the families in which no test starts any."""
    return [job for family in FAMILIES for job in deployment.jobs[family]]


def known(deployment, ids):
    kept = {job["JobId"] for job in jobs_that_stay(deployment)}
    return sorted(job_id for job_id in ids if job_id in kept)


def time_of(job, name):
    return datetime.fromisoformat(job[name])


def test_every_question_has_one_answer_and_a_test():
    assert len(ANSWERS) == len(re.findall("^## ", COOKBOOK, re.MULTILINE)) >= 10
    assert COOKBOOK.count("```") == 2 * len(ANSWERS)
    text = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in ANSWERS if f'"{title}"' not in text] == []


def test_the_failures_of_yesterday(answer, deployment):
    printed, midnight = within_one_day(answer, "Which jobs failed yesterday?")
    yesterday = midnight - timedelta(days=1)
    expected = [
        job["JobId"]
        for job in jobs_that_stay(deployment)
        if job["JobStatus"] == "FAILED" and yesterday < time_of(job, "SubmitTime") < midnight
    ]
    assert known(deployment, ids_in(printed)) == sorted(expected)


def test_the_usual_duration(answer):
    printed = answer("How long do jobs usually take?")
    assert re.search(r"^Durations +half within \d+m \d\ds, 90% within \d+m", printed, re.MULTILINE)


def test_what_is_running(answer, deployment):
    job_id = job_that_completes(deployment, "in-progress", seconds=60)
    wait_until_listed(deployment, job_id)
    printed = answer("What is running now, and for how long?")
    (running,) = [line.split("\t") for line in printed.splitlines() if job_id in line]
    assert running[1] in ("SUBMITTED", "IN_PROGRESS")
    assert re.fullmatch(r"[\dms ]+", running[2])
    assert known(deployment, ids_in(printed)) == []


def test_everything_in_pandas(answer, deployment):
    printed = answer("How do I get everything into pandas?")
    for family in FAMILIES:
        count = len(deployment.jobs[family])
        assert re.search(rf"^{family} +{count}\.0 ", printed, re.MULTILINE)


def test_the_changes_since_this_morning(answer, deployment):
    printed, midnight = within_one_day(answer, "What changed since this morning?")
    jobs = jobs_that_stay(deployment)
    expected = [job["JobId"] for job in jobs if time_of(job, "EndTime") >= midnight]
    assert known(deployment, ids_in(printed)) == sorted(expected)


def test_the_jobs_that_expire_soon(answer, deployment):
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
    assert known(deployment, ids) == []


def test_a_pipeline_continues_after_a_successful_run(answer, deployment, tmp_path):
    script = tmp_path / "load.sh"
    script.write_text("#!/bin/sh\necho loaded\n")
    script.chmod(0o755)
    job_id = job_that_completes(deployment, "nightly-phi", seconds=4)
    printed = answer("Did last night's run succeed? (in a pipeline)")
    assert ids_in(printed) == [job_id]
    assert printed.splitlines()[-1] == "loaded"


def test_all_runs_of_a_job(answer, deployment):
    printed = answer("What are all runs of a nightly job?")
    runs = [job for job in deployment.jobs["SNOMEDCT"] if job.get("JobName") == "nightly-notes"]
    assert sorted(ids_in(printed)) == sorted(job["JobId"] for job in runs)


def test_the_failure_rates_of_the_month(answer, deployment):
    printed, midnight = within_one_day(
        answer, "What is the failure rate of each family this month?"
    )
    rates = dict(line.split(" ") for line in printed.splitlines())
    for family in FAMILIES:
        statuses = [
            job["JobStatus"]
            for job in deployment.jobs[family]
            if time_of(job, "SubmitTime") > midnight.replace(day=1)
            and job["JobStatus"] != "STOPPED"
        ]
        rate = round(statuses.count("FAILED") / len(statuses), 4) if statuses else None
        assert rates[family] == str(rate)


def test_jobs_by_name_and_output(answer, deployment):
    printed = answer("Which jobs with this name wrote below this path?")
    runs = [job for job in deployment.jobs["SNOMEDCT"] if job.get("JobName") == "nightly-notes"]
    assert sorted(ids_in(printed)) == sorted(job["JobId"] for job in runs)
    assert printed.count(" s3://codes/out/ü/\n") == len(runs)


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_the_summary_by_curl(answer, deployment):
    summary = json.loads(answer("And without Python?"))
    for family in FAMILIES:
        assert summary["ByFamily"][family] == len(deployment.jobs[family])


def job_that_completes(deployment, name, *, seconds):
    """Start a job that is COMPLETED after so many seconds."""
    deployment.control(
        "settings",
        submitted_seconds=seconds / 2,
        in_progress_seconds=seconds,
        late_jobs=False,
        outcome="COMPLETED",
    )
    return start_phi_job(deployment.client("comprehendmedical"), name)


def wait_until_listed(deployment, job_id):
    """A consistent read can share a sync that began up to two seconds before."""

    def listed():
        jobs = deployment.get("/jobs", Family="PHI", ConsistentRead="true", MaxResults=500).json
        return job_id in str(jobs)

    wait_until(listed, 60, f"{job_id} is listed", every=1)
