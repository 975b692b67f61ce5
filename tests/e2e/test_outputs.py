"""What jobs processed, from the manifests that the stand-in writes to S3: shown everywhere, and equal to its truth."""

import csv
import datetime
import io
import json
import urllib.request
import uuid
from collections import Counter

import pytest

from local.comprehend_medical.families import Family
from local.comprehend_medical.jobs import WILL_END_IN_PART
from local.comprehend_medical.manifests import Kind, outcome_of
from tests.e2e.account import SCOPE, made_up_jobs, rfc3339, start_phi_job
from tests.e2e.permission_uses import window
from tests.e2e.stack import Inbox, wait_until

pytestmark = pytest.mark.xdist_group("deployment")

FAMILY = "PHI"
JOB = "ComprehendMedicalAsyncJobProperties"
SUMS = ("InputFileCount", "UnprocessedFilesCount", "TotalMeteredCharacters")
OF_EACH_KIND = 10
LONG_AGO = "2026-01-01T00:00:00.000Z"
LAST_ATTEMPT = 7


def truth(deployment):
    """The kind of each ended job's manifest and its `Output`, by id, as the stand-in says."""
    with urllib.request.urlopen(f"{deployment.comprehend_endpoint}/_control/outputs") as answer:
        return {job_id: it for jobs in json.load(answer).values() for job_id, it in jobs.items()}


def jobs_of(deployment, **parameters):
    return [job for page in deployment.pages(MaxResults=500, **parameters) for job in page]


