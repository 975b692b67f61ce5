"""Every statement of every role, key, topic and queue policy of the template."""

import json
import re

import pytest

from tests.infrastructure.allowed import ROLES, Allowed
from tests.infrastructure.conftest import ROOT
from tests.infrastructure.template_reading import by_path, listed, of_type, readable


def statements_of(resources, role):
    """Return the statements of a role's policies by `Sid`."""
    found = [
        statement
        for policy in of_type(resources, "AWS::IAM::Policy").values()
        if role in readable(policy["Roles"], resources)
        for statement in policy["PolicyDocument"]["Statement"]
    ]
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


def test_no_role_has_a_managed_or_embedded_policy(full):
    roles = of_type(full, "AWS::IAM::Role")
    assert [path for path, role in roles.items() if "Policies" in role] == []
    managed = [path for path, role in roles.items() if "ManagedPolicyArns" in role]
    assert managed == ["Api/Rest/CloudWatchRole"]


def test_only_the_services_that_run_functions_and_schedules_assume_roles(full):
    principals = {
        path: {
            str(readable(statement["Principal"]["Service"], full))
            for statement in role["AssumeRolePolicyDocument"]["Statement"]
        }
        for path, role in of_type(full, "AWS::IAM::Role").items()
    }
    services = {"Scheduler": "scheduler", "waiter": "states", "Rest": "apigateway"}
    for path in ROLES:
        service = next((services[each] for each in services if each in path), "lambda")
        assert principals[path] == {f"{service}.amazonaws.com"}, path


def test_a_deployment_for_some_families_may_not_read_the_others(chosen):
    assert statements_of(chosen, "Sync/FunctionRole")["ReadJobs"].actions == {
        f"comprehendmedical:{action}"
        for name in ("PHIDetection", "RxNormInference")
        for action in (f"List{name}Jobs", f"Describe{name}Job")
    }


def test_names_are_not_readable_for_change_events_unless_they_are_asked_for(resources):
    assert "ReadJobName" not in statements_of(resources, "Changes/FunctionRole")


def test_the_key_has_a_policy_of_these_statements(full):
    policy = by_path(full)["Key"]["Properties"]["KeyPolicy"]["Statement"]
    root = {"AWS": "arn:AWS::Partition:iam::AWS::AccountId:root"}
    via = [f"{name}.AWS::Region.amazonaws.com" for name in ("dynamodb", "logs", "sns", "sqs")]
    sync = ROLES["Sync/FunctionRole"]
    use = sync["ReadTables"].actions | sync["WriteTables"].actions
    found = {
        statement["Sid"]: (
            readable(statement["Principal"], full),
            readable(statement.get("Condition", {}), full),
        )
        for statement in policy
    }
    assert found == {
        "Administration": (root, {}),
        "UseThroughServices": (root, {"StringEquals": {"kms:ViaService": via}}),
        "LookupProperties": (
            root,
            {
                "ForAllValues:StringEquals": {
                    "kms:EncryptionContextKeys": ["StackId", "LogicalResourceId", "RequestId"]
                },
                "Null": {"kms:EncryptionContextKeys": "false"},
            },
        ),
        "GrantsForTables": (
            root,
            {
                "StringEquals": {"kms:ViaService": via[:1]},
                "Bool": {"kms:GrantIsForAWSResource": "true"},
            },
        ),
        "Logs": (
            {"Service": "logs.AWS::Region.amazonaws.com"},
            {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": "arn:AWS::Partition:logs:AWS::Region:"
                    "AWS::AccountId:log-group:AWS::StackName-*"
                }
            },
        ),
        "LogsOfCallers": (
            {"AWS": "*"},
            {"StringEquals": {"kms:CallerAccount": "AWS::AccountId", "kms:ViaService": via[1]}},
        ),
        "Events": ({"Service": "events.amazonaws.com"}, {}),
        "Alarms": (
            {"Service": "cloudwatch.amazonaws.com"},
            {"StringEquals": {"aws:SourceAccount": ["AWS::AccountId"]}},
        ),
    }
    actions = {statement["Sid"]: set(listed(statement["Action"])) for statement in policy}
    assert actions["UseThroughServices"] == actions["Logs"] == use
    sending = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert actions["Events"] == actions["Alarms"] == actions["LogsOfCallers"] == sending
    assert actions["LookupProperties"] == {"kms:Decrypt", "kms:Encrypt"}
    assert actions["GrantsForTables"] == {"kms:CreateGrant"}
    # Who administers the key cannot decrypt with it.
    assert not actions["Administration"] & (use - {"kms:DescribeKey"})
    assert "kms:PutKeyPolicy" in actions["Administration"], "the key must stay manageable"


def test_the_document_has_the_statement_for_another_key(full):
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    documented = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    written = json.dumps(
        readable(by_path(full)["Key"]["Properties"]["KeyPolicy"]["Statement"], full)
    )
    statements = json.loads(
        written.replace("AWS::AccountId", "111122223333").replace("AWS::Region", "us-east-1")
    )
    assert documented == [each for each in statements if each["Sid"] == "LogsOfCallers"]


@pytest.mark.parametrize(
    "topic, allowed",
    [
        ("Digest/Topic", [("AWS", "Digest/FunctionRole.Arn", {})]),
        (
            "Digest/ChatTopic",
            [("AWS", f"{each}/FunctionRole.Arn", {}) for each in ("Digest", "JobAlerts")],
        ),
        (
            "JobAlerts/Topic",
            [
                ("AWS", "JobAlerts/FunctionRole.Arn", {}),
                (
                    "Service",
                    "cloudwatch.amazonaws.com",
                    {"StringEquals": {"aws:SourceAccount": "AWS::AccountId"}},
                ),
            ],
        ),
    ],
)
def test_a_topic_takes_messages_from_these_principals_and_over_tls(full, topic, allowed):
    (policy,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in of_type(full, "AWS::SNS::TopicPolicy").values()
        if readable(policy["Topics"], full) == [topic]
    )
    found = [
        (kind, principal, readable(statement.get("Condition", {}), full))
        for statement in policy
        if statement["Effect"] == "Allow"
        for kind, principal in readable(statement["Principal"], full).items()
    ]
    assert found == allowed
    assert {action for s in policy for action in listed(s["Action"])} == {"sns:Publish"}
    denied = [s["Condition"] for s in policy if s["Effect"] == "Deny" and s["Principal"] == "*"]
    assert denied == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_queues_want_tls_and_only_eventbridge_may_send_by_policy(full):
    policies = of_type(full, "AWS::SQS::QueuePolicy")
    queues = {queue for policy in policies.values() for queue in readable(policy["Queues"], full)}
    assert queues == set(of_type(full, "AWS::SQS::Queue"))
    senders = {}
    for path, policy in policies.items():
        statements = policy["PolicyDocument"]["Statement"]
        denied = [s["Condition"] for s in statements if s["Effect"] == "Deny"]
        assert denied == [{"Bool": {"aws:SecureTransport": "false"}}]
        senders[path] = [
            (s["Principal"], readable(s["Condition"], full))
            for s in statements
            if s["Effect"] == "Allow"
        ]
    rule = {"ArnEquals": {"aws:SourceArn": "JobAlerts/Rule.Arn"}}
    assert senders == {
        "Changes/Undelivered/Policy": [],
        "Digest/Undelivered/Policy": [],
        "JobAlerts/Undelivered/Policy": [({"Service": "events.amazonaws.com"}, rule)],
        "JobAlerts/Waiting/Policy": [({"Service": "events.amazonaws.com"}, rule)],
    }
