"""What security and privacy rest on, in every resource of its kind, without settings and with every setting chosen.

Roles, the key's policy and those of topics and queues are in `test_roles.py`. A local AWS drops much of this silently.
"""

import json
import re

import pytest

from tests.infrastructure.chosen import CHOSEN
from tests.infrastructure.template_reading import by_path, of_type, path_of, readable

# The kinds of error that API Gateway answers itself, except the defaults, by status and the title that it needs:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
KINDS = {
    ("400", "ValidationException"): "BAD_REQUEST_BODY BAD_REQUEST_PARAMETERS",
    ("401", "AccessDeniedException"): "UNAUTHORIZED",
    ("403", "AccessDeniedException"): "ACCESS_DENIED EXPIRED_TOKEN INVALID_API_KEY WAF_FILTERED"
    " INVALID_SIGNATURE MISSING_AUTHENTICATION_TOKEN",
    ("404", "ResourceNotFoundException"): "RESOURCE_NOT_FOUND",
    ("413", "ValidationException"): "REQUEST_TOO_LARGE",
    ("415", "ValidationException"): "UNSUPPORTED_MEDIA_TYPE",
    ("429", "TooManyRequestsException"): "QUOTA_EXCEEDED THROTTLED",
    ("500", "InternalServerException"): "API_CONFIGURATION_ERROR AUTHORIZER_CONFIGURATION_ERROR"
    " AUTHORIZER_FAILURE",
    ("504", "InternalServerException"): "INTEGRATION_FAILURE INTEGRATION_TIMEOUT",
}  # fmt: skip


@pytest.fixture(scope="module", params=["default", "chosen"])
def stack(request, resources):
    """The resources, and the key."""
    if request.param == "default":
        return resources, "Key.Arn"
    return request.getfixturevalue("chosen"), CHOSEN["kmsKeyArn"]


def test_everything_that_keeps_data_is_encrypted_with_the_deployments_key(stack):
    resources, key = stack
    for path, table in of_type(resources, "AWS::DynamoDB::Table").items():
        encryption = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
        assert readable(table["SSESpecification"], resources) == encryption, path
    for kind in ("SNS::Topic", "SQS::Queue", "Logs::LogGroup"):
        name = "KmsKeyId" if kind == "Logs::LogGroup" else "KmsMasterKeyId"
        found = of_type(resources, f"AWS::{kind}").values()
        assert len(found) > 1
        assert {readable(each[name], resources) for each in found} == {key}
    own = of_type(resources, "AWS::KMS::Key").values()
    assert [each["EnableKeyRotation"] for each in own] == ([True] if key == "Key.Arn" else [])


def test_logs_expire_and_what_could_not_be_delivered_stays_for_two_weeks(stack):
    resources, _ = stack
    groups = of_type(resources, "AWS::Logs::LogGroup").values()
    days = {group["RetentionInDays"] for group in groups}
    assert days in ({90}, {int(CHOSEN["logRetentionDays"])})
    queues = of_type(resources, "AWS::SQS::Queue").values()
    assert {queue["MessageRetentionPeriod"] for queue in queues} == {14 * 86_400}


def test_the_ledger_and_its_key_are_retained_by_default(resources, synthesise):
    for found, policy in (
        (resources, "Retain"),
        (synthesise(retainLedger="false").to_json()["Resources"], "Delete"),
    ):
        kept = [by_path(found)[path] for path in ("Ledger", "Key")]
        assert kept[0]["Properties"]["DeletionProtectionEnabled"] == (policy == "Retain")
        policies = [
            each[name] for each in kept for name in ("DeletionPolicy", "UpdateReplacePolicy")
        ]
        assert policies == [policy] * 4


def test_every_table_can_be_restored_to_any_moment(stack):
    resources, _ = stack
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    recovery = by_path(resources)["Ledger"]["Properties"]["PointInTimeRecoverySpecification"]
    assert recovery["RecoveryPeriodInDays"] in (35, int(CHOSEN["backupDays"]))


# DEBUG would log events.
QUIET = {
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
    "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
    "POWERTOOLS_METRICS_NAMESPACE": "JobLedger",
}


def test_functions_log_and_trace_without_events_responses_and_texts_of_errors(stack):
    resources, _ = stack
    for path, function in of_type(resources, "AWS::Lambda::Function").items():
        logs = readable(function["LoggingConfig"], resources)
        if "/Provider/" in path:
            # CDK's framework would log whole requests. Log levels have an effect only on records in JSON.
            assert "TracingConfig" not in function
            level = {"ApplicationLogLevel": "FATAL", "LogFormat": "JSON", "LogGroup": "Lookup/Logs"}
            assert logs == level
        else:
            assert function["TracingConfig"]["Mode"] in ("Active", "PassThrough"), path
            assert QUIET.items() <= function["Environment"]["Variables"].items(), path
            assert logs.pop("SystemLogLevel", "WARN") == "WARN"
            assert logs == {"LogFormat": "JSON", "LogGroup": f"{path}Logs"}
    (machine,) = of_type(resources, "AWS::StepFunctions::StateMachine").values()
    assert "LoggingConfiguration" not in machine


def test_names_of_jobs_leave_the_ledger_only_if_the_setting_says_so(resources):
    functions = of_type(resources, "AWS::Lambda::Function").values()
    variables = [each.get("Environment", {}).get("Variables", {}) for each in functions]
    found = [each["INCLUDE_JOB_DETAILS"] for each in variables if "INCLUDE_JOB_DETAILS" in each]
    assert found == ["false", "false"]


