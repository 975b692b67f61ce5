"""What jobs processed, from the manifests that the stand-in writes to S3: shown everywhere, and equal to its truth."""

import csv
import datetime
import io
import json
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from local.comprehend_medical.jobs import WILL_END_IN_PART
from tests.e2e.account import FAMILIES, made_up_jobs, rfc3339, start_phi_job
from tests.e2e.permission_uses import window
from tests.e2e.stack import Inbox, wait_until

pytestmark = [pytest.mark.xdist_group("jobs-and-lookups"), pytest.mark.in_order]

FAMILY = "PHI"
NAME = f"{WILL_END_IN_PART}-{uuid.uuid4().hex}"
JOB = "ComprehendMedicalAsyncJobProperties"
SUMS = ("InputFileCount", "UnprocessedFilesCount", "TotalMeteredCharacters")
# Jobs of one invocation: a function reads at most ten objects a second.
CHUNK = 60
LONG_AGO = "2026-01-01T00:00:00.000Z"
LAST_ATTEMPT = 7
NOW = datetime.datetime.now(datetime.UTC)
SCOPE = "000000000000/us-east-1"


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


@pytest.fixture(scope="module")
def partial(deployment):
    """A job that ended in part and has its numbers, the truth about it, and an inbox that got what was published."""
    inbox = Inbox(deployment, "outputs")
    inbox.subscribe("DigestTopicArn", "JobAlertsTopicArn")
    times = {"submitted_seconds": 0.5, "in_progress_seconds": 0.5, "late_jobs": False}
    deployment.control("settings", **times)
    job_id = start_phi_job(deployment.client("comprehendmedical"), NAME)

    def numbers():
        deployment.invoke("SyncFunctionName", Families=[FAMILY])
        answer = deployment.get(f"/jobs/{job_id}")
        return answer.status == 200 and answer.json[JOB].get("Output")

    output = wait_until(numbers, 30, "the job has its numbers")
    expected = truth(deployment)[job_id]["Output"]
    left = expected["UnprocessedFilesCount"]
    codes = ", ".join(f"{n} × {code}" for code, n in expected["ErrorCodes"].items())
    said = f"{left} of {expected['InputFileCount']} files"
    found = {"job_id": job_id, "output": output, "expected": expected}
    return SimpleNamespace(**found, said=said, codes=codes, inbox=inbox)


def test_a_job_that_ends_in_part_has_its_numbers_seconds_later(deployment, partial):
    assert partial.output == partial.expected
    (listed,) = jobs_of(deployment, Family=FAMILY, JobName=NAME)
    assert listed["Output"] == partial.expected
    assert list(listed)[-1] == "Output"


def test_its_numbers_are_columns_of_the_csv_and_members_of_its_line(deployment, partial):
    asked = {"Family": FAMILY, "JobName": NAME}
    text = deployment.get("/jobs", **asked, Format="csv").content.decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    numbers = {name: n for name, n in partial.expected.items() if isinstance(n, int)}
    assert {name: int(row[name]) for name in numbers} == numbers
    assert json.loads(row["ErrorCodes"]) == partial.expected["ErrorCodes"]
    assert row["OutputProblem"] == ""
    line = deployment.get("/jobs", **asked, Format="ndjson").json
    assert line["Output"] == partial.expected


def test_its_numbers_are_in_the_sums_of_the_summary_and_of_a_digest(deployment, partial):
    expected = sums(jobs_of(deployment, Family=FAMILY))[FAMILY]
    assert expected["PARTIAL_SUCCESS"]["UnprocessedFilesCount"] > 0
    summary = deployment.get("/summary", Family=FAMILY).json["Output"]
    assert summary["ByFamily"][FAMILY] == expected
    digest_id = deployment.invoke("DigestFunctionName", **window())["DigestId"]

    def digest():
        documents = (json.loads(json.loads(body)["Message"]) for body in partial.inbox.receive())
        return next((each for each in documents if each.get("DigestId") == digest_id), None)

    assert wait_until(digest, 20, "the digest has arrived")["Processed"][FAMILY] == expected


def test_the_board_and_its_page_of_the_job_say_how_many_files_were_not_processed(
    deployment, partial
):
    for path in (f"/board/jobs/{partial.job_id}", f"/board?Family={FAMILY}"):
        text = deployment.send(path).content.decode()
        assert partial.said in text, path
        assert partial.codes.split(",")[0] in text, path


def test_its_alert_says_how_many_files_were_not_processed(deployment, partial):
    def alert():
        deployment.invoke("AlertsFunctionName")
        found = (body for body in partial.inbox.receive() if partial.job_id in body)
        return next((body for body in found if "UnprocessedFilesCount" in body), None)

    document = json.loads(json.loads(wait_until(alert, 30, "the alert has arrived"))["Message"])
    shown = [job for jobs in document.values() if isinstance(jobs, list) for job in jobs]
    (job,) = (job for job in shown if job["JobId"] == partial.job_id)
    assert job["Processed"] == partial.expected


