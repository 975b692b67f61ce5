"""The command `jobledger` against a deployment, as `make` sets it up: `.venv/bin/jobledger`."""

import csv
import io
import json
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from rich.cells import cell_len

from tests.e2e.account import listed, start_phi_job
from tests.e2e.deployment import ROOT
from tests.unit.client.commands import environment, next_line, on_terminal

pytestmark = pytest.mark.xdist_group("deployment")

COMMAND = str(ROOT / ".venv" / "bin" / "jobledger")
LIST = "ComprehendMedicalAsyncJobPropertiesList"


def run(deployment, *arguments, cwd="/"):
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(deployment.ready["ApiUrl"], PYTHONPATH=""),
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_every_format_lists_every_job_in_order(deployment, form, tmp_path):
    expected = [job["JobId"] for job in listed(deployment.jobs["SNOMEDCT"], {})]
    arguments = ("jobs", "--family", "SNOMEDCT", "--all", "--format", form)
    printed = run(deployment, *arguments)
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / f"jobs.{form}"
    written = run(deployment, *arguments, "--output", str(file))
    assert written.returncode == 0, written.stderr
    for text in (printed.stdout, file.read_text(encoding="utf-8")):
        assert ids_in(form, text) == expected


def ids_in(form, text):
    if form == "table":
        return [line.split("\t")[5] for line in text.splitlines()[1:]]
    if form == "json":
        return [job["JobId"] for job in json.loads(text)[LIST]]
    if form == "ndjson":
        return [json.loads(line)["JobId"] for line in text.splitlines()]
    return [row["JobId"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_filters_choose_as_the_api_does(deployment):
    filters = {"JobName": "=1+1", "JobStatus": "FAILED"}
    expected = [job["JobId"] for job in listed(deployment.jobs["SNOMEDCT"], filters)]
    arguments = ("--family", "SNOMEDCT", "--name", "=1+1", "--status", "FAILED", "--after", "120d")
    done = run(deployment, "jobs", *arguments)
    assert ids_in("table", done.stdout) == expected


def test_a_job_a_summary_and_the_health_are_shown(deployment):
    job = deployment.jobs["RXNORM"][0]
    shown = run(deployment, "job", job["JobId"])
    assert (shown.returncode, job["JobStatus"] in shown.stdout) == (0, True)
    assert json.loads(run(deployment, "job", job["JobId"], "--format", "json").stdout)["History"]
    total = len(deployment.jobs["RXNORM"])
    assert run(deployment, "summary", "--family", "RXNORM").stdout.startswith(f"{total} jobs")
    as_json = run(deployment, "summary", "--family", "RXNORM", "--format", "json").stdout
    assert json.loads(as_json)["Total"] == total
    code, on_screen = on_terminal(deployment.ready["ApiUrl"], "summary", "--family", "RXNORM")
    assert (code, "█" in on_screen) == (0, True)
    assert run(deployment, "health").returncode == 0
    assert json.loads(run(deployment, "health", "--format", "json").stdout)["Status"] == "ok"


def test_a_digest_is_published_once_for_a_key(deployment):
    arguments = ("digest", "--start", "2h", "--end", "10m", "--idempotency-key", "command")
    window = ("digest", "--start", "2026-11-20", "--end", "2026-11-21", "--idempotency-key", "w")
    first = run(deployment, *arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("digest ")
    answers = [json.loads(run(deployment, *window, "--format", "json").stdout) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["Window"]["Start"] == "2026-11-20T00:00:00.000Z"


def test_the_last_digest_is_the_one_that_was_published(deployment):
    published = run(deployment, "digest", "--format", "json", "--idempotency-key", "the-last")
    shown = run(deployment, "digest", "--last", "--format", "json")
    assert json.loads(shown.stdout) == json.loads(published.stdout)


def test_an_unknown_job_is_one_line(deployment):
    done = run(deployment, "job", "absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ResourceNotFoundException (404)")
    assert len(done.stderr.splitlines()) == 1


def start_job(deployment, name, outcome):
    deployment.control(
        "settings", submitted_seconds=4, in_progress_seconds=8, late_jobs=False, outcome=outcome
    )
    return start_phi_job(deployment.client("comprehendmedical"), name)


@pytest.mark.parametrize("outcome, code", [("COMPLETED", 0), ("PARTIAL_SUCCESS", 3), ("FAILED", 4)])
def test_wait_follows_a_job_that_boto3_starts_and_watch_prints_it(deployment, outcome, code):
    name = f"waited-for-{outcome}"
    watch = subprocess.Popen(
        [COMMAND, "watch", "--interval", "1s"],
        env=environment(deployment.ready["ApiUrl"], PYTHONPATH="", PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with watch:
        job_id = start_job(deployment, name, outcome)
        arguments = ("--interval", "1s", "--timeout", "2m")
        done = run(deployment, "wait", "--job-name", name, *arguments)
        assert done.returncode == code, done.stderr
        assert (job_id in done.stdout, outcome in done.stdout) == (True, True)
        lines = [""]
        while not any(f"-> {outcome}  {job_id}" in line for line in lines):
            lines.append(next_line(watch))
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 130
    # A job that has ended is found at once, by name and by the start of its id.
    for named in (("--job-name", name), (job_id[:12],)):
        assert run(deployment, "wait", *named).returncode == code


def test_wait_gives_up_in_time(deployment):
    start_job(deployment, "too-slow", "COMPLETED")
    done = run(deployment, "wait", "--job-name", "too-slow", "--timeout", "1s")
    assert done.returncode == 5


def test_an_empty_list_says_what_was_looked_at(deployment):
    done = run(deployment, "jobs", "--name-prefix", "nothing-has-this")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(
        r"No job matches --name-prefix nothing-has-this: none among the [\d,]+ jobs in SNOMEDCT, ICD10CM, "
        r"RXNORM, ENTITIES_V2, PHI, as of [\d-]+ [\d:]+ UTC\.\n",
        done.stderr,
    )


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_list_fits_the_terminal(deployment, columns):
    code, shown = on_terminal(deployment.ready["ApiUrl"], "jobs", "--all", columns=columns)
    lines = re.sub(r"\x1b\[[\d;?]*\w", "", shown).splitlines()
    assert (code, lines[0].split()[:2]) == (0, ["NAME", "STATUS"])
    assert len(lines) > 500
    assert max(map(cell_len, lines)) <= columns


def test_open_serves_the_pages_through_its_address_until_it_is_stopped(deployment):
    process = subprocess.Popen(
        [COMMAND, "open", "docs"],
        env=environment(deployment.ready["ApiUrl"], PYTHONPATH="", BROWSER="true"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
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


def test_the_installed_wheel_has_the_command(deployment, tmp_path):
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    python = str(ROOT / ".venv" / "bin" / "python")
    target = tmp_path / "site"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(ROOT)],
        check=True,
    )
    done = subprocess.run(
        [str(target / "bin" / "jobledger"), "health"],
        env=environment(deployment.ready["ApiUrl"], PYTHONPATH=str(target)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok"), done.stderr
