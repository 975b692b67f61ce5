"""docs/api.md: what analysts read CSV and NDJSON with keeps every name and id, as the examples call it."""

import ast
import os
import re

import pytest

from testing.builders import full_job
from testing.processes import ROOT, run
from testing.served_api import served_api

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
SECTION = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("### Reading them")[1]
EXAMPLES = re.findall(r"```python\n(.*?)```", SECTION.split("\n## ")[0], re.DOTALL)
# Each looks like something else to a reader that guesses.
NAMES = [
    "NA", "N/A", "null", "None", "nan", "NaN", "007", "1e5", "+1", "1.0", "-0", "true", "False", "2026-11-23",
    "2026-11-23T08:00:00Z", "12:30", "Infinity", "=1+1", "Zürich", "診療 夜間", " a ", "%41", "1 000", "a:b/c",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A ledger of these names, its address, and a folder with what it exports."""
    folder = tmp_path_factory.mktemp("exports")
    jobs = [full_job(number, JobName=name) for number, name in enumerate(NAMES)]
    # An id that is a number too large for any, and a property that the first rows lack.
    jobs[0]["JobId"] = "1e40" + "0" * 28
    jobs[-1]["JobId"] = "9" * 32
    with served_api() as served:
        served.api.fill(*jobs, full_job(-1, JobName="late", Message="No document could be read."))
        for name in ("csv", "ndjson"):
            answer = served.api.get("/jobs", Format=name, Order="ascending", MaxResults=500)
            (folder / f"jobs.{name}").write_bytes(answer.content)
        yield served, folder


@pytest.mark.slow
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_keeps_every_name(files, code):
    served, folder = files
    if "value_counts" in code:
        code += "\nprint(list(jobs['JobName']))"
    done = run(PYTHON, "-c", code, cwd=folder, env={**os.environ, "API_URL": served.url})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    lists = [ast.literal_eval(line) for line in lines if line.startswith("[")]
    assert lists
    for names in lists:
        assert sorted(names) == sorted(["late", *NAMES])
