"""The look-up in other tools, as docs/lookup.md has it: CloudFormation, CDK in TypeScript, Terraform."""

import json
import re
import shutil
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import boto3
import hcl2
import pytest

from testing.processes import ROOT, run
from tests.infrastructure.test_lookup_construct import sent

TEXT = (ROOT / "docs" / "lookup.md").read_text(encoding="utf-8")
# CDK for Python carries CDK's own packages for node.
PACKAGES = sorted((ROOT / ".venv").glob("lib/python*/site-packages/**/_jsii/*.jsii.tgz"))
SYNTH = """
import { App } from 'aws-cdk-lib';
import { Pipeline } from './pipeline.ts';
const app = new App({ outdir: 'cdk.out' });
new Pipeline(app, 'Pipeline');
app.synth();
"""


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def test_cfn_lint_accepts_the_template_and_the_forwarder(forwarder, tmp_path):
    texts = {"lookup.yaml": block("yaml"), "forwarder.yaml": forwarder}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    done = run(ROOT / ".venv" / "bin" / "cfn-lint", *texts, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_the_typescript_makes_the_resource_that_the_construct_makes(tmp_path):
    unpack(tmp_path / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "pipeline.ts").write_text(block("typescript"))
    (tmp_path / "synth.ts").write_text(SYNTH)
    own = ROOT / ".venv" / "bin" / "node"
    node = str(own) if own.exists() else shutil.which("node")
    strips = (node, "--experimental-strip-types", "--no-warnings")
    if not node or run(*strips, "--version").returncode:
        pytest.skip("no node that reads TypeScript: make test sets one up")
    done = run(*strips, "synth.ts", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "cdk.out" / "Pipeline.template.json").read_text())
    (resource,) = made["Resources"].values()
    token = made["Parameters"][resource["Properties"].pop("ServiceToken")["Ref"]]
    assert token["Default"] == "/job-ledger/lookup-service-token"
    assert resource["Type"] == "Custom::ComprehendMedicalJob"
    assert resource["Properties"].pop("ServiceTimeout") == "3600"
    of_construct = sent(job_name="nightly-notes", wait_minutes=30)
    expected = {name: of_construct[name] for name in ("JobName", "WaitMinutes")}
    assert {name: str(value) for name, value in resource["Properties"].items()} == expected


def unpack(folder: Path) -> None:
    """Install the packages, without their types and documents."""
    for package in PACKAGES:
        with tarfile.open(package) as archive:
            described = archive.extractfile("package/package.json")
            assert described
            target = folder / json.load(described)["name"]
            for member in archive:
                member.name = member.name.removeprefix("package/")
                if not member.name.endswith((".d.ts", ".md", ".gz")):
                    archive.extract(member, target, filter="data")


def test_the_terraform_deploys_the_template_and_reads_its_output():
    read: dict[str, Any] = hcl2.loads(block("hcl"))
    text = json.dumps(read)
    assert "aws_cloudformation_stack" in text
    assert re.search(r"file\(.*?/lookup\.yaml", text)
    named = re.findall(r"aws_cloudformation_stack\.(\w+)\.outputs\[.*?(\w+)", text)
    assert named == [("nightly", "Codes")]
    assert "  Codes:\n" in block("yaml").split("Outputs:\n")[1]


@pytest.fixture(scope="module")
def forwarder():
    """The template in the document, for stacks in another region."""
    document = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    return str(text)


def test_the_forwarder_passes_a_request_on_to_the_region_of_the_token(forwarder, monkeypatch):
    (code,) = re.findall(r"ZipFile: \|\n(.*?)\n  Role:", forwarder, re.DOTALL)
    token = "arn:aws:lambda:eu-west-1:111122223333:function:f"
    monkeypatch.setenv("TOKEN", token)
    calls: list[Any] = []

    class Client:
        def __init__(self, *arguments: str, **more: str) -> None:
            calls.append((arguments, more))

        def invoke(self, **arguments: str) -> None:
            calls.append(arguments)

    monkeypatch.setattr(boto3, "client", Client)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)
    names["handler"]({"RequestType": "Create"}, None)
    assert calls == [
        (("lambda",), {"region_name": "eu-west-1"}),
        {"FunctionName": token, "InvocationType": "Event", "Payload": '{"RequestType": "Create"}'},
    ]
