"""What the bench runs: our functions from the built bundle, and the peers; with their environments and events."""

import hashlib
import platform
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runtime_api import Function
from stacks.packaging.bundle import Bundle, compile_folder, install_packages, make_bundle
from stacks.packaging.target import Target, interpreter_for

ROOT = Path(__file__).resolve().parents[1]
BUILDS = ROOT / ".local" / "build"
SCOPE = "111122223333/us-east-1"
_RUNTIME = ("awslambdaric", "simplejson", "snapshot_restore_py*", "runtime_client*.so")
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Place:
    """Where everything is: the interpreter, the unpacked bundle and the peers' packages."""

    python: str
    version: str
    bundle: Path
    peers: Path
    runtime: Path
    environment: Mapping[str, str]

    def ours(self, name: str) -> Function:
        """Start one of our functions."""
        paths = [self.bundle, self.runtime]
        return Function(self.python, HANDLERS[name], paths, self.environment)

    def peer(self, name: str) -> Function:
        """Start a peer."""
        return Function(
            self.python, f"bench.peers.{name}.handler", [self.peers, ROOT], self.environment
        )


HANDLERS = {
    "api": "jobledger.handlers.api.handler",
    "sync": "jobledger.handlers.sync.handler",
    "digest": "jobledger.handlers.digest.handler",
    "changes": "jobledger.handlers.changes.handler",
    "look-up": "jobledger.handlers.lookup.is_complete",
}


def say(line: str) -> None:
    """Report progress."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def prepare(endpoint: str) -> Place:
    """Build the bundle and install the peers, for Lambda's Python where this machine has it."""
    version = next(
        version
        for version in ("3.13", f"{sys.version_info.major}.{sys.version_info.minor}")
        if interpreter_for(version)
    )
    python = interpreter_for(version)
    assert python is not None
    target = _target(version)
    bundle = make_bundle(ROOT / "lambda", BUILDS, target)
    unpacked = BUILDS.parent / "bench" / bundle.digest
    if not unpacked.exists():
        with zipfile.ZipFile(bundle.path) as zipped:
            zipped.extractall(unpacked)
    peers = _peers(target, python)
    return Place(
        python, version, unpacked, peers, _runtime(peers), environment_of(endpoint)
    )


def lambda_bundle() -> Bundle:
    """Return the bundle that `make deploy` uploads, whose size counts."""
    return make_bundle(ROOT / "lambda", BUILDS, Target.of("lambda"))


def _target(version: str) -> Target:
    """Return this machine with a version of Python, which may be another than this process's."""
    machine = platform.machine()
    options = [f"--platform={name}_{machine}" for name in _PLATFORMS]
    options += ["--implementation=cp", f"--python-version={version}"]
    arm = machine == "aarch64"
    return Target(
        python=version, machine="arm64" if arm else "x86_64", pip_options=tuple(options)
    )


def _peers(target: Target, python: str) -> Path:
    locked = ROOT / "bench" / "requirements.txt"
    digest = hashlib.sha256(f"{target.identity()} {locked.read_text()}".encode()).hexdigest()
    folder = BUILDS.parent / "bench" / f"peers-{digest}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install_packages(locked, folder, target, say)
        compile_folder(folder, python)
        (folder / "complete").touch()
    return folder


def _runtime(peers: Path) -> Path:
    """Return a folder with Lambda's runtime client only: no peer's package may reach our functions."""
    folder = peers.with_name(f"runtime-{peers.name}")
    folder.mkdir(exist_ok=True)
    for pattern in _RUNTIME:
        for path in peers.glob(pattern):
            link = folder / path.name
            if not link.exists():
                link.symlink_to(path)
    return folder


def environment_of(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LEDGER_TABLE_NAME": "ledger",
        "LEDGER_SCOPE": SCOPE,
        # One family: a second would wait for its slot of the shared rate limit.
        "FAMILIES": "SNOMEDCT",
        "SYNC_MINUTES": "1",
        "SYNC_FUNCTION_NAME": "sync",
        "DIGEST_FUNCTION_NAME": "digest",
        "DIGEST_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:digest",
        "DIGEST_TIMEZONE": "UTC",
        "DIGEST_SCHEDULE": "cron(0 8 * * ? *)",
        "IDEMPOTENCY_TABLE_NAME": "idempotency",
        "INCLUDE_JOB_DETAILS": "false",
        "POWERTOOLS_SERVICE_NAME": "job-ledger",
        "POWERTOOLS_METRICS_NAMESPACE": "JobLedger",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
        "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
    }


def request(path: str, **query: object) -> dict[str, Any]:
    """Return the event of one GET request, as API Gateway sends it."""
    sent = {name: str(value) for name, value in query.items()}
    return {
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Accept": "*/*", "Host": "example.org", "User-Agent": "bench"},
        "multiValueHeaders": {"Accept": ["*/*"], "Host": ["example.org"], "User-Agent": ["bench"]},
        "queryStringParameters": sent or None,
        "multiValueQueryStringParameters": {n: [v] for n, v in sent.items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "accountId": "111122223333",
            "apiId": "id",
            "stage": "v1",
            "path": f"/v1{path}",
            "resourcePath": path,
            "httpMethod": "GET",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "bench"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def first_event(name: str, number: int) -> Any:
    """Return the event with which a function is started; `number` tells repeated starts apart."""
    return {
        "api": request("/jobs"),
        "sync": {},
        "digest": {"IdempotencyKey": f"start-{number}"},
        "changes": {"Records": [_change(number)]},
        "look-up": {
            "RequestType": "Create",
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1",
            "RequestId": "r",
            "LogicalResourceId": "Job",
            "PhysicalResourceId": "p",
            "StartedAt": "2026-11-24T00:00:00.000Z",
            "ResourceProperties": {"JobName": "no-such-job", "MustExist": "false"},
        },
    }[name]


def _change(number: int) -> dict[str, Any]:
    observed = "2026-11-24T00:00:00.000Z"
    row = {
        "PK": f"{SCOPE}/SNOMEDCT#changes",
        "SK": f"{observed}#{number:032x}",
        "Family": "SNOMEDCT",
        "JobId": f"{number:032x}",
        "ObservedAt": observed,
        "JobStatus": "COMPLETED",
    }
    image = {name: {"S": value} for name, value in row.items()}
    return {"dynamodb": {"SequenceNumber": str(number), "NewImage": image}}
