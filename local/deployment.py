"""The local AWS and the deployment to it: the same stack and the same CDK CLI as in AWS."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.comprehend_medical.sources import OWN_ACCOUNT, OWN_REGION
from local.options import HOST, ROOT, Options
from local.processes import Child, Children, LocalError
from local.sources import credentials_of

ACCOUNT, REGION = OWN_ACCOUNT, OWN_REGION
CDK = ROOT / ".venv" / "bin" / "cdk"
MINISTACK = ROOT / ".venv-ministack" / "bin" / "python"


def clean_environment(environment: Mapping[str, str], options: Options) -> dict[str, str]:
    """Return the user's environment with only the local AWS's credentials, profile and endpoints."""
    nowhere = str(options.state_dir / "no-aws-configuration")
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    # Without bytecode, each synthesis would compile the CDK library again.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    proxied = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    direct = ",".join(filter(None, [proxied, HOST, "localhost"]))
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": options.aws_endpoint,
        "AWS_ENDPOINT_URL_COMPREHENDMEDICAL": options.comprehend_endpoint,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "NO_COLOR": "1",
        # Some of CDK's own functions and jsii run on node.
        "PATH": f"{CDK.parent}{os.pathsep}{environment.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass(frozen=True)
class LocalAws:
    """The servers and CDK runs of one `make local`."""

    options: Options
    children: Children
    environment: Mapping[str, str]

    @property
    def assembly(self) -> Path:
        return self.options.state_dir / "cdk.out"

    @property
    def member_assembly(self) -> Path:
        return self.options.state_dir / "cdk.member.out"

    @property
    def traces(self) -> Path:
        return self.options.state_dir / "traces.jsonl"

    @property
    def mail(self) -> Path:
        return self.options.state_dir / "mail"

    def start_stand_in(self, *, trickle: float = 0) -> Child:
        """Start the stand-in; with `trickle`, a sample job starts every so many seconds."""
        command = [sys.executable, "-m", "local.comprehend_medical"]
        command += ["--port", str(self.options.comprehend_port)]
        command += ["--s3-endpoint", self.options.aws_endpoint]
        if self.options.jobs:
            command += ["--jobs", str(self.options.jobs)]
        command += ["--trickle", str(trickle)]
        if self.options.sources:
            command += ["--sources", ",".join(self.options.sources[1:])]
            command += ["--iam-endpoint", self.options.aws_endpoint]
        return self.children.start_server("Comprehend Medical", command, self.environment, ROOT)

    def start_ministack(self, *, again: bool = False) -> Child:
        """Start MiniStack without any state, or `again` with what it has saved (PERSIST_STATE=1)."""
        home = self.options.state_dir / "ministack"
        if not again:
            shutil.rmtree(home, ignore_errors=True)
            (home / "tmp").mkdir(parents=True)
            self.traces.unlink(missing_ok=True)
            shutil.rmtree(self.mail, ignore_errors=True)
            self.mail.mkdir()
        settings = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.options.aws_port),
            "IOT_MTLS_ENABLED": "0",
            # A request occupies one thread while it waits for functions, whose own requests need threads too.
            "MINISTACK_WORKER_THREADS": "256",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "STATE_DIR": str(home / "state"),
            "S3_DATA_DIR": str(home / "s3"),
            "TMPDIR": str(home / "tmp"),
            "TRACES_FILE": str(self.traces),
            "MAIL_DIR": str(self.mail),
            # Members' roles are assumed as in AWS: by who their trust policies allow, with the external id.
            **({"AUTH": "true"} if self.options.sources else {}),
            # Otherwise MiniStack would manage containers on a running Docker.
            "DOCKER_HOST": f"unix://{home / 'no-docker'}",
        }
        # Not with PYTHONPATH, which the functions would inherit.
        run = "import runpy; runpy.run_module('local.ministack', run_name='__main__')"
        find = f"import sys; sys.path.append({str(ROOT)!r})"
        command = [str(MINISTACK), "-P", "-c", f"{find}; {run}"]
        return self.children.start_server(
            "MiniStack", command, {**self.environment, **settings}, home
        )

    def start_synth(self, app: Path = ROOT) -> Child:
        """Synthesize the app of this checkout, or of another in the folder `app`."""
        context = ["-c", "bundleFor=host", "-c", "retainLedger=false"]
        if self.options.sources:
            context += ["-c", f"sources={','.join(self.options.sources[1:])}"]
        output = ["--output", str(self.assembly), "--quiet"]
        return self._cdk("synth", [*output, *context, *self.options.cdk_args], app)

    def start_bootstrap(self) -> Child:
        # Outside the project's cdk.json: bootstrapping does not need the app.
        return self._cdk("bootstrap", [f"aws://{ACCOUNT}/{REGION}"], self.options.state_dir)

    def start_deploy(self) -> Child:
        speed = ["--method=direct", "--asset-parallelism", "--progress=events"]
        output = ["--outputs-file", str(self.outputs_file)]
        command = ["--app", str(self.assembly), "--all", "--require-approval=never"]
        self.outputs_file.unlink(missing_ok=True)
        return self._cdk("deploy", [*command, *speed, *output, *self.options.cdk_args], ROOT)

    def start_synth_member(self) -> Child:
        """Synthesize the stack of a member account, which is the same for all."""
        output = ["--output", str(self.member_assembly), "--quiet"]
        context = ["-c", f"hub={ACCOUNT}"]
        return self._cdk("synth", [*output, *self.options.cdk_args, *context], ROOT, "member")

    def start_deploy_member(self, account: str) -> Child:
        """Deploy a member's stack with the credentials of its account."""
        command = ["--app", str(self.member_assembly), "--all", "--require-approval=never"]
        speed = ["--method=direct", "--progress=events"]
        return self._cdk("deploy", [*command, *speed], ROOT, account, **credentials_of(account))

    def _cdk(
        self, verb: str, arguments: list[str], cwd: Path, of: str = "", **credentials: str
    ) -> Child:
        environment = {
            **self.environment,
            **credentials,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
        }
        command = [str(CDK), verb, "--no-notices", "--no-version-reporting", "--ci", *arguments]
        return self.children.start(f"cdk {verb} {of}".rstrip(), command, environment, cwd)

    @property
    def outputs_file(self) -> Path:
        return self.options.state_dir / "outputs.json"

    def outputs(self) -> dict[str, str]:
        stacks: dict[str, dict[str, str]] = json.loads(self.outputs_file.read_text())
        return {name: value for outputs in stacks.values() for name, value in outputs.items()}


