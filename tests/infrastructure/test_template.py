"""What the stack promises, read from its template: a local AWS drops much of it without a word."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def properties(resources, kind):
    return [resource["Properties"] for resource in of_type(resources, kind).values()]


def path(resource):
    return resource["Metadata"]["aws:cdk:path"].removeprefix("JobLedger/").removesuffix("/Resource")


def only(found):
    (one,) = found
    return one


@pytest.mark.parametrize("retain, policy", [("true", "Retain"), ("false", "Delete")])
def test_the_ledger_and_its_key_are_retained_by_default(synthesise, retain, policy):
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


def test_every_function_is_traced_and_has_its_own_log(resources):
    # Those of the look-up must write neither traces nor logs: test_lookup.py.
    by_path = {
        path(function): function["Properties"]
        for function in of_type(resources, "AWS::Lambda::Function").values()
        if not path(function).startswith("Lookup/")
    }
    functions = by_path.values()
    # API Gateway begins the API's traces, so runs of keepWarm have none; most runs for alerts find nothing.
    modes = {name: function["TracingConfig"]["Mode"] for name, function in by_path.items()}
    begun_elsewhere = dict.fromkeys(("Api/Function", "JobAlerts/Function"), "PassThrough")
    assert modes == dict.fromkeys(modes, "Active") | begun_elsewhere
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
    assert template.to_json() == synthesise.__wrapped__().to_json()


@pytest.mark.slow
def test_cfn_lint_has_nothing_to_say_of_a_template_with_other_settings(synthesise):
    """`make check-template` lints the template without settings, and a test runs that."""
    # Here, as only one worker needs it: an import of cfn-lint takes a second.
    from cfnlint import api as cfnlint  # type: ignore[import-untyped]  # it ships no types
    from cfnlint.config import ManualArgs  # type: ignore[import-untyped]  # it ships no types

    changed = {"digestEmails": "a@example.org", "families": "PHI", "retainLedger": "false"}
    text = json.dumps(synthesise(**changed).to_json())
    everything = ManualArgs(regions=["us-east-1"], include_checks=["I"])
    assert cfnlint.lint(text, config=everything) == []


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
