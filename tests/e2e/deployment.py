"""`make local` on free ports, as a process of its own, and all that a test wants to ask of it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 240
# CDK's own checks of a template take longer than the rest of its synthesis. tests/infrastructure does them, per setting.
UNCHECKED = {"CDK_VALIDATION": "false"}
# The servers end at once; on a busy machine, 50 workers take longer.
STOP_SECONDS = 90


def start(state_dir: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The runner, as `make local` starts it; what it prints goes to `runner.log`."""
    state_dir.mkdir(parents=True, exist_ok=True)
    (state_dir / "ready.json").unlink(missing_ok=True)
    ports = ["--aws-port", "0", "--comprehend-port", "0"]
    command = [sys.executable, "-m", "local", "--state-dir", str(state_dir), *ports, *arguments]
    # The functions inherit what MiniStack has: the settings of the unit tests would turn tracing off.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POWERTOOLS_")}
    with (state_dir / "runner.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=kept | UNCHECKED,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def output(state_dir: Path) -> str:
    return (state_dir / "runner.log").read_text()


def wait_until(condition, seconds: float, what: str, every: float = 0.2) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(every)
    return value


def processes_of(state_dir: Path) -> list[str]:
    """The command lines of what a run has started: all of them have its directory in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{state_dir}/".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def is_open(endpoint: str) -> bool:
    url = urllib.parse.urlsplit(endpoint)
    with socket.socket() as probe:
        return probe.connect_ex((str(url.hostname), int(url.port or 0))) == 0


def is_complete(families: dict[str, dict[str, Any]]) -> bool:
    """Whether a sync has brought all families up to date; false if a scheduled sync overtook it, which is no failure."""
    errors = {result.get("Error") for result in families.values()}
    assert errors <= {None, "WalkOvertaken"}, errors
    return errors == {None}


def opened(request: str | urllib.request.Request, seconds: float = 30) -> Any:
    """Open a URL of the API; when throttled, wait and try again. The stage takes 50 requests a second, and 100 at once."""
    for _ in range(10):
        try:
            return urllib.request.urlopen(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            with error:
                time.sleep(float(error.headers["Retry-After"]))
    return urllib.request.urlopen(request, timeout=seconds)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Deployment:
    state_dir: Path
    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    jobs: dict[str, list[dict]]
    """What the file had that the stand-in was started with."""

    @property
    def output(self) -> str:
        return output(self.state_dir)

    @property
    def outputs(self) -> dict[str, str]:
        return self.ready["Outputs"]

    def send(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Send a request to the API, with what headers there are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.ready["ApiUrl"] + path, body, sent, method=method)
        try:
            with opened(request, 60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **parameters: object) -> Answer:
        return self.send(f"{path}?{urllib.parse.urlencode(parameters)}")

    def pages(self, **parameters: object) -> Iterator[list[dict]]:
        token: dict[str, str] = {}
        while True:
            answer = self.get("/jobs", **parameters, **token)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            page = answer.json
            assert page["AsOf"]
            yield page["ComprehendMedicalAsyncJobPropertiesList"]
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def client(self, service: str) -> Any:
        upstream = service == "comprehendmedical"
        return boto3.client(
            service,
            endpoint_url=self.ready["ComprehendMedicalEndpoint" if upstream else "AwsEndpoint"],
            region_name=self.ready["Region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            # The stand-in throttles as the service does.
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )

    def control(self, path: str, **change: object) -> Any:
        """Change the stand-in from outside."""
        url = f"{self.ready['ComprehendMedicalEndpoint']}/_control/{path}"
        request = urllib.request.Request(url, data=json.dumps(change).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


@contextlib.contextmanager
def deployed(state_dir: Path, jobs: dict[str, list[dict]] | None) -> Iterator[Deployment]:
    """A deployment, of the sample account without jobs; at the end it is asked to stop as Ctrl-C does, and has to leave nothing."""
    state_dir.mkdir(parents=True, exist_ok=True)
    chosen = []
    if jobs is not None:
        jobs_file = state_dir / "jobs.json"
        jobs_file.write_text(json.dumps(jobs))
        chosen = ["--jobs", str(jobs_file)]
    process = start(state_dir, *chosen)
    ready_file = state_dir / "ready.json"
    try:
        wait_until(
            lambda: ready_file.exists() or process.poll() is not None, READY_SECONDS, "ready"
        )
        assert process.poll() is None, output(state_dir)
        ready = json.loads(ready_file.read_text())
        yield Deployment(state_dir, process, ready, jobs or {})
    finally:
        stop(process)
    assert process.returncode == 0, output(state_dir)
    assert not ready_file.exists()
    assert processes_of(state_dir) == []
    assert not is_open(ready["AwsEndpoint"])
    assert not is_open(ready["ComprehendMedicalEndpoint"])


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> None:
    if process.poll() is None:
        os.kill(process.pid, number)
    try:
        process.wait(STOP_SECONDS)
    finally:
        process.kill()


class Inbox:
    """A queue that keeps what topics and rules deliver, in the order of its arrival."""

    def __init__(self, deployment: Any, name: str) -> None:
        self._deployment = deployment
        self._sqs = deployment.client("sqs")
        self._name = name
        anyone = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [anyone]})}
        self._url = self._sqs.create_queue(QueueName=name, Attributes=policy)["QueueUrl"]
        asked = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self._arn = asked["Attributes"]["QueueArn"]
        self.received: list[str] = []

    def subscribe(self, topic: str, **attributes: str) -> None:
        """Receive what a topic publishes, which an output of the stack names."""
        self._deployment.client("sns").subscribe(
            TopicArn=self._deployment.outputs[topic],
            Protocol="sqs",
            Endpoint=self._arn,
            Attributes=attributes,
        )

    def follow_events(self) -> None:
        """Receive every event of the deployment."""
        events = self._deployment.client("events")
        events.put_rule(Name=self._name, EventPattern=json.dumps({"source": ["jobledger"]}))
        events.put_targets(Rule=self._name, Targets=[{"Id": "queue", "Arn": self._arn}])

    def receive(self) -> list[str]:
        """All that has arrived so far."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.received.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self.received
