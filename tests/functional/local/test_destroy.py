"""What outlives a removed stack is named, with commands that remove it: they are run as they are printed."""

import os
import sys
import uuid
from types import SimpleNamespace

import pytest

from local.destroy import remaining, report, resources_of, stack_name
from testing.processes import ROOT, run

AWS_CLI = ROOT / ".venv-awscli" / "bin"


@pytest.fixture
def account(aws):
    """A session of the emulator, with one protected table and one key."""
    session = SimpleNamespace(client=aws.client)
    name = aws.ledger_table(f"ledger-{uuid.uuid4().hex}")
    aws.client("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=True)
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return SimpleNamespace(session=session, table=name, key=key, endpoint=aws.endpoint)


def test_the_printed_commands_remove_what_remains(account):
    resources = [
        ("AWS::KMS::Key", account.key),
        ("AWS::DynamoDB::Table", account.table),
        ("AWS::DynamoDB::Table", "gone"),
        ("AWS::SNS::Topic", "arn:aws:sns:us-east-1:000000000000:gone"),
    ]
    left = remaining(account.session, resources)
    assert [one.what.split(",")[0] for one in left] == ["the table of jobs", "its key"]
    commands = [line.strip() for line in report(left).splitlines() if line.startswith("    aws ")]
    assert len(commands) == 3
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    path = f"{AWS_CLI}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "AWS_ENDPOINT_URL": account.endpoint}
    for command in commands:
        as_documented = command.replace(account.table, '"$LedgerTableName"')
        assert as_documented.replace(account.key, '"$KEY"') in documented
        assert run("sh", "-c", command, env=environment).returncode == 0
    assert remaining(account.session, resources) == []
    assert report([]).startswith("Nothing of the deployment remains")


def test_a_stack_that_does_not_exist_has_no_resources(account):
    assert resources_of(account.session, "NoSuchStack") == []


def test_the_stack_is_the_one_that_cdk_destroys(tmp_path):
    configuration = tmp_path / "cdk.json"
    configuration.write_text('{"context": {"name": "FromFile"}}')
    for arguments, name, in_file in (
        ([], "JobLedger", "FromFile"),
        (["-c", "name=Ward7"], "Ward7", "Ward7"),
        (["--force", "--context", "name=Ward7"], "Ward7", "Ward7"),
        (["-c", "name=Ward7", "-c", "name=Ward8"], "Ward8", "Ward8"),
        (["-c", "families=PHI"], "JobLedger", "FromFile"),
    ):
        assert (stack_name(arguments), stack_name(arguments, configuration)) == (name, in_file)


@pytest.mark.parametrize(
    "missing, words",
    [
        (("AWS_REGION", "AWS_DEFAULT_REGION"), "specify a region. Set"),
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "locate credentials. Set"),
    ],
    ids=["region", "credentials"],
)
def test_without_region_or_credentials_it_says_what_to_set(missing, words):
    environment = {name: text for name, text in os.environ.items() if name not in missing}
    done = run(sys.executable, "-m", "local.destroy", cwd=ROOT, env=environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert all(each in line for each in (words, missing[0]))
