"""The command `jobledger` against a deployment, as `make` sets it up: `.venv/bin/jobledger`."""

import json
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from testing import processes
from tests.e2e.account import ids_in, listed, start_phi_job
from tests.e2e.programs import JOBLEDGER
from tests.e2e.stack import LIST
from tests.unit.client.commands import environment, next_line

pytestmark = pytest.mark.xdist_group("deployment")


def run(deployment, *arguments):
    variables = environment(deployment.api_url, PYTHONPATH="")
    return processes.run(JOBLEDGER, *arguments, env=variables, cwd="/", timeout=180)


def start(deployment, *arguments):
    """Start a run whose lines can be read one by one."""
    more = {"PYTHONPATH": "", "PYTHONUNBUFFERED": "1", "BROWSER": "true"}
    return subprocess.Popen(
        [JOBLEDGER, *arguments],
        env=environment(deployment.api_url, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_every_format_lists_every_job_in_order(deployment, form, tmp_path):
    expected = [job["JobId"] for job in listed(deployment.jobs["SNOMEDCT"], {})]
    file = tmp_path / f"jobs.{form}"
    to_file = ("--output", str(file)) if form in ("csv", "json") else ()
    done = run(deployment, "jobs", "--family", "SNOMEDCT", "--all", "--format", form, *to_file)
    assert done.returncode == 0, done.stderr
    text = file.read_text(encoding="utf-8") if to_file else done.stdout
    assert ids_in(form, text) == expected


def test_a_digest_is_published_once_for_a_key_and_the_last_one_is_shown(deployment):
    key = ("--idempotency-key", "command")
    first, again, last = (
        json.loads(run(deployment, "digest", *options, "--format", "json").stdout)
        for options in (key, key, ("--last",))
    )
    assert first == again == last


def test_wait_follows_a_job_that_boto3_starts_and_watch_prints_it(deployment):
    times = {"submitted_seconds": 2, "in_progress_seconds": 4, "late_jobs": False}
    deployment.control("settings", **times, outcome="FAILED")
    with start(deployment, "watch", "--interval", "1s") as watch:
        job_id = start_phi_job(deployment.client("comprehendmedical"), "waited-for")
        arguments = ("--job-name", "waited-for", "--interval", "1s", "--timeout", "2m")
        done = run(deployment, "wait", *arguments)
        assert done.returncode == 4, done.stderr
        assert job_id in done.stdout
        lines = [""]
        while not any(f"-> FAILED  {job_id}" in line for line in lines):
            lines.append(next_line(watch))
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 130
    # A job that has ended is found at once, by the start of its id.
    assert run(deployment, "wait", job_id[:12]).returncode == 4


def test_open_serves_the_pages_through_its_address_until_it_is_stopped(deployment):
    with start(deployment, "open", "docs") as process:
        address = next_line(process).strip()
        base = address.removesuffix("/docs")
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.headers["Content-Type"].startswith("text/html")
        with urllib.request.urlopen(f"{base}/jobs?MaxResults=1", timeout=30) as page:
            assert len(json.load(page)[LIST]) == 1
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{base[:-1]}/docs", timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=30)
