"""What the settings of digests make of the stack."""

import json
from typing import Any

import pytest

from stacks.settings import Settings, SettingsError


def of_type(template: Any, kind: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = template.find_resources(kind)
    return found


def digest_function(template: Any) -> dict[str, Any]:
    """The properties of the digest function."""
    (found,) = (
        function["Properties"]
        for function in of_type(template, "AWS::Lambda::Function").values()
        if function["Properties"]["Handler"] == "jobledger.handlers.digest.handler"
    )
    return dict(found)


def variables(template: Any) -> dict[str, Any]:
    return dict(digest_function(template)["Environment"]["Variables"])


@pytest.mark.parametrize("when", ["always", "changes", "attention"])
def test_digest_when_takes_what_the_function_takes(when):
    assert Settings.from_context({"digestWhen": when}).digest_when == when


@pytest.mark.parametrize("key,value", [("digestWhen", "never"), ("chatDigests", "yes")])
def test_other_values_are_refused(key, value):
    with pytest.raises(SettingsError, match=key):
        Settings.from_context({key: value})


def test_without_a_chat_there_is_no_topic_for_it(template):
    assert "CHAT_TOPIC_ARN" not in variables(template)
    assert "ChatTopicArn" not in template.find_outputs("*")


def test_a_chat_has_an_encrypted_topic_to_which_digests_and_alerts_alone_publish(synthesise):
    template = synthesise(chatDigests="true", digestWhen="attention")
    environment = variables(template)
    assert environment["DIGEST_WHEN"] == "attention"
    chat = environment["CHAT_TOPIC_ARN"]["Ref"]
    assert of_type(template, "AWS::SNS::Topic")[chat]["Properties"]["KmsMasterKeyId"]
    role = digest_function(template)["Role"]
    (policy,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in of_type(template, "AWS::SNS::TopicPolicy").values()
        if policy["Properties"]["Topics"] == [{"Ref": chat}]
    )
    allowed = [statement for statement in policy if statement["Effect"] == "Allow"]
    # The other is that of alerts.
    assert [statement["Action"] for statement in allowed] == ["sns:Publish"] * 2
    assert allowed[0]["Principal"] == {"AWS": role}
    denied = [statement for statement in policy if statement["Effect"] == "Deny"]
    assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_failures_to_publish_are_alarmed(template, synthesise):
    def alarmed(template: Any) -> set[str]:
        alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
        names = {alarm["Properties"].get("MetricName") for alarm in alarms}
        return names & {
            "DigestFailures",
            "ChatFailures",
            "ApproximateNumberOfMessagesVisible",
        }

    expected = {"DigestFailures", "ApproximateNumberOfMessagesVisible"}
    assert alarmed(template) == expected
    assert alarmed(synthesise(chatDigests="true")) == expected | {"ChatFailures"}


def test_the_alerts_topic_accepts_alarms(template):
    policies = json.dumps(of_type(template, "AWS::SNS::TopicPolicy"))
    keys = json.dumps(of_type(template, "AWS::KMS::Key"))
    # The topic has a policy of its own and is encrypted: without these the alarm would be silent.
    assert "cloudwatch.amazonaws.com" in policies
    assert "cloudwatch.amazonaws.com" in keys


def test_the_metric_of_the_alarm_is_the_one_that_the_function_writes(template):
    (alarm,) = (
        alarm["Properties"]
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("MetricName") == "DigestFailures"
    )
    environment = variables(template)
    assert alarm["Namespace"] == environment["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [
        {"Name": "service", "Value": environment["POWERTOOLS_SERVICE_NAME"]}
    ]


def test_the_api_can_be_named_in_a_digest_without_a_circle(template):
    """The API's function knows the digest's; the digest knows the API by its id alone."""
    parts = variables(template)["API_URL"]["Fn::Join"][1]
    (api,) = of_type(template, "AWS::ApiGateway::RestApi")
    assert {"Ref": api} in parts
    assert parts[-1].endswith("/v1")
