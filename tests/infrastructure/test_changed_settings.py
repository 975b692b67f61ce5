"""Any setting can be changed and changed back on a deployed stack: what holds data is updated in place.

CloudFormation replaces a resource whose logical id or type changes, or one of the properties that its schema
calls create-only. cfn-lint has the schemas.
"""

import pytest

from stacks.settings import setting_keys
from tests.infrastructure.chosen import CHOSEN
from tests.infrastructure.template_reading import path_of

# What people subscribe to, call, or cannot get back.
HOLDS_DATA = {
    *("AWS::ApiGateway::RestApi", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup"),
    *("AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::SSM::Parameter"),
}
# For bundleFor, the other value is of this machine: it changes the functions' code and runtime only.
CHANGED = {key: CHOSEN[key] for key in CHOSEN if key != "name"} | {"alertOn": ""}
# What a setting is for: there without it, or with it.
ONLY_BEFORE = {
    "alertOn": {"JobAlerts/FunctionLogs", "JobAlerts/Undelivered", "JobAlerts/Waiting"},
    "kmsKeyArn": {"Key"},
}
ONLY_AFTER = {
    "chatDigests": {"Digest/ChatTopic"},
    "digestEmails": {"Digest/Topic/a@example.org", "Digest/Topic/b@example.org"},
    "alertEmails": {"JobAlerts/Topic/c@example.org"},
    "outputBuckets": {"Outputs/FunctionLogs"},
}


def schema_of(kind):
    # Here, as only one worker needs it: an import of cfn-lint takes a second.
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it ships no types

    return PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema


def names_in(schema, *members):
    """Return the properties that members of a schema list."""
    listed = (pointer for member in members for pointer in schema.get(member) or ())
    return {pointer.removeprefix("/properties/") for pointer in listed}


def has_a_fixed_name(resource):
    """Whether the template says what the resource is known by, without a reference to another resource."""
    schema = schema_of(resource["Type"])
    chosen = names_in(schema, "primaryIdentifier") - names_in(schema, "readOnlyProperties")
    values = [resource.get("Properties", {}).get(name) for name in chosen]
    return any(values) and not [value for value in values if isinstance(value, dict)]


def identity(logical_id, resource):
    """Return what may not change: otherwise CloudFormation makes another resource."""
    schema = schema_of(resource["Type"])
    fixed = names_in(schema, "createOnlyProperties", "conditionalCreateOnlyProperties")
    return logical_id, resource["Type"], {name: resource["Properties"].get(name) for name in fixed}


def holding_data(resources):
    found = [(each, r) for each, r in resources.items() if r["Type"] in HOLDS_DATA]
    return {path_of(resource): identity(each, resource) for each, resource in found}


# The user's key hides what happens to the stack's own.
@pytest.fixture(scope="module", params=[{*CHANGED}, {*CHANGED} - {"kmsKeyArn"}])
def changed(request, synthesise):
    """The settings that are changed, and the template."""
    keys = request.param
    return keys, synthesise(**{key: CHANGED[key] for key in keys}).to_json()["Resources"]


def test_a_changed_setting_replaces_and_removes_nothing_that_holds_data(resources, changed):
    keys, with_changes = changed
    before, after = holding_data(resources), holding_data(with_changes)
    for found, only in ((before.keys() - after, ONLY_BEFORE), (after.keys() - before, ONLY_AFTER)):
        assert found == {path for key in keys for path in only.get(key, ())}
    kept = before.keys() & after
    assert {path: before[path] for path in kept} == {path: after[path] for path in kept}


def test_every_setting_is_changed():
    assert {*CHANGED, "name", "bundleFor", "hub"} == set(setting_keys())


def test_what_a_failed_deployment_leaves_has_no_name_that_the_next_one_needs(resources):
    """A rollback keeps the table, its key and the account's role for logs; it removes the parameter."""
    ours = [each for each in resources.values() if not each["Type"].startswith("Custom::")]
    fixed = {path_of(each) for each in ours if has_a_fixed_name(each)}
    kept = {path_of(each) for each in ours if each.get("DeletionPolicy") == "Retain"}
    assert fixed == {"Lookup/ServiceToken"}
    assert kept == {"Key", "Ledger", "Api/Rest/Account", "Api/Rest/CloudWatchRole"}
