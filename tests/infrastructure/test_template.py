"""What the stack promises, read from its template: a local AWS drops much of it without a word."""

import json
import re
import sys
from pathlib import Path

import pytest
from cfnlint import api as cfnlint  # type: ignore[import-untyped]  # it ships no types
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]  # it ships no types

ROOT = Path(__file__).resolve().parents[2]
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACES = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
READS = {
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "kms:Decrypt",
    "kms:DescribeKey",
}
ENCRYPTS = {"kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"}
FAMILIES = (
    "SNOMEDCTInference",
    "ICD10CMInference",
    "RxNormInference",
    "EntitiesDetectionV2",
    "PHIDetection",
)
UPSTREAM = {f"comprehendmedical:List{name}Jobs" for name in FAMILIES} | {
    f"comprehendmedical:Describe{name}Job" for name in FAMILIES
}

# Function, by the path of its role: everything that the role may do.
ALLOWED = {
    "Api/FunctionRole": LOGS | TRACES | READS | ENCRYPTS | {"lambda:InvokeFunction"}
    | {"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    "Widget/FunctionRole": LOGS | TRACES | READS,
    "Sync/FunctionRole": LOGS | TRACES | READS | ENCRYPTS | UPSTREAM
    | {"dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    "Sync/FirstSync/FunctionRole": LOGS | TRACES | {"lambda:InvokeFunction"},
    "Digest/FunctionRole": LOGS | TRACES | READS | ENCRYPTS
    | {"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
    | {"sns:Publish", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"},
    "Changes/FunctionRole": LOGS | TRACES
    | {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
    | {"events:PutEvents", "kms:Decrypt", "kms:DescribeKey", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"},
}  # fmt: skip
# Actions that AWS lets nobody restrict to a resource.
WITHOUT_RESOURCES = TRACES | UPSTREAM | {"dynamodb:ListStreams"}


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def properties(resources, kind):
    return [resource["Properties"] for resource in of_type(resources, kind).values()]


def path(resource):
    return resource["Metadata"]["aws:cdk:path"].removeprefix("JobLedger/").removesuffix("/Resource")


def only(found):
    (one,) = found
    return one


def statements(resources, role_path):
    role = only(n for n, r in of_type(resources, "AWS::IAM::Role").items() if path(r) == role_path)
    return [
        statement
        for policy in properties(resources, "AWS::IAM::Policy")
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(statement):
    return (
        {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    )


@pytest.mark.parametrize("role_path", ALLOWED)
def test_a_role_may_do_exactly_what_it_needs(resources, role_path):
    found = set().union(*map(actions, statements(resources, role_path)))
    assert ALLOWED[role_path] == found


@pytest.mark.parametrize("role_path", ALLOWED)
def test_only_actions_that_know_no_resources_are_allowed_on_all_of_them(resources, role_path):
    everywhere = [actions(s) for s in statements(resources, role_path) if s["Resource"] == "*"]
    assert set().union(*everywhere) <= WITHOUT_RESOURCES


def test_functions_have_no_other_roles_and_no_managed_policies(resources):
    roles = [
        path(r) for r in of_type(resources, "AWS::IAM::Role").values() if "Function" in path(r)
    ]
    assert sorted(ALLOWED) == sorted(roles)
    managed = [
        path(r)
        for r in of_type(resources, "AWS::IAM::Role").values()
        if "ManagedPolicyArns" in r["Properties"]
    ]
    assert managed == ["Api/Rest/CloudWatchRole"]


def test_a_deployment_for_one_family_may_not_list_the_others(synthesise):
    resources = synthesise(families="PHI").to_json()["Resources"]
    found = set().union(*map(actions, statements(resources, "Sync/FunctionRole")))
    assert {
        "comprehendmedical:ListPHIDetectionJobs",
        "comprehendmedical:DescribePHIDetectionJob",
    } == {action for action in found if action.startswith("comprehendmedical:")}


def test_tables_topic_and_logs_are_under_one_rotated_key(resources):
    key = only(of_type(resources, "AWS::KMS::Key"))
    arn = {"Fn::GetAtt": [key, "Arn"]}
    assert resources[key]["Properties"]["EnableKeyRotation"] is True
    for table in properties(resources, "AWS::DynamoDB::Table"):
        expected = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn}
        assert expected == table["SSESpecification"]
    for topic in properties(resources, "AWS::SNS::Topic"):
        assert topic["KmsMasterKeyId"] == arn
    for group in properties(resources, "AWS::Logs::LogGroup"):
        assert (group["KmsKeyId"], group["RetentionInDays"]) == (arn, 90)


def test_tables_can_be_restored_to_any_point_in_time(resources):
    tables = properties(resources, "AWS::DynamoDB::Table")
    assert [t["PointInTimeRecoverySpecification"] for t in tables] == [
        {"PointInTimeRecoveryEnabled": True}
    ] * 2


@pytest.mark.parametrize("retain, policy", [("true", "Retain"), ("false", "Delete")])
def test_the_ledger_and_its_key_stay_unless_told_otherwise(synthesise, retain, policy):
    resources = synthesise(retainLedger=retain).to_json()["Resources"]
    (ledger,) = (
        r for r in of_type(resources, "AWS::DynamoDB::Table").values() if path(r) == "Ledger"
    )
    (key,) = of_type(resources, "AWS::KMS::Key").values()
    assert (retain == "true") == ledger["Properties"]["DeletionProtectionEnabled"]
    assert [policy] * 4 == [
        r[p] for r in (ledger, key) for p in ("DeletionPolicy", "UpdateReplacePolicy")
    ]


def test_the_ledger_has_the_indexes_that_pages_are_queried_from(resources):
    (ledger,) = (
        r["Properties"]
        for r in of_type(resources, "AWS::DynamoDB::Table").values()
        if path(r) == "Ledger"
    )
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in ledger["GlobalSecondaryIndexes"]
    }
    expected = {
        "ByStatus": ["StatusKey", "SK"],
        "ByName": ["NameKey", "SK"],
        "ByNameAndStatus": ["NameStatusKey", "SK"],
        "ById": ["IdKey"],
    }
    assert expected == indexes
    assert {"ALL"} == {
        index["Projection"]["ProjectionType"] for index in ledger["GlobalSecondaryIndexes"]
    }
    assert [key["AttributeName"] for key in ledger["KeySchema"]] == ["PK", "SK"]
    assert ledger["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert ledger["BillingMode"] == "PAY_PER_REQUEST"


def test_every_method_wants_a_signed_call(resources):
    methods = properties(resources, "AWS::ApiGateway::Method")
    assert methods
    assert {"AWS_IAM"} == {method["AuthorizationType"] for method in methods}
    assert {"AWS_PROXY"} == {method["Integration"]["Type"] for method in methods}


def test_the_stage_is_traced_throttled_and_logs_no_query(resources):
    (stage,) = properties(resources, "AWS::ApiGateway::Stage")
    assert (stage["StageName"], stage["TracingEnabled"]) == ("v1", True)
    (settings,) = stage["MethodSettings"]
    assert {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}.items() <= settings.items()
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    fields = json.loads(stage["AccessLogSetting"]["Format"])
    assert fields["route"] == "$context.resourcePath"
    assert not re.search(
        r"querystring|\$context\.path|requestOverride|input", str(fields), re.IGNORECASE
    )


def test_every_function_is_traced_and_has_its_own_log(resources):
    # Those of the look-up must write neither traces nor logs: test_lookup.py.
    functions = [
        function["Properties"]
        for function in of_type(resources, "AWS::Lambda::Function").values()
        if not path(function).startswith("Lookup/")
    ]
    assert {"Active"} == {function["TracingConfig"]["Mode"] for function in functions}
    logs = {json.dumps(function["LoggingConfig"]["LogGroup"]) for function in functions}
    assert len(logs) == len(functions)
    captures = ("POWERTOOLS_TRACER_CAPTURE_RESPONSE", "POWERTOOLS_TRACER_CAPTURE_ERROR")
    for function in functions:
        variables = function["Environment"]["Variables"]
        assert [variables[name] for name in captures] == ["false", "false"]
        assert (
            variables["POWERTOOLS_SERVICE_NAME"],
            variables["POWERTOOLS_METRICS_NAMESPACE"],
        ) == ("job-ledger", "JobLedger")


@pytest.mark.parametrize(
    "entry, names",
    [
        (
            "api",
            {
                "SYNC_MINUTES",
                "SYNC_FUNCTION_NAME",
                "DIGEST_FUNCTION_NAME",
                "IDEMPOTENCY_TABLE_NAME",
            },
        ),
        ("sync", set()),
        ("widget", set()),
        (
            "digest",
            {
                "IDEMPOTENCY_TABLE_NAME",
                "DIGEST_TOPIC_ARN",
                "DIGEST_TIMEZONE",
                "DIGEST_SCHEDULE",
                "DIGEST_WHEN",
                "API_URL",
                "INCLUDE_JOB_DETAILS",
                "SYNC_MINUTES",
            },
        ),
    ],
)
def test_a_function_is_told_what_it_needs(resources, entry, names):
    (function,) = (
        f
        for f in properties(resources, "AWS::Lambda::Function")
        if f["Handler"] == f"jobledger.handlers.{entry}.handler"
    )
    variables = function["Environment"]["Variables"]
    told = {name for name in variables if not name.startswith("POWERTOOLS_")}
    assert names | {"LEDGER_TABLE_NAME", "LEDGER_SCOPE", "FAMILIES"} == told
    scope = {"Fn::Join": ["", [{"Ref": "AWS::AccountId"}, "/", {"Ref": "AWS::Region"}]]}
    assert scope == variables["LEDGER_SCOPE"]
    assert variables["FAMILIES"] == "SNOMEDCT,ICD10CM,RXNORM,ENTITIES_V2,PHI"
    assert (function["Architectures"], function["Runtime"]) == (["arm64"], "python3.13")


def test_only_the_digest_may_publish_and_only_over_tls(resources):
    (policy,) = (
        r["Properties"]
        for r in of_type(resources, "AWS::SNS::TopicPolicy").values()
        if path(r) == "Digest/Topic/Policy"
    )
    found = policy["PolicyDocument"]["Statement"]
    role = only(
        n
        for n, r in of_type(resources, "AWS::IAM::Role").items()
        if path(r) == "Digest/FunctionRole"
    )
    arn = {"Fn::GetAtt": [role, "Arn"]}
    assert [{"AWS": arn}] == [s["Principal"] for s in found if s["Effect"] == "Allow"]
    denials = [s["Condition"] for s in found if s["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denials


def test_queues_are_encrypted_and_want_tls(resources):
    queues = properties(resources, "AWS::SQS::Queue")
    policies = properties(resources, "AWS::SQS::QueuePolicy")
    assert queues
    assert {queue["SqsManagedSseEnabled"] for queue in queues} == {True}
    assert len(policies) == len(queues)
    for policy in policies:
        assert {
            "Bool": {"aws:SecureTransport": "false"},
        } in [
            s["Condition"] for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"
        ]


@pytest.mark.parametrize(
    "context, expected",
    [
        ({}, {("rate(1 minute)", "Etc/UTC"), ("cron(0 8 * * ? *)", "UTC")}),
        (
            {
                "syncMinutes": "5",
                "digestSchedule": "rate(12 hours)",
                "digestTimezone": "Asia/Tokyo",
            },
            {("rate(5 minutes)", "Etc/UTC"), ("rate(12 hours)", "Asia/Tokyo")},
        ),
    ],
)
def test_schedules_run_when_the_settings_say(synthesise, context, expected):
    schedules = properties(synthesise(**context).to_json()["Resources"], "AWS::Scheduler::Schedule")
    assert expected == {
        (s["ScheduleExpression"], s["ScheduleExpressionTimezone"]) for s in schedules
    }
    assert {"OFF"} == {s["FlexibleTimeWindow"]["Mode"] for s in schedules}


def test_the_digest_is_told_its_time_and_the_sync_nothing(resources):
    inputs = {
        path(r): json.loads(r["Properties"]["Target"]["Input"])
        for r in of_type(resources, "AWS::Scheduler::Schedule").values()
    }
    digest = {
        "ScheduledTime": "<aws.scheduler.scheduled-time>",
        "ScheduleArn": "<aws.scheduler.schedule-arn>",
    }
    assert {"Sync/Schedule": {}, "Digest/Schedule": digest} == inputs


def test_addresses_are_subscribed(synthesise):
    resources = synthesise(digestEmails="a@example.org,b@example.org").to_json()["Resources"]
    subscriptions = properties(resources, "AWS::SNS::Subscription")
    assert [(s["Protocol"], s["Endpoint"]) for s in subscriptions] == [
        ("email", "a@example.org"),
        ("email", "b@example.org"),
    ]


def test_code_and_families_make_the_first_sync_run_again(synthesise):
    def reason(*args, **context):
        resources = synthesise(*args, **context).to_json()["Resources"]
        (run,) = properties(resources, "Custom::JobLedgerFirstSync")
        return run["Reason"]

    same, again, code, families = (
        reason(),
        reason(digestTimezone="Asia/Tokyo"),
        reason("1" * 64),
        reason(families="PHI"),
    )
    assert same == again
    assert len({same, code, families}) == 3


def test_the_schedule_waits_for_the_first_sync(resources):
    (schedule,) = (
        r
        for r in of_type(resources, "AWS::Scheduler::Schedule").values()
        if path(r) == "Sync/Schedule"
    )
    assert only(of_type(resources, "Custom::JobLedgerFirstSync")) in schedule["DependsOn"]


def test_who_waits_for_a_sync_has_more_time_than_it(resources):
    timeouts = {f["Handler"]: f["Timeout"] for f in properties(resources, "AWS::Lambda::Function")}
    (run,) = properties(resources, "Custom::JobLedgerFirstSync")
    assert (
        timeouts["jobledger.handlers.sync.handler"]
        < timeouts["index.handler"]
        < int(run["ServiceTimeout"])
    )


def test_outputs_are_those_that_are_documented(template):
    expected = {
        "ApiUrl", "DigestTopicArn", "LedgerTableName",
        "ApiFunctionName", "SyncFunctionName", "DigestFunctionName", "WidgetFunctionName",
    }  # fmt: skip
    outputs = template.to_json()["Outputs"]
    assert expected <= set(outputs)
    parts = outputs["ApiUrl"]["Value"]["Fn::Join"][1]
    assert parts[0] == "https://"
    (stage,) = (name for name in template.find_resources("AWS::ApiGateway::Stage"))
    assert ["/", {"Ref": stage}] == parts[-2:]


def test_nothing_has_a_physical_name(resources):
    names = (
        "FunctionName",
        "TableName",
        "TopicName",
        "RoleName",
        "QueueName",
        "LogGroupName",
        "AliasName",
    )
    for resource in resources.values():
        if resource["Type"].startswith("AWS::") and resource["Type"] not in (
            "AWS::Lambda::Permission",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::Lambda::EventSourceMapping",
        ):
            for name in names:
                assert name not in resource["Properties"]


def test_the_template_names_no_account_and_no_region(template):
    text = json.dumps(template.to_json())
    assert not re.search(r"\b\d{12}\b|us-east-1", text)


def test_a_second_synth_gives_the_same_template(synthesise, template):
    assert template.to_json() == synthesise().to_json()


@pytest.mark.parametrize(
    "context", [{}, {"digestEmails": "a@example.org", "families": "PHI", "retainLedger": "false"}]
)
def test_cfn_lint_has_nothing_to_say(synthesise, context):
    text = json.dumps(synthesise(**context).to_json())
    assert cfnlint.lint(text, config=ManualArgs(regions=["us-east-1"])) == []


def test_host_bundles_get_the_runtime_of_this_interpreter(synthesise):
    resources = synthesise(bundleFor="host").to_json()["Resources"]
    expected = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert {expected} == {
        f["Runtime"]
        for f in properties(resources, "AWS::Lambda::Function")
        if f["Handler"].startswith("jobledger.")
    }


def test_inline_code_stays_below_what_a_template_may_hold(resources):
    functions = properties(resources, "AWS::Lambda::Function")
    inline = [f["Code"]["ZipFile"] for f in functions if "ZipFile" in f["Code"]]
    assert [len(text) <= 4096 for text in inline] == [True]
    assert inline == [(ROOT / "stacks/first_sync_handler.py").read_text(encoding="utf-8")]