def reachable_api_url(deployed: str, aws_endpoint: str) -> str:
    """Return the local URL of the API that has this deployed URL."""
    match = re.match(r"https://([^./]+)\.execute-api\.[^/]+/([^/]+)", deployed)
    if match is None:
        raise LocalError(f"the stack's output ApiUrl is not that of an API: {deployed}")
    return f"{aws_endpoint}/restapis/{match[1]}/{match[2]}/_user_request_"


def write_environment(path: Path, ready: Mapping[str, Any]) -> None:
    """Write the variables with which a shell and its AWS tools reach this deployment: `. .local/env`."""
    variables = {
        "API_URL": ready["ApiUrl"],
        "JOB_LEDGER_URL": ready["ApiUrl"],
        "AWS_ENDPOINT_URL": ready["AwsEndpoint"],
        "AWS_ENDPOINT_URL_COMPREHENDMEDICAL": ready["ComprehendMedicalEndpoint"],
        "AWS_REGION": ready["Region"],
        "AWS_DEFAULT_REGION": ready["Region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # With SOURCES, the local AWS checks it, and these credentials have none.
        "AWS_SESSION_TOKEN": "" if "Sources" in ready else "test",
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    command = f'export PATH={shlex.quote(str(CDK.parent))}:"$PATH"'
    path.write_text("\n".join(["unset AWS_PROFILE", *exports, command, ""]))


def publish_ready(path: Path, ready: Mapping[str, Any]) -> None:
    """Write the file atomically, so that readers never see a partial one."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(ready, indent=2) + "\n")
    temporary.replace(path)
