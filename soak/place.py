"""The local AWS of a soak: its servers, deployments with changing settings, and restarts that keep its state."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.assembly import remove_unimplemented
from local.deployment import REGION, LocalAws, clean_environment, reachable_api_url
from local.options import HOST, ROOT, Options, read_options, usable_port
from local.processes import Child, Children, StopSignals

MICROBURST = Path(sys.executable).with_name("microburst")
SAVE_SECONDS = 60.0
_POLL_SECONDS = 0.2


@dataclass
class Place:
    """The servers of one soak. `tick` runs while a step waits, several times a second."""

    aws: LocalAws
    proxy_endpoint: str
    stand_in_endpoint: str
    ministack: Child
    tick: Callable[[], None] = lambda: None

    @property
    def children(self) -> Children:
        """All processes of the soak."""
        return self.aws.children

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local AWS, or of the stand-in without faults in between."""
        upstream = service == "comprehendmedical"
        return boto3.client(
            service,
            endpoint_url=self.stand_in_endpoint if upstream else self.aws.options.aws_endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )

    def deploy(self, settings: Sequence[str]) -> dict[str, str]:
        """Deploy the stack with these settings (`key=value`); return its outputs."""
        given = [part for pair in settings for part in ("-c", pair)]
        aws = replace(self.aws, options=replace(self.aws.options, cdk_args=given))
        self._finish(aws.start_synth())
        remove_unimplemented(aws.assembly)
        self._finish(aws.start_deploy())
        return aws.outputs()

    def restart(self) -> None:
        """End MiniStack with all functions that run in it, and start it with what it has saved."""
        self.children.stop_server(self.ministack, SAVE_SECONDS)
        self.ministack = self.aws.start_ministack(again=True)
        self.children.wait_for_port(self.ministack, (HOST, self.aws.options.aws_port))

    def python(self, module: str, *arguments: str) -> Child:
        """Start one of the soak's own modules; it must end by itself."""
        command = [sys.executable, "-m", module, *arguments]
        return self.children.start(module, command, self.aws.environment, ROOT)

    def api_url(self, outputs: Mapping[str, str]) -> str:
        """Return the local URL of the deployed API."""
        return reachable_api_url(outputs["ApiUrl"], self.aws.options.aws_endpoint)

    def stand_in(self, path: str) -> Any:
        """Read a control path of the stand-in."""
        return _json(f"{self.stand_in_endpoint}/_control/{path}")

    def wait(self, seconds: float) -> None:
        """Wait, while `tick` runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()
            self.children.check_servers()
            time.sleep(_POLL_SECONDS)

    def _finish(self, child: Child) -> None:
        while child.process.poll() is None:
            self.wait(_POLL_SECONDS)
        self.children.finish(child)


@contextlib.contextmanager
def bring_up(state_dir: Path, signals: StopSignals) -> Iterator[Place]:
    """Start MiniStack, the stand-in and the proxy between them; at the end nothing of it runs."""
    state_dir.mkdir(parents=True, exist_ok=True)
    options = read_options(
        ["--state-dir", str(state_dir), "--aws-port", "0", "--comprehend-port", "0"], {}
    )
    stand_in = options.comprehend_endpoint
    port = usable_port("the proxy's port", "0")
    behind_proxy = replace(options, comprehend_endpoint=f"http://{HOST}:{port}")
    environment = clean_environment({}, behind_proxy) | {"PERSIST_STATE": "1", "S3_PERSIST": "1"}
    children = Children(state_dir, signals)
    aws = LocalAws(behind_proxy, children, environment)
    try:
        _start_upstream(aws, options, port)
        ministack = aws.start_ministack()
        children.wait_for_port(ministack, (HOST, options.aws_port))
        children.finish(aws.start_bootstrap())
        yield Place(aws, behind_proxy.comprehend_endpoint, stand_in, ministack)
    finally:
        children.stop()


def _start_upstream(aws: LocalAws, options: Options, port: int) -> None:
    server = aws.start_stand_in()
    aws.children.wait_for_port(server, (HOST, int(options.comprehend_port or 0)))
    command: list[str | Path] = [
        MICROBURST,
        "-u",
        options.comprehend_endpoint,
        "-p",
        str(port),
        "--host",
        HOST,
    ]
    proxy = aws.children.start_server("microburst", command, aws.environment, ROOT)
    aws.children.wait_for_port(proxy, (HOST, port))


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)