def records_of(jobs):
    """The records of the stream for the ends of jobs."""
    for number, (family, job) in enumerate(jobs):
        kept = ("JobId", "JobStatus", "SubmitTime", "EndTime")
        row = {name: job[name] for name in kept} | {"Family": family, "ObservedAt": job["EndTime"]}
        row |= {"PK": f"{SCOPE}#changes", "SK": f"{job['EndTime']}#{job['JobId']}"}
        image = {name: {"S": value} for name, value in row.items()}
        keys = {name: image[name] for name in ("PK", "SK")}
        inner = {"Keys": keys, "NewImage": image, "SequenceNumber": str(number + 1)}
        yield {"eventName": "INSERT", "dynamodb": inner}


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


def read_all(deployment, jobs):
    """Hand the ends of jobs to the function as Lambda does, in several batches at once."""
    records = [*records_of(jobs)]
    batches = [records[n : n + CHUNK] for n in range(0, len(records), CHUNK)]
    with ThreadPoolExecutor(8) as pool:
        run = [pool.submit(deployment.invoke, "OutputsFunctionName", Records=b) for b in batches]
    assert {str(done.result()) for done in run} == {"{'batchItemFailures': []}"}


@pytest.fixture(scope="module")
def thousand(deployment):
    """A thousand ended jobs by id: those of the first sync, and new ones, which the stream tells of."""
    new = made_up_jobs({FAMILY: 1_000 - sum(len(deployment.jobs[each]) for each in FAMILIES)})
    now = datetime.datetime.now(datetime.UTC)
    for number, job in enumerate(new[FAMILY]):
        submitted = now - datetime.timedelta(seconds=240, milliseconds=number)
        job["JobId"] = uuid.uuid4().hex
        job["SubmitTime"] = rfc3339(submitted)
        job["EndTime"] = rfc3339(submitted + datetime.timedelta(seconds=60))
        if "ManifestFilePath" in job:
            job["ManifestFilePath"] = f"out/{job['JobId']}/Manifest"
    old = [(family, job) for family in FAMILIES for job in deployment.jobs[family]]
    deployment.control("settings", manifest_seconds=10**9)
    deployment.control("jobs", Put=new)
    deployment.control("outputs")
    deployment.invoke("SyncFunctionName", Families=[FAMILY])
    read_all(deployment, old)
    return {job["JobId"] for _, job in old} | {job["JobId"] for job in new[FAMILY]}


def test_a_thousand_jobs_have_what_their_manifests_say_after_late_missing_denied_and_damaged_ones(
    deployment, thousand
):
    expected = {job_id: it for job_id, it in truth(deployment).items() if job_id in thousand}
    assert len(expected) == 1_000
    assert len({it["Kind"] for it in expected.values()}) == 12

    def all_looked_for():
        seen = {row["JobId"]["S"] for row in waiting(deployment)}
        done = {j["JobId"] for j in jobs_of(deployment, Family="ALL") if "Output" in j}
        return thousand <= seen | done

    wait_until(all_looked_for, 120, "each job was looked for once", every=1)
    late = {job_id for job_id, it in expected.items() if it["Kind"] == "Late"}
    assert late <= {row["JobId"]["S"] for row in waiting(deployment)}
    deployment.control("settings", manifest_seconds=0)
    let_a_day_pass(deployment)
    wait_until(lambda: looked_again(deployment), 120, "no job waits any more", every=0)

    jobs = [job for job in jobs_of(deployment, Family="ALL") if job["JobId"] in thousand]
    assert {job["JobId"]: job.get("Output") for job in jobs} == {
        job_id: it["Output"] for job_id, it in expected.items()
    }
    summary = deployment.get("/summary", Family="ALL").json["Output"]["ByFamily"]
    assert summary == sums(jobs_of(deployment, Family="ALL"))


def test_a_digest_of_these_jobs_says_what_the_partial_ones_processed(deployment, thousand):
    inbox = Inbox(deployment, "digest-of-a-thousand")
    inbox.subscribe("DigestTopicArn")
    a_week = window() | {"WindowStart": rfc3339(NOW - datetime.timedelta(days=7))}
    digest_id = deployment.invoke("DigestFunctionName", **a_week)["DigestId"]

    def digest():
        documents = (json.loads(json.loads(body)["Message"]) for body in inbox.receive())
        return next((each for each in documents if each.get("DigestId") == digest_id), None)

    listed = wait_until(digest, 20, "the digest has arrived")["PartialSuccess"]
    expected = truth(deployment)
    # Other tests of this deployment had jobs that the service has deleted.
    shown = [job for job in listed if "Processed" in job and job["JobId"] in expected]
    assert shown
    for job in shown:
        output = expected[job["JobId"]]["Output"]
        assert job["Processed"] == {n: it for n, it in output.items() if n != "Location"}


def looked_again(deployment):
    """Run the function as its schedule does; true when nothing waits."""
    deployment.invoke("OutputsFunctionName")
    return not waiting(deployment)
