"""Look-ups in the stacks of others: deployed, updated, rolled back and destroyed by `cdk`."""

import json

import pytest

from jobledger.lookup.lookup import ATTRIBUTES
from jobledger.times import seconds_between
from local.comprehend_medical.jobs import FAILURE_MESSAGE
from tests.e2e.account import listed, start_phi_job
from tests.e2e.consumers import LOOKUP_APP, Consumer

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")

FAMILY = "ENTITIES_V2"
NOTHING = dict.fromkeys(ATTRIBUTES, "") | {"Count": "0"}


@pytest.fixture
def consumer(deployment, tmp_path):
    return Consumer(deployment, tmp_path)


def assembled(consumer, stacks):
    return consumer.synth(LOOKUP_APP, stacks=json.dumps(stacks))


def deployed(consumer, stack, resources):
    assembly = assembled(consumer, {stack: resources})
    return consumer.deploy(assembly).wait(), assembly


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
    partial = listed([job for job in jobs if job["JobStatus"] == "PARTIAL_SUCCESS"], {})
    name = next(job["JobName"] for job in completed if "JobName" in job)
    of_name = [job for job in completed if job.get("JobName") == name]
    of_prefix = [job for job in completed if job.get("JobName", "").startswith(name[:2])]
    times = sorted({job["SubmitTime"] for job in completed})
    middle = times[len(times) // 2]
    alone = next(
        time for time in times[1:-1] if [job["SubmitTime"] for job in completed].count(time) == 1
    )
    bounds = {
        "SubmitTimeAfter": times[times.index(alone) - 1],
        "SubmitTimeBefore": times[times.index(alone) + 1],
    }
    return {
        "Newest": ({}, completed),
        "Oldest": ({"Select": "oldest"}, completed[::-1]),
        "Only": ({"Select": "only", **bounds}, [j for j in completed if j["SubmitTime"] == alone]),
        "Name": ({"JobName": name, "WaitMinutes": 1}, of_name),
        "Prefix": ({"JobNamePrefix": name[:2]}, of_prefix),
        "Status": ({"JobStatus": "PARTIAL_SUCCESS"}, partial),
        "List": ({"JobStatus": ["FAILED", "STOPPED"]}, ended_badly),
        "Text": ({"JobStatus": "FAILED,STOPPED", "MustExist": True}, ended_badly),
        "After": ({"SubmitTimeAfter": middle}, [j for j in completed if j["SubmitTime"] > middle]),
        "Before": ({"SubmitTimeBefore": middle}, [j for j in completed if j["SubmitTime"] < middle]),
        "Nothing": ({"JobName": "no-such-job", "MustExist": "false"}, []),
    }  # fmt: skip


def test_a_stack_finds_by_each_property_and_can_be_updated_rolled_back_and_destroyed(
    deployment, consumer
):
    wanted = cases(deployment.jobs[FAMILY])
    resources = {key: {"Family": FAMILY, **asked} for key, (asked, _) in wanted.items()}
    expected = {
        f"{key}Job": attributes(jobs) if jobs else NOTHING for key, (_, jobs) in wanted.items()
    }
    done, _ = deployed(consumer, "Consumer", resources)
    assert done.code == 0, done.output
    assert consumer.outputs("Consumer") == expected
    ids = consumer.physical_ids("Consumer")
    assert len(set(ids.values())) == len(wanted)

    # Another job for one, another Refresh for another.
    changed = {**resources, "Prefix": resources["Oldest"]}
    changed["Newest"] = {**resources["Newest"], "Refresh": "2"}
    done, _ = deployed(consumer, "Consumer", changed)
    assert done.code == 0, done.output
    expected["PrefixJob"] = expected["OldestJob"]
    assert consumer.outputs("Consumer") == expected
    assert consumer.physical_ids("Consumer") == ids

    broken = {**changed, "After": {"Family": FAMILY}, "Only": {"Family": FAMILY, "Select": "only"}}
    done, assembly = deployed(consumer, "Consumer", broken)
    assert done.code != 0
    count = len(wanted["Newest"][1])
    ids = " and ".join(job["JobId"] for job in wanted["Newest"][1][:2])
    assert f"Select is only, and {count} jobs match, of which two are {ids}." in done.output
    assert consumer.stack("Consumer")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert consumer.outputs("Consumer") == expected

    assert consumer.destroy(assembly).wait().code == 0
    assert consumer.stack("Consumer") is None


def started(deployment, name, outcome):
    settings = {"submitted_seconds": 1.0, "in_progress_seconds": 8.0, "outcome": outcome}
    deployment.control("settings", **settings)
    return start_phi_job(deployment.client("comprehendmedical"), name)


def test_a_wait_ends_when_the_job_completes_or_with_the_reason_when_it_does_not(
    deployment, consumer
):
    names = {"Completing": "completing", "Failing": "failing", "Waiting": "yet-to-be-started"}
    minutes = {"Completing": "3", "Failing": "3", "Waiting": "0.2"}
    stacks = {
        stack: {"Job": {"Family": "PHI", "JobName": name, "WaitMinutes": minutes[stack]}}
        for stack, name in names.items()
    }
    assembly = assembled(consumer, stacks)
    completing = started(deployment, "completing", "COMPLETED")
    failing = started(deployment, "failing", "FAILED")
    runs = {stack: consumer.deploy(assembly, stack) for stack in stacks}
    done = {stack: run.wait() for stack, run in runs.items()}

    assert done["Completing"].code == 0, done["Completing"].output
    job = consumer.outputs("Completing")["JobJob"]
    assert (job["JobId"], job["JobStatus"]) == (completing, "COMPLETED")
    assert job["DurationSeconds"] == "9"
    assert done["Failing"].code != 0
    assert "JobName: the job waited for is FAILED since " in done["Failing"].output
    assert f"; look up JobId {failing} in the ledger." in done["Failing"].output
    assert FAILURE_MESSAGE.rstrip(".") not in done["Failing"].output
    assert done["Waiting"].code != 0
    no_match = "JobName: no COMPLETED job has this name; none has it in any status."
    assert f"WaitMinutes: 0.2 minutes have passed. {no_match}" in done["Waiting"].output
    removed = consumer.destroy(assembly).wait()
    assert removed.code == 0, removed.output
    assert not any(map(consumer.stack, stacks))
