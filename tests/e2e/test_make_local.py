"""`make local` itself: what it says, how it ends, and that nothing is left when it has ended."""

import json
import re
import signal
import urllib.request

import pytest

from tests.e2e.deployment import is_open, output, processes_of, start, stop
from tests.e2e.stack import wait_until


@pytest.mark.xdist_group("deployment")
def test_its_session_can_be_repeated_and_ready_json_says_where_everything_is(deployment):
    ready = json.loads((deployment.state_dir / "ready.json").read_text())
    places = {"ApiUrl", "AwsEndpoint", "ComprehendMedicalEndpoint", "Region", "Outputs"}
    assert set(ready) == places
    urls = re.findall(r'^\$ curl "(http[^"]+)"$', deployment.output, re.MULTILINE)
    assert [url.startswith(f"{deployment.api_url}/jobs?") for url in urls] == [True, True]
    for url in urls:
        with urllib.request.urlopen(url, timeout=30) as response:
            assert response.status == 200
    assert re.search(r"^Subject: \S", deployment.output, re.MULTILINE)
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
