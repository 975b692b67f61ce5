"""The template has the properties that promises rest on, with the defaults and with chosen settings.

The local AWS drops many properties silently, so that only the template shows them.
"""

import functools
import json

import pytest

from stacks.settings import setting_keys
from tests.infrastructure import chosen, promises
from tests.infrastructure.template_reading import by_path, of_type, readable


def rows(table):
    return [
        pytest.param(path, promise, id=f"{path}.{promise.property}")
        for path, listed in table.items()
        for promise in listed
    ]


def value_at(resource, property_path, resources):
    """Return the value at a dotted path; a number is an index of a list."""

    def step(value, name):
        return value[int(name)] if isinstance(value, list) else value[name]

    return functools.reduce(
        step, property_path.split("."), readable(resource["Properties"], resources)
    )


@pytest.fixture(scope="module")
def with_choices(synthesise):
    return synthesise(**chosen.CHOSEN).to_json()["Resources"]


@pytest.mark.parametrize("path, promise", rows(promises.PROMISES))
def test_the_template_keeps_its_promises(resources, path, promise):
    found = value_at(by_path(resources)[path], promise.property, resources)
    assert found == promise.value, promise.why


@pytest.mark.parametrize("path, promise", rows(chosen.PROMISES))
def test_the_settings_reach_the_resources(with_choices, path, promise):
    found = value_at(by_path(with_choices)[path], promise.property, with_choices)
    assert found == promise.value, f"setting {promise.why}"


def test_every_setting_is_chosen():
    # bundleFor depends on this machine: test_template.py.
    assert {*chosen.CHOSEN, "bundleFor"} == set(setting_keys())


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::DynamoDB::Table",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Logs::LogGroup",
        "AWS::Events::Rule",
        "AWS::Scheduler::Schedule",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::SSM::Parameter",
    ],
)
def test_no_resource_of_these_kinds_is_without_promises(resources, kind):
    assert set(of_type(resources, kind)) <= set(promises.PROMISES)


def test_every_function_of_ours_has_promises(resources):
    functions = {
        path for path in of_type(resources, "AWS::Lambda::Function") if "Provider/" not in path
    }
    assert functions <= set(promises.PROMISES)


@pytest.mark.row(23, count="every method of the template")
def test_every_method_wants_a_signature_and_reaches_the_function(resources):
    methods = of_type(resources, "AWS::ApiGateway::Method")
    assert len(methods) > 10
    for path, method in methods.items():
        assert method["AuthorizationType"] == "AWS_IAM", path
        assert method["Integration"]["Type"] == "AWS_PROXY", path


@pytest.mark.row(23, count="the API's resource policy")
def test_only_the_own_account_may_call_the_api(resources):
    policy = readable(by_path(resources)["Api/Rest"]["Properties"]["Policy"], resources)
    assert policy["Statement"] == [
        {
            "Sid": "Accounts",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:AWS::Partition:iam::AWS::AccountId:root"},
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/*",
        }
    ]


def test_the_access_log_has_no_query_and_no_path(resources):
    stage = by_path(resources)["Api/Rest/DeploymentStage.v1"]["Properties"]
    fields = json.loads(stage["AccessLogSetting"]["Format"])
    assert fields["route"] == "$context.resourcePath"
    text = str(fields).lower()
    assert not [
        word for word in ("querystring", "$context.path", "override", "input") if word in text
    ]


def test_callers_have_a_policy_to_read_and_one_to_publish(template, resources):
    policies = {
        path: readable(policy["PolicyDocument"]["Statement"], resources)
        for path, policy in of_type(resources, "AWS::IAM::ManagedPolicy").items()
    }
    stage = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:Api/Rest/Api/Rest/DeploymentStage.v1"
    expected = {
        "Api/Callers/JobLedgerReader": [f"{stage}/GET/*", f"{stage}/HEAD/*"],
        "Api/Callers/JobLedgerPublisher": f"{stage}/POST/digests",
    }
    assert {path: statement["Resource"] for path, (statement,) in policies.items()} == expected
    assert {statement["Action"] for (statement,) in policies.values()} == {"execute-api:Invoke"}
    outputs = readable(template.to_json()["Outputs"], resources)
    assert outputs["ReaderPolicyArn"]["Value"] == "Api/Callers/JobLedgerReader"
    assert outputs["PublisherPolicyArn"]["Value"] == "Api/Callers/JobLedgerPublisher"


def test_with_a_key_of_the_user_there_is_no_other(with_choices):
    assert of_type(with_choices, "AWS::KMS::Key") == {}


def test_alerts_are_off_when_no_status_is_chosen(synthesise):
    assert of_type(synthesise(alertOn="").to_json()["Resources"], "AWS::Events::Rule") == {}


def test_no_arn_names_a_partition(resources):
    assert "arn:aws" not in json.dumps(resources)


def test_the_schedule_that_keeps_the_api_warm_can_be_left_out(with_choices):
    assert "Api/KeepWarm" not in of_type(with_choices, "AWS::Scheduler::Schedule")
