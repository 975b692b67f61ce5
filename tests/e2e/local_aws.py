"""A local AWS of a test's own: started, deployed to and stopped step by step, with IAM enforced if asked."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from local.assembly import remove_unimplemented
from local.deployment import LocalAws, clean_environment, reachable_api_url
from local.options import HOST, ROOT, read_options
from local.processes import Children, StopSignals
from tests.e2e.deployment import UNCHECKED
from tests.e2e.stack import Account


@dataclass(frozen=True)
class OwnAws(Account):
    """The servers, and the CDK runs of a test."""

    aws: LocalAws

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

    def deploy_member(self, account: str) -> None:
        """Deploy the stack of a member account, synthesized for the first one."""
        if not self.aws.member_assembly.exists():
            self.aws.children.finish(self.aws.start_synth_member())
        self.aws.children.finish(self.aws.start_deploy_member(account))

    def places(self, outputs: dict[str, str]) -> tuple[str, str, str, dict[str, str]]:
        """The first values of a `Stack` with these outputs."""
        api_url = reachable_api_url(outputs["ApiUrl"], self.aws_endpoint)
        return self.aws_endpoint, self.comprehend_endpoint, api_url, outputs


@contextlib.contextmanager
def own_aws(
    state_dir: Path, jobs: dict[str, list[dict]], *arguments: str, enforce_iam: bool = False
) -> Iterator[OwnAws]:
    """A bootstrapped local AWS whose stand-in has these jobs; at the end nothing of it runs. `arguments` as of `make local`."""
    state_dir.mkdir(parents=True, exist_ok=True)
    jobs_file = state_dir / "jobs.json"
    jobs_file.write_text(json.dumps(jobs))
    ports = ["--aws-port", "0", "--comprehend-port", "0"]
    given = ["--state-dir", str(state_dir), "--jobs", str(jobs_file), *ports, *arguments]
    options = read_options(given, {})
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
        yield OwnAws(options.aws_endpoint, options.comprehend_endpoint, aws)
    finally:
        children.stop()
