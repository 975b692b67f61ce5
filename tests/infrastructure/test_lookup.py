"""What the template says of the look-up."""

import json

import pytest

HANDLERS = ("OnEvent", "IsComplete")
FRAMEWORK = ("framework-onEvent", "framework-isComplete", "framework-onTimeout")
FUNCTIONS = (*HANDLERS, *(f"Provider/{name}" for name in FRAMEWORK))


@pytest.fixture(scope="module")
def lookup(resources):
    """The look-up's resources by their path below it, with their logical ids."""
    found = {}
    for logical_id, resource in resources.items():
        path = resource.get("Metadata", {}).get("aws:cdk:path", "")
        if path.startswith("JobLedger/Lookup/"):
            below = path.removeprefix("JobLedger/Lookup/").removesuffix("/Resource")
            found[below] = {"LogicalId": logical_id, **resource}
    return found


def test_the_handlers_log_and_trace_as_all_functions_and_the_framework_logs_no_request(lookup):
    functions = {path: r for path, r in lookup.items() if r["Type"] == "AWS::Lambda::Function"}
    assert sorted(functions) == sorted(FUNCTIONS)
    for name in HANDLERS:
        properties = functions[name]["Properties"]
        assert properties["TracingConfig"] == {"Mode": "Active"}
        log_group = {"Ref": lookup[f"{name}Logs"]["LogicalId"]}
        assert properties["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": log_group}
    for name in FRAMEWORK:
        properties = functions[f"Provider/{name}"]["Properties"]
        assert "TracingConfig" not in properties
        # Log levels have an effect only on records in JSON.
        assert properties["LoggingConfig"] == {
            "ApplicationLogLevel": "FATAL",
            "LogFormat": "JSON",
            "LogGroup": {"Ref": lookup["Logs"]["LogicalId"]},
        }


def test_the_state_machine_that_waits_logs_nothing(lookup):
    (machine,) = (r for r in lookup.values() if r["Type"] == "AWS::StepFunctions::StateMachine")
    assert "LoggingConfiguration" not in machine["Properties"]


def test_the_provider_polls_every_ten_seconds_until_after_the_wait_within_an_hour(lookup):
    machine = lookup["Provider/waiter-state-machine"]["Properties"]["DefinitionString"]
    text = json.dumps(machine).replace("\\", "")
    assert '"IntervalSeconds":10,"MaxAttempts":354,"BackoffRate":1' in text
    assert 55 * 60 < 354 * 10 < 3600


def test_the_handlers_have_the_variables_that_they_need(lookup):
    variables = {
        n: {
            name
            for name in lookup[n]["Properties"]["Environment"]["Variables"]
            if not name.startswith("POWERTOOLS_")
        }
        for n in HANDLERS
    }
    assert variables["OnEvent"] == {"FAMILIES", "KEY_ARN"}
    assert variables["IsComplete"] == {
        "FAMILIES",
        "KEY_ARN",
        "LEDGER_SCOPE",
        "LEDGER_TABLE_NAME",
        "SYNC_FUNCTION_NAME",
    }
    handlers = [lookup[name]["Properties"]["Handler"] for name in HANDLERS]
    assert handlers == [f"jobledger.handlers.lookup.{name}" for name in ("on_event", "is_complete")]


def test_other_stacks_find_the_token_in_a_parameter_and_an_output(lookup, template):
    token = {"Fn::GetAtt": [lookup["Provider/framework-onEvent"]["LogicalId"], "Arn"]}
    parameter = lookup["ServiceToken"]["Properties"]
    assert (parameter["Name"], parameter["Value"]) == ("/job-ledger/lookup-service-token", token)
    assert template.to_json()["Outputs"]["LookupServiceToken"]["Value"] == token
