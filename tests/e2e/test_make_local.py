"""`make local` itself: what it says, how it ends, and that nothing is left when it has ended."""

import json
import re
import signal
import socket
import subprocess
import urllib.request

import pytest

from local.options import ROOT
from tests.e2e.deployment import is_open, output, processes_of, start, stop
from tests.e2e.stack import wait_until

shares_the_deployment = pytest.mark.xdist_group("deployment")


@shares_the_deployment
def test_ready_json_says_where_everything_is(deployment):
    ready = json.loads((deployment.state_dir / "ready.json").read_text())
    places = {"ApiUrl", "AwsEndpoint", "ComprehendMedicalEndpoint", "Region", "Outputs"}
    assert set(ready) == places


@shares_the_deployment
def test_the_printed_session_can_be_repeated(deployment):
    urls = re.findall(r'^\$ curl "(http[^"]+)"$', deployment.output, re.MULTILINE)
    assert [url.startswith(f"{deployment.api_url}/jobs?") for url in urls] == [True, True]
    for url in urls:
        with urllib.request.urlopen(url, timeout=30) as response:
            assert response.status == 200
    assert re.search(r"^Subject: \S", deployment.output, re.MULTILINE)


@shares_the_deployment
def test_both_servers_listen_on_loopback_only(deployment):
    for endpoint in (deployment.aws_endpoint, deployment.comprehend_endpoint):
        assert is_open(endpoint)
        # Another address of this machine: on Linux all of 127/8 is local.
        assert not is_open(endpoint.replace("127.0.0.1", "127.0.0.2"))


def test_a_run_that_is_broken_off_leaves_no_process_and_no_port(tmp_path):
    process = start(tmp_path)
    try:
        wait_until(lambda: "MiniStack is up" in output(tmp_path), 60, "MiniStack is up")
    finally:
        stop(process, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "ready.json").exists()
    endpoint = re.search(r"MiniStack is up on (\S+)", output(tmp_path))
    assert endpoint
    assert not is_open(endpoint[1])
    assert "Traceback" not in output(tmp_path)


def test_a_taken_port_gives_one_line_with_the_port_and_the_variable():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = ["make", "local", "AWS_PORT=0", f"COMPREHEND_PORT={port}"]
        ended = subprocess.run(
            command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
    assert ended.returncode != 0
    (said,) = (line for line in ended.stderr.splitlines() if line.startswith("error:"))
    assert f"port {port} is taken" in said
    assert "make local COMPREHEND_PORT=" in said


def test_a_bad_jobs_file_gives_the_stand_ins_own_line_and_leaves_nothing(tmp_path):
    jobs = tmp_path / "jobs.json"
    jobs.write_text('{"SNOMEDCT": 1}')
    state_dir = tmp_path / "state"
    process = start(state_dir, "--jobs", str(jobs))
    assert process.wait(60) == 1
    said = [line for line in output(state_dir).splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert str(jobs) in said[0]
    assert processes_of(state_dir) == []
