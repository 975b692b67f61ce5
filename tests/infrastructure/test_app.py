"""`app.py` as the CDK CLI runs it: without AWS, git or Docker, and with one line for each mistake."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from stacks.regions import REGIONS
from stacks.settings import Settings, SettingsError
from testing.processes import ROOT, run


@pytest.fixture
def synth(tmp_path):
    """Run the app with nothing but node on the PATH."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "node").symlink_to(os.path.realpath(shutil.which("node") or ""))
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    # It depends on HOME, and jsii would unpack 100 MB anew for each test.
    kept["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(Path.home() / ".cache/aws/jsii/package-cache")
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]

    def synth(region=None, **settings):
        environment = {
            **kept,
            **({"CDK_DEFAULT_REGION": region} if region else {}),
            "PATH": str(tools),
            "HOME": str(tmp_path),
            "CDK_OUTDIR": str(tmp_path / "cdk.out"),
            "CDK_CONTEXT_JSON": json.dumps({**context, **settings}),
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        }
        return run(sys.executable, "app.py", cwd=ROOT, env=environment)

    return synth


@pytest.mark.xdist_group("bundle")
def test_it_needs_no_aws_git_or_docker_and_reports_unknown_context_keys(synth, tmp_path):
    done = synth(bundleFor="host", colour="red")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cdk.out" / "JobLedger.template.json").exists()
    said = "context key colour is not a setting and is ignored; settings: name, families, "
    assert said in done.stderr


def test_with_hub_it_makes_the_stack_of_a_member_for_any_region_and_no_bundle(synth, tmp_path):
    done = synth(region="eu-central-1", hub="111122223333", digestWhen="changes")
    assert done.returncode == 0, done.stderr
    made = [path.name for path in (tmp_path / "cdk.out").glob("*.template.json")]
    assert made == ["JobLedgerMember.template.json"]
    assert not list((tmp_path / "cdk.out").glob("asset.*"))
    assert "these are ignored: digestWhen\n" in done.stderr


def test_all_bad_settings_are_reported_at_once_in_a_line_each(synth):
    done = synth(syncMinutes="0", digestEmail="a@example.org", families="PHI,SNOMED")
    assert done.returncode == 1
    lines = [line.split(": ", 2) for line in done.stderr.splitlines()]
    keys = ("digestEmail", "families", "syncMinutes")
    assert [line[:2] for line in lines] == [["job-ledger", f"setting {key}"] for key in keys]
    assert lines[2][2] == "'0' is not valid; allowed: a whole number of minutes from 1 to 60"


def test_a_region_without_the_service_is_refused_with_those_that_have_it(monkeypatch):
    from aws_cdk import App

    import app

    monkeypatch.setenv("CDK_DEFAULT_REGION", "eu-central-1")
    with pytest.raises(SettingsError) as refused:
        app._add_deployment(App(), Settings())
    said = "region eu-central-1 has no Amazon Comprehend Medical; regions that have it: "
    assert str(refused.value) == f"{said}{', '.join(sorted(REGIONS))}"
