"""The example app, as its README has it: installed from the repository, deployed, destroyed."""

import subprocess
import sys

import pytest

from tests.e2e.account import listed
from tests.e2e.consumers import Consumer
from tests.e2e.deployment import ROOT

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")

EXAMPLE = ROOT / "examples" / "pipeline"


def installed(site):
    """Where `pip install` of this repository puts its package, without a look at a package index."""
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline]
    subprocess.run([*command, "--target", str(site), str(ROOT)], check=True)
    packages = {path.name for path in site.iterdir() if "-" not in path.name} - {"bin"}
    assert packages == {"job_ledger", "job_ledger_lookup"}
    return site


def test_the_example_deploys_with_the_output_of_the_newest_run(deployment, tmp_path):
    consumer = Consumer(deployment, tmp_path, python_path=installed(tmp_path / "site"))
    done = consumer.start(
        "deploy",
        "--require-approval=never",
        "--method=direct",
        f"--output={tmp_path / 'cdk.out'}",
        cwd=EXAMPLE,
    ).wait()
    assert done.code == 0, done.output
    nightly = [
        job
        for job in deployment.jobs["SNOMEDCT"]
        if job.get("JobName") == "nightly-notes"
        and job["JobStatus"] in ("COMPLETED", "PARTIAL_SUCCESS")
    ]
    newest = listed(nightly, {})[0]
    outputs = consumer.outputs("Pipeline")
    codes = "s3://{S3Bucket}/{S3Key}".format(**newest["OutputDataConfig"])
    assert (outputs["JobId"], outputs["CodesS3Uri"]) == (newest["JobId"], codes)
    parameter = deployment.client("ssm").get_parameter(Name=outputs["CodesParameter"])
    assert parameter["Parameter"]["Value"] == codes
    assert consumer.destroy(tmp_path / "cdk.out").wait().code == 0
    assert consumer.stack("Pipeline") is None
