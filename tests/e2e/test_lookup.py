"""Look-ups in the stacks of others: created, updated, rolled back and removed by CloudFormation."""

import pytest

from jobledger.lookup.lookup import ATTRIBUTES
from jobledger.times import seconds_between
from local.comprehend_medical.jobs import FAILURE_MESSAGE
from tests.e2e.account import listed, start_phi_job
from tests.e2e.lookups import Stacks

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.in_order]

FAMILY = "ENTITIES_V2"
NOTHING = dict.fromkeys(ATTRIBUTES, "") | {"Count": "0"}
WAITING = {"Completing": "3", "Failing": "3", "Waiting": "0.2"}


@pytest.fixture(scope="module")
def stacks(deployment):
    token = deployment.outputs["LookupServiceToken"]
    return Stacks(deployment.client("cloudformation"), token)


@pytest.fixture(scope="module")
def started(deployment, stacks):
    """Start three stacks, each waiting for a job, and two of the jobs; return the ids of the jobs."""
    jobs = {}
    for outcome, stack in (("COMPLETED", "Completing"), ("FAILED", "Failing")):
        times = {"submitted_seconds": 1.0, "in_progress_seconds": 8.0}
        deployment.control("settings", **times, outcome=outcome)
        jobs[stack] = start_phi_job(deployment.client("comprehendmedical"), f"wait-{stack}")
    for stack, minutes in WAITING.items():
        asked = {"Family": "PHI", "JobName": f"wait-{stack}", "WaitMinutes": minutes}
        stacks.put(stack, {"Job": asked}, ATTRIBUTES)
    return jobs


def attributes(jobs):
    """What a look-up has to answer when these jobs match and the first is chosen."""
    job = jobs[0]
    places = {name: job[f"{name}DataConfig"] for name in ("Input", "Output")}
    manifest = job.get("ManifestFilePath")
    return {
        **{name: job[name] for name in ("JobId", "JobStatus", "SubmitTime", "EndTime")},
        "JobName": job.get("JobName", ""),
        "Family": FAMILY,
        "ModelVersion": "3.0.0",
        **{f"{name}S3Uri": "s3://{S3Bucket}/{S3Key}".format(**at) for name, at in places.items()},
        "ManifestS3Uri": f"s3://codes/{manifest}" if manifest else "",
        "DurationSeconds": f"{seconds_between(job['SubmitTime'], job['EndTime']):g}",
        "Count": str(len(jobs)),
    }


def cases(jobs):
    """A look-up for each property, and the jobs that match it, the one to be chosen first."""
    completed = listed([job for job in jobs if job["JobStatus"] == "COMPLETED"], {})
    ended_badly = listed([job for job in jobs if job["JobStatus"] in ("FAILED", "STOPPED")], {})
    name = next(job["JobName"] for job in completed if "JobName" in job)
    of_prefix = [job for job in completed if job.get("JobName", "").startswith(name[:2])]
    submitted = [job["SubmitTime"] for job in completed]
    alone = next(n for n in range(1, len(completed) - 1) if submitted.count(submitted[n]) == 1)
    bounds = {"SubmitTimeAfter": submitted[alone + 1], "SubmitTimeBefore": submitted[alone - 1]}
    return {
        "Newest": ({}, completed),
        "Oldest": ({"Select": "oldest"}, completed[::-1]),
        "Only": ({"Select": "only", **bounds}, [completed[alone]]),
        "Name": ({"JobName": name, "WaitMinutes": 1}, listed(completed, {"JobName": name})),
        "Prefix": ({"JobNamePrefix": name[:2]}, of_prefix),
        "List": ({"JobStatus": ["FAILED", "STOPPED"]}, ended_badly),
        "Text": ({"JobStatus": "FAILED,STOPPED", "MustExist": True}, ended_badly),
        "Nothing": ({"JobName": "no-such-job", "MustExist": "false"}, []),
    }


def outputs(answers):
    return {f"{name}{key}": value for name, each in answers.items() for key, value in each.items()}


@pytest.mark.usefixtures("started")  # they wait meanwhile
def test_a_stack_finds_by_each_property_and_can_be_updated_rolled_back_and_removed(
    deployment, stacks
):
    wanted = cases(deployment.jobs[FAMILY])
    lookups = {key: {"Family": FAMILY, **asked} for key, (asked, _) in wanted.items()}
    answers = {key: attributes(jobs) if jobs else NOTHING for key, (_, jobs) in wanted.items()}
    stacks.put("Consumer", lookups, ATTRIBUTES)
    assert stacks.end("Consumer") == "CREATE_COMPLETE", stacks.reasons("Consumer")
    assert stacks.outputs("Consumer") == outputs(answers)
    ids = stacks.physical_ids("Consumer")
    assert len(set(ids.values())) == len(wanted)

    # Another job for one, another Refresh for another.
    lookups |= {"Prefix": lookups["Oldest"], "Newest": {**lookups["Newest"], "Refresh": "2"}}
    stacks.put("Consumer", lookups, ATTRIBUTES)
    assert stacks.end("Consumer") == "UPDATE_COMPLETE", stacks.reasons("Consumer")
    answers["Prefix"] = answers["Oldest"]
    assert stacks.outputs("Consumer") == outputs(answers)
    assert stacks.physical_ids("Consumer") == ids

    lookups |= {"List": {"Family": FAMILY}, "Only": {"Family": FAMILY, "Select": "only"}}
    stacks.put("Consumer", lookups, ATTRIBUTES)
    assert stacks.end("Consumer") == "UPDATE_ROLLBACK_COMPLETE"
    matching = wanted["Newest"][1]
    two = " and ".join(job["JobId"] for job in matching[:2])
    reason = f"Select is only, and {len(matching)} jobs match, of which two are {two}."
    assert reason in stacks.reasons("Consumer")
    assert stacks.outputs("Consumer") == outputs(answers)

    stacks.remove("Consumer")
    assert stacks.end("Consumer") in ("GONE", "DELETE_COMPLETE")


def test_a_wait_ends_when_the_job_completes_or_with_the_reason_when_it_does_not(stacks, started):
    ended = {stack: stacks.end(stack) for stack in WAITING}
    assert ended.pop("Completing") == "CREATE_COMPLETE"
    assert "CREATE_COMPLETE" not in ended.values()
    found = stacks.outputs("Completing")
    assert (found["JobJobId"], found["JobJobStatus"]) == (started["Completing"], "COMPLETED")
    assert found["JobDurationSeconds"] == "9"
    failed, waited = stacks.reasons("Failing"), stacks.reasons("Waiting")
    assert "JobName: the job waited for is FAILED since " in failed
    assert f"; look up JobId {started['Failing']} in the ledger." in failed
    assert FAILURE_MESSAGE.rstrip(".") not in failed
    no_match = "JobName: no COMPLETED job has this name; none has it in any status."
    assert f"WaitMinutes: 0.2 minutes have passed. {no_match}" in waited
    for stack in WAITING:
        stacks.remove(stack)
