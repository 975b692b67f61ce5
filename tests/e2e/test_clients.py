"""The README's Python, and the clients that the documents name, each with its own defaults, against a deployment."""

import functools
import json
import os
import re
import shutil
import urllib.parse
from collections import Counter

import pytest

from local.deployment import REGION
from local.options import ROOT
from tests.e2e.programs import documented, printed
from tests.e2e.stack import LIST, wait_until

pytestmark = pytest.mark.xdist_group("deployment")

BIN = ROOT / ".venv-clients" / "bin"
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
        "JOB_LEDGER_URL": deployment.api_url,
        "API_URL": deployment.api_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "token",
    }

    return functools.partial(printed, variables=environment, cwd=tmp_path)


def test_the_python_of_the_readme_lists_failed_jobs(run, deployment):
    (example,) = documented("README.md", "python")
    failed = deployment.get("/summary", Family="ALL").json["ByStatus"]["FAILED"]
    assert len(run(str(ROOT / ".venv/bin/python"), "-c", example).splitlines()) == failed > 0


def test_awscurl_lists_failures_as_each_digest_says(run, deployment):
    command = re.findall(r"^awscurl .*", DIGESTS, re.MULTILINE)[0]
    url = urllib.parse.urlsplit(re.findall(r'"(https://.*)"', command)[0])
    command = command.replace(f"https://{url.netloc}/v1", deployment.api_url)
    assert LIST in json.loads(run("sh", "-c", command))


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_curl_lists_failed_jobs_as_the_api_documentation_says(run):
    (command,) = re.findall(r"^    (curl --aws-sigv4.*\n.*)", API, re.MULTILINE)
    page = json.loads(run("sh", "-c", command.replace("curl ", "curl --silent --fail ", 1)))
    jobs = page[LIST]
    assert {job["JobStatus"] for job in jobs} == {"FAILED"}


def test_pandas_reads_csv_as_the_api_documentation_says(run, deployment):
    (example,) = (c for c in documented("docs/api.md", "python") if "value_counts" in c)

    def is_right():
        shown = run(str(BIN / "python"), "-c", example)
        jobs = deployment.get("/jobs", Family="ALL", MaxResults=500).json[LIST]
        counts = Counter(job["JobStatus"] for job in jobs)
        found = re.findall(r"^([A-Z_]+) +(\d+)$", shown, re.MULTILINE)
        return {status: int(count) for status, count in found} == counts

    # Another test's job may end in between.
    wait_until(is_right, 30, "pandas counts what the list has")
