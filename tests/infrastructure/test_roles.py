"""Every statement of every role, key, topic and queue policy of the template."""

import json
import re
from typing import Any

import pytest

from testing.processes import ROOT
from tests.infrastructure.allowed import QUERY, ROLES, Allowed
from tests.infrastructure.template_reading import by_path, listed, of_type, readable


def statements_of(resources, role):
    """Return the statements of a role's policies by `Sid`."""
    policies = of_type(resources, "AWS::IAM::Policy").values()
    own = [policy for policy in policies if role in readable(policy["Roles"], resources)]
    found = [statement for policy in own for statement in policy["PolicyDocument"]["Statement"]]
    assert len({statement.get("Sid", "") for statement in found}) == len(found)
    return {
        statement.get("Sid", ""): Allowed(
            set(listed(statement["Action"])),
            set(listed(readable(statement["Resource"], resources))),
            readable(statement.get("Condition", {}), resources),
        )
        for statement in found
        if statement["Effect"] == "Allow"
    }


def test_there_are_no_other_roles(full):
    assert sorted(of_type(full, "AWS::IAM::Role")) == sorted(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_is_listed_and_nothing_else(full, role):
    assert statements_of(full, role) == ROLES[role]


def test_without_settings_roles_lack_what_only_these_need(resources):
    """The index and the members of sources, the names for events, the chat topic, and whatever outputs are read with."""
    found = of_type(resources, "AWS::IAM::Role")
    assert ROLES.keys() - found == {"Outputs/FunctionRole", "SchedulerRoleForOutputs"}
    for_settings = {"AssumeMembers", "ReadJobName", "PublishToChat", "PublishAlertsToChat"}
    for role in found:
        # What alerts say of outputs is in the ledger.
        own = for_settings | (QUERY.keys() if role == "JobAlerts/FunctionRole" else set())
        assert statements_of(resources, role) == {
            sid: each._replace(resources=each.resources - {"Ledger.Arn/index/BySource"})
            for sid, each in ROLES[role].items()
            if sid not in own
        }


def test_no_role_has_a_managed_or_embedded_policy(full):
    roles = of_type(full, "AWS::IAM::Role")
    assert [path for path, role in roles.items() if "Policies" in role] == []
    managed = [path for path, role in roles.items() if "ManagedPolicyArns" in role]
    assert managed == ["Api/Rest/CloudWatchRole"]


def test_only_the_services_that_run_functions_and_schedules_assume_roles(full):
    services = {"Scheduler": "scheduler", "waiter": "states", "Rest": "apigateway"}
    for path, role in of_type(full, "AWS::IAM::Role").items():
        trusted = readable(role["AssumeRolePolicyDocument"]["Statement"], full)
        service = next((services[each] for each in services if each in path), "lambda")
        assert {each["Principal"]["Service"] for each in trusted} == {f"{service}.amazonaws.com"}


def test_a_deployment_for_some_families_may_not_read_the_others(chosen):
    assert statements_of(chosen, "Sync/FunctionRole")["ReadJobs"].actions == {
        f"comprehendmedical:{action}"
        for name in ("PHIDetection", "RxNormInference")
        for action in (f"List{name}Jobs", f"Describe{name}Job")
    }


@pytest.fixture(scope="module")
def key_policy(full):
    """The statements of the key's policy by `Sid`."""
    statements = readable(by_path(full)["Key"]["Properties"]["KeyPolicy"]["Statement"], full)
    return {statement["Sid"]: statement for statement in statements}


def test_the_key_has_a_policy_of_these_statements(key_policy):
    root = {"AWS": "arn:AWS::Partition:iam::AWS::AccountId:root"}
    dynamodb, logs, sns, sqs = (
        f"{n}.AWS::Region.amazonaws.com" for n in ("dynamodb", "logs", "sns", "sqs")
    )
    of_look_ups = {
        "ForAllValues:StringEquals": {
            "kms:EncryptionContextKeys": ["StackId", "LogicalResourceId", "RequestId"]
        },
        "Null": {"kms:EncryptionContextKeys": "false"},
    }
    of_tables = {
        "StringEquals": {"kms:ViaService": [dynamodb]},
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    }
    groups = "arn:AWS::Partition:logs:AWS::Region:AWS::AccountId:log-group:AWS::StackName-*"
    of_logs = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}
    of_callers = {"kms:CallerAccount": "AWS::AccountId", "kms:ViaService": logs}
    of_account = {"StringEquals": {"aws:SourceAccount": ["AWS::AccountId"]}}
    via = {"StringEquals": {"kms:ViaService": [dynamodb, logs, sns, sqs]}}
    found = {sid: (s["Principal"], s.get("Condition", {})) for sid, s in key_policy.items()}
    assert found == {
        "Administration": (root, {}),
        "UseThroughServices": (root, via),
        "LookupProperties": (root, of_look_ups),
        "GrantsForTables": (root, of_tables),
        "Logs": ({"Service": logs}, of_logs),
        "LogsOfCallers": ({"AWS": "*"}, {"StringEquals": of_callers}),
        "Events": ({"Service": "events.amazonaws.com"}, {}),
        "Alarms": ({"Service": "cloudwatch.amazonaws.com"}, of_account),
    }
    actions = {sid: set(listed(statement["Action"])) for sid, statement in key_policy.items()}
    sync = ROLES["Sync/FunctionRole"]
    use = sync["ReadTables"].actions | sync["WriteTables"].actions
    assert actions["UseThroughServices"] == actions["Logs"] == use
    sending = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert actions["Events"] == actions["Alarms"] == actions["LogsOfCallers"] == sending
    assert actions["LookupProperties"] == {"kms:Decrypt", "kms:Encrypt"}
    assert actions["GrantsForTables"] == {"kms:CreateGrant"}
    # Who administers the key cannot decrypt with it.
    assert not actions["Administration"] & (use - {"kms:DescribeKey"})
    assert "kms:PutKeyPolicy" in actions["Administration"], "the key must stay manageable"


