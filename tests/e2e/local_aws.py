"""A local AWS of a test's own: started, deployed to and stopped step by step, with IAM enforced if asked."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.assembly import remove_unimplemented
from local.deployment import REGION, LocalAws, clean_environment, reachable_api_url
from local.options import HOST, ROOT, read_options
from local.processes import Children, StopSignals
from tests.e2e.deployment import UNCHECKED


@dataclass(frozen=True)
class OwnAws:
    """The servers, and the CDK runs of a test."""

    aws: LocalAws

    def client(self, service: str, key: str = "test", secret: str = "test") -> Any:
        """A client with the account's own credentials, unless others are given."""
        options = self.aws.options
        upstream = service == "comprehendmedical"
        return boto3.client(
            service,
            endpoint_url=options.comprehend_endpoint if upstream else options.aws_endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )

    def deploy(self, *context: str, app: Path = ROOT) -> dict[str, str]:
        """Deploy the stack of this checkout or of another with these settings (`key=value`); return its outputs."""
        settings = [part for pair in context for part in ("-c", pair)]
        aws = replace(self.aws, options=replace(self.aws.options, cdk_args=settings))
        aws.children.finish(aws.start_synth(app))
        remove_unimplemented(aws.assembly)
        return self.deploy_again()

    def deploy_again(self) -> dict[str, str]:
        """Deploy what was synthesized last; return its outputs."""
        self.aws.children.finish(self.aws.start_deploy())
        return self.aws.outputs()

    def api_url(self, outputs: dict[str, str]) -> str:
        """The local URL of the deployed API."""
        return reachable_api_url(outputs["ApiUrl"], self.aws.options.aws_endpoint)


@contextlib.contextmanager
def own_aws(
    state_dir: Path, jobs: dict[str, list[dict]], *, enforce_iam: bool = False
) -> Iterator[OwnAws]:
    """A bootstrapped local AWS whose stand-in has these jobs; at the end nothing of it runs."""
    state_dir.mkdir(parents=True, exist_ok=True)
    jobs_file = state_dir / "jobs.json"
    jobs_file.write_text(json.dumps(jobs))
    ports = ["--aws-port", "0", "--comprehend-port", "0"]
    options = read_options(["--state-dir", str(state_dir), "--jobs", str(jobs_file), *ports], {})
    environment = clean_environment(UNCHECKED, options)
    if enforce_iam:
        environment["AUTH"] = "true"
    # pytest has the signals.
    children = Children(state_dir, StopSignals())
    aws = LocalAws(options, children, environment)
    try:
        stand_in, ministack = aws.start_stand_in(), aws.start_ministack()
        children.wait_for_port(ministack, (HOST, options.aws_port))
        children.wait_for_port(stand_in, (HOST, int(options.comprehend_port or 0)))
        children.finish(aws.start_bootstrap())
        yield OwnAws(aws)
    finally:
        children.stop()
