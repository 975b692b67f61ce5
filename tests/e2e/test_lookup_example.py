"""The example app, as its README has it, with the installed wheel: deployed and destroyed by the CDK CLI."""

import os
import subprocess
import sys

import pytest

from local.options import ROOT
from tests.e2e.account import listed
from tests.e2e.deployment import UNCHECKED
from tests.e2e.lookups import Stacks
from tests.e2e.programs import printed
from tests.unit.client.commands import environment

pytestmark = pytest.mark.xdist_group("deployment")

CDK = ROOT / ".venv" / "bin" / "cdk"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Where `pip install` of this repository puts its packages, without a look at a package index."""
    site = tmp_path_factory.mktemp("site")
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline]
    subprocess.run([*command, "--target", str(site), str(ROOT)], check=True)
    packages = {path.name for path in site.iterdir() if "-" not in path.name} - {"bin"}
    assert packages == {"job_ledger", "job_ledger_lookup"}
    return site


def run(site, url, *command, **more):
    path = f"{CDK.parent}{os.pathsep}{os.environ['PATH']}"
    variables = environment(url, PYTHONPATH=str(site), PATH=path, **more)
    return printed(*command, variables=variables, cwd=ROOT / "examples" / "pipeline")


def test_the_example_deploys_with_the_output_of_the_newest_run(deployment, site, tmp_path):
    command = str(site / "bin" / "jobledger")
    assert run(site, deployment.api_url, command, "health").splitlines()[0] == "ok"
    aws = {**UNCHECKED, "AWS_ENDPOINT_URL": deployment.aws_endpoint, "NO_COLOR": "1"}
    cdk = (str(CDK), "--ci", "--no-notices", "--no-version-reporting")
    assembly = str(tmp_path / "cdk.out")
    options = ("--require-approval=never", "--method=direct", f"--output={assembly}")
    run(site, "", *cdk, "deploy", *options, **aws)
    nightly = [
        job
        for job in deployment.jobs["SNOMEDCT"]
        if job.get("JobName") == "nightly-notes"
        and job["JobStatus"] in ("COMPLETED", "PARTIAL_SUCCESS")
    ]
    newest = listed(nightly, {})[0]
    stacks = Stacks(deployment.client("cloudformation"), "")
    outputs = stacks.outputs("Pipeline")
    codes = "s3://{S3Bucket}/{S3Key}".format(**newest["OutputDataConfig"])
    assert (outputs["JobId"], outputs["CodesS3Uri"]) == (newest["JobId"], codes)
    parameter = deployment.client("ssm").get_parameter(Name=outputs["CodesParameter"])
    assert parameter["Parameter"]["Value"] == codes
    run(site, "", *cdk, "destroy", "--app", assembly, "--force", "--all", **aws)
    assert stacks.end("Pipeline") == "GONE"
