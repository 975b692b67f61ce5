"""The README's Python, and the clients that the documents name, each with its own defaults, against a deployment."""

import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

from tests.e2e.deployment import ROOT

pytestmark = pytest.mark.xdist_group("deployment")

BIN = ROOT / ".venv-clients" / "bin"
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
DIGESTS = (ROOT / "docs" / "digests.md").read_text()


@pytest.fixture
def run(deployment, tmp_path):
    """Run a command of a document in a shell, as a user who has the clients installed."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "JOB_LEDGER_URL": deployment.ready["ApiUrl"],
        "API_URL": deployment.ready["ApiUrl"],
        "AWS_REGION": deployment.ready["Region"],
        "AWS_DEFAULT_REGION": deployment.ready["Region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "token",
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_python_of_the_readme_lists_failed_jobs(run, deployment):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    failed = deployment.get("/summary", Family="ALL").json["ByStatus"]["FAILED"]
    assert len(run(str(ROOT / ".venv/bin/python"), "-c", example).splitlines()) == failed > 0


def test_awscurl_lists_failures_as_each_digest_says(run, deployment):
    command = re.findall(r"^awscurl .*", DIGESTS, re.MULTILINE)[0]
    url = urllib.parse.urlsplit(re.findall(r'"(https://.*)"', command)[0])
    command = command.replace(f"https://{url.netloc}/v1", deployment.ready["ApiUrl"])
    assert "ComprehendMedicalAsyncJobPropertiesList" in json.loads(run("sh", "-c", command))


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_curl_lists_failed_jobs_as_the_api_documentation_says(run):
    (command,) = re.findall(r"^    (curl --aws-sigv4.*\n.*)", API, re.MULTILINE)
    page = json.loads(run("sh", "-c", command.replace("curl ", "curl --silent --fail ", 1)))
    jobs = page["ComprehendMedicalAsyncJobPropertiesList"]
    assert {job["JobStatus"] for job in jobs} == {"FAILED"}


def test_pandas_reads_csv_as_the_api_documentation_says(run, deployment):
    examples = re.findall(r"```python\n(.*?)```", API, re.DOTALL)
    (example,) = (code for code in examples if "value_counts" in code)
    printed = run(str(BIN / "python"), "-c", example)
    jobs = deployment.get("/jobs", Family="ALL", MaxResults=500).json
    statuses = [job["JobStatus"] for job in jobs["ComprehendMedicalAsyncJobPropertiesList"]]
    counts = re.findall(r"^([A-Z_]+) +(\d+)$", printed, re.MULTILINE)
    assert {status: int(count) for status, count in counts} == {
        status: statuses.count(status) for status in set(statuses)
    }
