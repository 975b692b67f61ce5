"""The README's ways to call the API, run as they stand against a deployment."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("deployment")

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture
def environment(deployment):
    # AWS_REGION is enough: that is the variable of the examples.
    others = {name: value for name, value in os.environ.items() if name != "AWS_DEFAULT_REGION"}
    return {
        **others,
        "API_URL": deployment.ready["ApiUrl"],
        "AWS_REGION": deployment.ready["Region"],
        "AWS_SESSION_TOKEN": "token",
    }


def test_the_python_example_lists_jobs(environment):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    # A name that the account of this test has.
    example = example.replace('"JobName": "nightly-notes", ', "")
    done = subprocess.run(
        [sys.executable, "-c", example],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_the_curl_example_lists_jobs(environment):
    (example,) = re.findall(r"\$ (curl --aws-sigv4.*?)\n\$", README, re.DOTALL)
    done = subprocess.run(
        ["sh", "-c", example.replace("curl ", "curl --silent --fail ", 1)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"ComprehendMedicalAsyncJobPropertiesList":[{"JobId":')
