"""API Gateway: all routes reach the function, and what it answers by itself has the form of the rest."""

import json

import pytest

from jobledger.api.routes import ROUTES

# The kinds of error that API Gateway answers itself, except the defaults, and the status of each.
STATUSES = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}


@pytest.fixture(scope="module")
def gateway_responses(template):
    found = template.find_resources("AWS::ApiGateway::GatewayResponse").values()
    return {one["Properties"]["ResponseType"]: one["Properties"] for one in found}


@pytest.fixture(scope="module")
def paths(template):
    """Resource paths with a method, each with its methods."""
    resources = template.find_resources("AWS::ApiGateway::Resource")

    def path_of(reference) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        own = resources[reference["Ref"]]["Properties"]
        return f"{path_of(own['ParentId'])}/{own['PathPart']}"

    methods = template.find_resources("AWS::ApiGateway::Method").values()
    return sorted(
        (path_of(method["Properties"]["ResourceId"]) or "/", method["Properties"]["HttpMethod"])
        for method in methods
    )


def test_every_route_has_a_resource_of_its_own_and_the_rest_has_one(paths):
    own = ("/digests", "POST")  # the stage throttles it by its name
    assert paths == sorted([*((path, "ANY") for path in [*ROUTES, "/", "/{proxy+}"]), own])


def test_bytes_are_passed_on(template):
    (rest,) = template.find_resources("AWS::ApiGateway::RestApi").values()
    assert rest["Properties"]["BinaryMediaTypes"] == ["*/*"]


@pytest.mark.parametrize(
    "kind, status, title",
    [
        ("DEFAULT_4XX", None, "AccessDeniedException"),
        ("DEFAULT_5XX", None, "InternalServerException"),
        ("ACCESS_DENIED", "403", "AccessDeniedException"),
        ("MISSING_AUTHENTICATION_TOKEN", "403", "AccessDeniedException"),
        ("INVALID_SIGNATURE", "403", "AccessDeniedException"),
        ("EXPIRED_TOKEN", "403", "AccessDeniedException"),
        ("WAF_FILTERED", "403", "AccessDeniedException"),
        ("BAD_REQUEST_PARAMETERS", "400", "ValidationException"),
        ("BAD_REQUEST_BODY", "400", "ValidationException"),
        ("RESOURCE_NOT_FOUND", "404", "ResourceNotFoundException"),
        ("REQUEST_TOO_LARGE", "413", "ValidationException"),
        ("UNSUPPORTED_MEDIA_TYPE", "415", "ValidationException"),
        ("THROTTLED", "429", "TooManyRequestsException"),
        ("QUOTA_EXCEEDED", "429", "TooManyRequestsException"),
        ("INTEGRATION_FAILURE", "504", "InternalServerException"),
        ("INTEGRATION_TIMEOUT", "504", "InternalServerException"),
    ],
)
def test_the_gateways_own_answers_are_problems(gateway_responses, kind, status, title):
    response = gateway_responses[kind]
    assert response.get("StatusCode") == status
    problem = json.loads(response["ResponseTemplates"]["application/json"])
    assert problem["title"] == title
    # A default stands for answers of many statuses, so it names none.
    assert problem.pop("status", None) == (status and int(status))
    assert set(problem) == {"type", "title", "detail", "instance"}
    headers = response["ResponseParameters"]
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
    assert headers["gatewayresponse.header.X-Request-Id"] == "context.requestId"
    assert ("gatewayresponse.header.Retry-After" in headers) == (status in ("429", "504"))


@pytest.mark.row(23, count="19 kinds of error")
def test_no_error_of_the_gateway_has_a_title_of_another_status(gateway_responses):
    """Also the kinds that the stack does not name, which have the default's body and a status of their own.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    titles_by_status = {
        "400": "ValidationException",
        "401": "AccessDeniedException",
        "403": "AccessDeniedException",
        "404": "ResourceNotFoundException",
        "413": "ValidationException",
        "415": "ValidationException",
        "429": "TooManyRequestsException",
        "500": "InternalServerException",
        "504": "InternalServerException",
    }
    for kind, status in STATUSES.items():
        default = gateway_responses[f"DEFAULT_{status[0]}XX"]
        response = gateway_responses.get(kind, default)
        problem = json.loads(response["ResponseTemplates"]["application/json"])
        assert problem["title"] == titles_by_status[status], kind
        assert response.get("StatusCode") in (status, None), kind


def test_no_answer_of_the_gateway_quotes_the_request(gateway_responses):
    text = json.dumps(gateway_responses)
    assert text.count("$context.") == text.count("$context.requestId")


@pytest.mark.parametrize("setting", ["true", "false"])
def test_the_account_has_another_role_for_logs_only_if_the_setting_says_so(synthesise, setting):
    template = synthesise(apiGatewayAccount=setting)
    there = len(template.find_resources("AWS::ApiGateway::Account"))
    roles = [name for name in template.find_resources("AWS::IAM::Role") if "CloudWatchRole" in name]
    assert there == len(roles) == (setting == "true")
    (stage,) = template.find_resources("AWS::ApiGateway::Stage").values()
    assert stage["Properties"]["AccessLogSetting"]["DestinationArn"]


def schedules_of_the_api(template):
    found = template.find_resources("AWS::Scheduler::Schedule").values()
    targets = [one["Properties"] for one in found]
    return [one for one in targets if one["Target"]["Arn"]["Fn::GetAtt"][0].startswith("ApiFunct")]


@pytest.mark.parametrize("minutes, rate", [("1", "rate(1 minute)"), ("7", "rate(7 minutes)")])
def test_the_function_is_kept_warm_at_the_pace_of_the_syncs(synthesise, minutes, rate):
    (schedule,) = schedules_of_the_api(synthesise(syncMinutes=minutes))
    assert schedule["ScheduleExpression"] == rate
    assert json.loads(schedule["Target"]["Input"]) == {"WarmUp": True}
    # A warm-up that comes late or again is of no use.
    policy = schedule["Target"]["RetryPolicy"]
    assert policy == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


def test_the_function_is_not_kept_warm_when_the_setting_says_so(synthesise):
    assert schedules_of_the_api(synthesise(keepWarm="false")) == []
