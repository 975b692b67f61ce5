"""The README's Python, run as it stands against a deployment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("deployment")

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_python_example_lists_failed_jobs(deployment):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={**os.environ, "JOB_LEDGER_URL": deployment.ready["ApiUrl"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    failed = deployment.get("/summary", Family="ALL").json["ByStatus"]["FAILED"]
    assert len(done.stdout.splitlines()) == failed > 0