def test_every_method_wants_a_signature_and_reaches_the_function(resources):
    methods = of_type(resources, "AWS::ApiGateway::Method")
    assert len(methods) > 10
    for path, method in methods.items():
        assert method["AuthorizationType"] == "AWS_IAM", path
        assert method["Integration"]["Type"] == "AWS_PROXY", path


def accounts(*ids):
    """The statement that lets accounts, and no others, call the API."""
    found = [f"arn:AWS::Partition:iam::{each}:root" for each in ("AWS::AccountId", *ids)]
    action = {"Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    principal = {"AWS": found if ids else found[0]}
    return {"Sid": "Accounts", "Effect": "Allow", "Principal": principal, **action}


def test_only_the_own_account_may_call_the_api(resources):
    policy = readable(by_path(resources)["Api/Rest"]["Properties"]["Policy"], resources)
    assert policy["Statement"] == [accounts()]


def test_chosen_accounts_call_a_private_api_through_chosen_endpoints_only(chosen):
    api = readable(by_path(chosen)["Api/Rest"]["Properties"], chosen)
    allowed, denied = api["Policy"]["Statement"]
    assert allowed == accounts(*CHOSEN["allowedAccounts"].split(","))
    assert (denied["Effect"], denied["Principal"]) == ("Deny", {"AWS": "*"})
    endpoints = {"aws:SourceVpce": [CHOSEN["vpcEndpointIds"]]}
    assert denied["Condition"] == {"StringNotEquals": endpoints}
    assert api["EndpointConfiguration"]["Types"] == ["PRIVATE"]


def test_the_api_takes_modern_tls_only_and_throttles_and_logs_no_bodies(stack):
    resources, _ = stack
    assert "TLS13_1_2_PFS" in by_path(resources)["Api/Rest"]["Properties"]["SecurityPolicy"]
    stage = by_path(resources)["Api/Rest/DeploymentStage.v1"]["Properties"]
    all_methods, digests = stage["MethodSettings"]
    for settings in (all_methods, digests):
        assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    assert (all_methods["HttpMethod"], all_methods["ResourcePath"]) == ("*", "/*")
    assert (digests["HttpMethod"], digests["ResourcePath"]) == ("POST", "/~1digests")
    assert digests["ThrottlingRateLimit"] < all_methods["ThrottlingRateLimit"]


def test_the_access_log_has_no_query_and_no_path(resources):
    stage = by_path(resources)["Api/Rest/DeploymentStage.v1"]["Properties"]
    text = stage["AccessLogSetting"]["Format"].lower()
    assert json.loads(text)["route"] == "$context.resourcepath"
    words = ("querystring", "$context.path", "override", "input")
    assert [word for word in words if word in text] == []


def test_no_error_of_the_gateway_has_a_title_of_another_status_or_quotes_the_request(resources):
    """Also the kinds that the stack does not name, which have the default's body and a status of their own."""
    found = of_type(resources, "AWS::ApiGateway::GatewayResponse").values()
    responses = {one["ResponseType"]: one for one in found}
    kinds = [(*status, kind) for status, named in KINDS.items() for kind in named.split()]
    assert len(kinds) == 19
    for status, title, kind in kinds:
        default = responses[f"DEFAULT_{status[0]}XX"]
        response = responses.get(kind, default)
        problem = json.loads(response["ResponseTemplates"]["application/json"])
        assert problem["title"] == title, kind
        assert response.get("StatusCode") in (status, None), kind
        # A default stands for answers of many statuses, so it names none.
        assert problem.pop("status", None) == (None if response is default else int(status))
        assert set(problem) == {"type", "title", "detail", "instance"}
        retry = "gatewayresponse.header.Retry-After" in response["ResponseParameters"]
        assert retry == (status in ("429", "504"))
    text = json.dumps(responses)
    assert text.count("$context.") == text.count("$context.requestId")


def test_callers_have_a_policy_to_read_and_one_to_publish(resources):
    policies = of_type(resources, "AWS::IAM::ManagedPolicy")
    stage = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:Api/Rest/Api/Rest/DeploymentStage.v1"
    calls = {"Sid": "InvokeApi", "Action": "execute-api:Invoke", "Effect": "Allow"}
    expected = {
        "Reader": [f"{stage}/GET/*", f"{stage}/HEAD/*"],
        "Publisher": f"{stage}/POST/digests",
    }
    assert {
        p: readable(each["PolicyDocument"]["Statement"], resources) for p, each in policies.items()
    } == {
        f"Api/Callers/JobLedger{name}": [calls | {"Resource": arns}]
        for name, arns in expected.items()
    }


def test_nothing_has_a_physical_name_and_the_template_names_no_account_region_or_partition(
    template, resources
):
    names = {
        "FunctionName", "TableName", "TopicName", "RoleName", "QueueName", "LogGroupName", "AliasName",
    }  # fmt: skip
    # These name another resource.
    referring = ("Permission", "EventInvokeConfig", "EventSourceMapping", "FirstSync")
    for resource in resources.values():
        if not resource["Type"].endswith(referring):
            assert not names & resource["Properties"].keys(), path_of(resource)
    text = json.dumps(template.to_json())
    assert not re.search(r"\b\d{12}\b|us-east-1|arn:aws", text)
