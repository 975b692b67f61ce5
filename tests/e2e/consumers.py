"""Stacks of others, deployed to the local AWS by the project's CDK CLI."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.deployment import ROOT, UNCHECKED, Deployment

CDK = ROOT / ".venv" / "bin" / "cdk"
LOOKUP_APP = ROOT / "tests" / "e2e" / "lookup_app.py"
QUIET = ("--ci", "--no-notices", "--no-version-reporting")


@dataclass(frozen=True)
class Done:
    """How a run of the CLI ended; `output` is what it printed, without the line breaks of its columns."""

    code: int
    output: str


class Run:
    """A run of the CLI that is under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait(self) -> Done:
        """Its end."""
        try:
            text, _ = self._process.communicate(timeout=180)
        finally:
            self._process.kill()
        return Done(self._process.returncode, " ".join(text.split()))


class Consumer:
    """The owner of another app; `python_path` is where that finds what it imports."""

    def __init__(self, deployment: Deployment, home: Path, python_path: Path = ROOT) -> None:
        self._deployment = deployment
        self._home = home
        self._python_path = python_path

    def start(self, verb: str, *arguments: str, cwd: Path | None = None) -> Run:
        """Begin a run of the CLI, in the consumer's own directory unless `cwd` is given."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        aws = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self._deployment.ready["Region"],
            "AWS_ENDPOINT_URL": self._deployment.ready["AwsEndpoint"],
            "PYTHONPATH": str(self._python_path),
            "PATH": f"{CDK.parent}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
        }
        return Run(
            subprocess.Popen(
                [str(CDK), verb, *QUIET, *arguments],
                cwd=cwd or self._home,
                env={**kept, **UNCHECKED, **aws},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def synth(self, app: Path, **context: object) -> Path:
        """The app's assembly, with these values of its context."""
        assembly = self._home / f"{app.parent.name}-{len(list(self._home.iterdir()))}"
        pairs = [f"--context={name}={value}" for name, value in context.items()]
        command = ["synth", "--quiet", "--output", str(assembly), *pairs]
        done = self.start(*command, "--app", f"{sys.executable} {app}").wait()
        assert done.code == 0, done.output
        return assembly

    def deploy(self, assembly: Path, *stacks: str) -> Run:
        """Begin a deployment of the assembly's stacks, of all of them by default."""
        speed = ["--method=direct", "--concurrency=4"]
        confirmed = ["--require-approval=never", *speed]
        return self.start("deploy", "--app", str(assembly), *confirmed, *(stacks or ["--all"]))

    def destroy(self, assembly: Path) -> Run:
        """Begin to remove all stacks of the assembly."""
        return self.start("destroy", "--app", str(assembly), "--force", "--all")

    def stack(self, name: str) -> dict[str, Any] | None:
        """What CloudFormation knows of a stack; None when it has none of that name."""
        stacks = self._deployment.client("cloudformation").describe_stacks()["Stacks"]
        return next((s for s in stacks if s["StackName"] == name), None)

    def outputs(self, stack: str) -> dict[str, Any]:
        """A stack's outputs, those in JSON read."""
        found = self.stack(stack)
        assert found
        texts = {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}
        return {k: json.loads(v) if v.startswith("{") else v for k, v in texts.items()}

    def physical_ids(self, stack: str) -> dict[str, str]:
        """The ids of a stack's look-ups."""
        client = self._deployment.client("cloudformation")
        resources = client.describe_stack_resources(StackName=stack)["StackResources"]
        return {
            r["LogicalResourceId"]: r["PhysicalResourceId"]
            for r in resources
            if r["ResourceType"] == "Custom::ComprehendMedicalJob"
        }