def sums(jobs):
    """The numbers of jobs by family and status, as a summary has them."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for job in jobs:
        output = job.get("Output", {})
        if output.keys() & set(SUMS):
            of = found.setdefault(job["Family"], {}).setdefault(job["JobStatus"], Counter())
            of.update({name: output.get(name, 0) for name in SUMS})
    return found


def test_a_job_that_ends_in_part_has_its_numbers_everywhere_seconds_later(deployment):
    inbox = Inbox(deployment, "outputs")
    inbox.subscribe("DigestTopicArn", "JobAlertsTopicArn")
    times = {"submitted_seconds": 0.5, "in_progress_seconds": 0.5, "late_jobs": False}
    deployment.control("settings", **times)
    name = f"{WILL_END_IN_PART}-{uuid.uuid4().hex}"
    job_id = start_phi_job(deployment.client("comprehendmedical"), name)

    def numbers():
        deployment.invoke("SyncFunctionName", Families=[FAMILY])
        answer = deployment.get(f"/jobs/{job_id}")
        return answer.status == 200 and answer.json[JOB].get("Output")

    output = wait_until(numbers, 30, "the job has its numbers")
    assert output == truth(deployment)[job_id]["Output"]
    asked = {"Family": FAMILY, "JobName": name}
    (listed,) = jobs_of(deployment, **asked)
    line = deployment.get("/jobs", **asked, Format="ndjson").json
    assert listed["Output"] == line["Output"] == output
    text = deployment.get("/jobs", **asked, Format="csv").content.decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    found = {key: json.loads(row[key]) for key in output}
    assert (found, row["OutputProblem"]) == (output, "")

    said = f"{output['UnprocessedFilesCount']} of {output['InputFileCount']} files"
    code, files = next(iter(output["ErrorCodes"].items()))
    for path in (f"/board/jobs/{job_id}", f"/board?Family={FAMILY}"):
        page = deployment.send(path).content.decode()
        assert (said in page, f"{files} × {code}" in page) == (True, True), path

    expected = sums(jobs_of(deployment, Family=FAMILY))[FAMILY]
    assert expected["PARTIAL_SUCCESS"]["UnprocessedFilesCount"] > 0
    summary = deployment.get("/summary", Family=FAMILY).json["Output"]
    assert summary["ByFamily"][FAMILY] == expected
    digest_id = deployment.invoke("DigestFunctionName", **window())["DigestId"]
    assert inbox.digest(digest_id)["Processed"][FAMILY] == expected

    def alert():
        deployment.invoke("AlertsFunctionName")
        bodies = (body for body in inbox.receive() if job_id in body)
        return next((body for body in bodies if '\\"Kind\\"' in body), None)

    document = json.loads(json.loads(wait_until(alert, 30, "the alert has arrived"))["Message"])
    (change,) = (change for change in document["Changes"] if change["JobId"] == job_id)
    assert change["Processed"] == output


def waiting(deployment):
    """The rows of jobs whose manifest is looked for again."""
    rows = (row for row in deployment.rows() if row["PK"]["S"] == f"{SCOPE}#outputs")
    return [row for row in rows if "JobKey" in row]


def let_a_day_pass(deployment):
    """Make the jobs that wait due, for the last time: the test is their clock."""
    table, client = deployment.outputs["LedgerTableName"], deployment.client("dynamodb")
    for row in waiting(deployment):
        key = {name: row[name] for name in ("PK", "SK")}
        due = {"Due": {"S": LONG_AGO}, "Attempt": {"N": str(LAST_ATTEMPT)}}
        due["SK"] = {"S": f"{LONG_AGO}#{row['SK']['S'].split('#', 1)[1]}"}
        moved = [{"PutRequest": {"Item": row | due}}, {"DeleteRequest": {"Key": key}}]
        client.batch_write_item(RequestItems={table: moved})


def put_a_hundred_jobs(deployment):
    """Let a hundred jobs end, some with each kind of manifest, of which the stream tells; return their ids."""
    now = datetime.datetime.now(datetime.UTC)
    by_kind: dict[str, list[dict]] = {}
    for number, job in enumerate(made_up_jobs({FAMILY: 5_000})[FAMILY]):
        submitted = now - datetime.timedelta(seconds=400, milliseconds=number)
        job["JobId"] = uuid.uuid4().hex
        job["SubmitTime"] = rfc3339(submitted)
        job["EndTime"] = rfc3339(submitted + datetime.timedelta(seconds=60))
        if "ManifestFilePath" in job:
            job["ManifestFilePath"] = f"out/{job['JobId']}/Manifest"
        by_kind.setdefault(outcome_of(Family.PHI, job).kind, []).append(job)
    assert by_kind.keys() == set(Kind)
    jobs = [job for of_kind in by_kind.values() for job in of_kind[:OF_EACH_KIND]]
    deployment.control("settings", manifest_seconds=10**9)
    deployment.control("jobs", Put={FAMILY: jobs})
    deployment.control("outputs")
    deployment.invoke("SyncFunctionName", Families=[FAMILY])
    return {job["JobId"] for job in jobs}


def test_a_hundred_jobs_have_what_their_manifests_say_after_late_missing_denied_and_damaged_ones(
    deployment,
):
    hundred = put_a_hundred_jobs(deployment)
    expected = {job_id: it for job_id, it in truth(deployment).items() if job_id in hundred}
    assert expected.keys() == hundred

    def all_looked_for():
        seen = {row["JobId"]["S"] for row in waiting(deployment)}
        done = {j["JobId"] for j in jobs_of(deployment, Family=FAMILY) if "Output" in j}
        return hundred <= seen | done

    wait_until(all_looked_for, 120, "each job was looked for once", every=1)
    late = {job_id for job_id, it in expected.items() if it["Kind"] == "Late"}
    assert late <= {row["JobId"]["S"] for row in waiting(deployment)}
    deployment.control("settings", manifest_seconds=0)
    let_a_day_pass(deployment)

    def none_waits():
        deployment.invoke("OutputsFunctionName")  # as its schedule does
        return not waiting(deployment)

    wait_until(none_waits, 120, "no job waits any more")
    jobs = jobs_of(deployment, Family=FAMILY)
    found = {job["JobId"]: job.get("Output") for job in jobs if job["JobId"] in hundred}
    assert found == {job_id: it["Output"] for job_id, it in expected.items()}
    summary = deployment.get("/summary", Family=FAMILY).json["Output"]["ByFamily"]
    assert summary == sums(jobs)