def test_the_document_has_the_statement_for_another_key(key_policy):
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    documented = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    written = json.dumps(key_policy["LogsOfCallers"]).replace("AWS::AccountId", "111122223333")
    assert documented == [json.loads(written.replace("AWS::Region", "us-east-1"))]


OVER_TLS = [{"Bool": {"aws:SecureTransport": "false"}}]


def test_topics_and_queues_want_tls_and_take_messages_from_these_principals_only(full):
    no_condition: dict[str, Any] = {}
    digests, alerts = (
        ("AWS", f"{name}/FunctionRole.Arn", no_condition) for name in ("Digest", "JobAlerts")
    )
    of_account = {"StringEquals": {"aws:SourceAccount": "AWS::AccountId"}}
    rule = {"ArnEquals": {"aws:SourceArn": "JobAlerts/Rule.Arn"}}
    by_rule = [("Service", "events.amazonaws.com", rule)]
    expected = {
        "Digest/Topic": [digests],
        "Digest/ChatTopic": [digests, alerts],
        "JobAlerts/Topic": [
            alerts,
            ("Service", "cloudwatch.amazonaws.com", of_account),
        ],
        # Functions send dead letters by their roles.
        "Changes/Undelivered": [],
        "Digest/Undelivered": [],
        "JobAlerts/Undelivered": by_rule,
        "JobAlerts/Waiting": by_rule,
    }
    assert expected.keys() == {*of_type(full, "AWS::SNS::Topic"), *of_type(full, "AWS::SQS::Queue")}
    found = {}
    for kind, member in (("SNS::TopicPolicy", "Topics"), ("SQS::QueuePolicy", "Queues")):
        for policy in readable([*of_type(full, f"AWS::{kind}").values()], full):
            (target,) = policy[member]
            statements = policy["PolicyDocument"]["Statement"]
            denied = [s for s in statements if s["Effect"] == "Deny"]
            assert [
                s["Condition"] for s in denied if s["Principal"] in ("*", {"AWS": "*"})
            ] == OVER_TLS
            allowed = [s for s in statements if s["Effect"] == "Allow"]
            if member == "Topics":
                assert {a for s in statements for a in listed(s["Action"])} == {"sns:Publish"}
            found[target] = [
                (name, principal, s.get("Condition", {}))
                for s in allowed
                for name, principal in s["Principal"].items()
            ]
    assert found == expected
