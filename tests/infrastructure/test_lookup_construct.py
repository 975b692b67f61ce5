"""What the construct for other CDK apps puts into their templates."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobledger.lookup.lookup import ATTRIBUTES, MOST_COUNTED, OF_SEVERAL_SOURCES
from jobledger.lookup.request import LONGEST_WAIT, MOST_WAIT_MINUTES, PROPERTIES
from stacks.settings import Settings

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "lookup.md").read_text(encoding="utf-8")
A_TIME = datetime(2026, 11, 23, tzinfo=UTC)


def snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


ARGUMENTS = {snake(name): name for name in dict.fromkeys((*PROPERTIES, "Account", "Region"))}
SEVERAL = {
    "family": "PHI",
    "job_status": "FAILED",
    "account": "111122223333",
    "region": "us-east-1",
}


def template(**properties):
    """Return the template of a stack with one look-up, and an output for each of its attributes."""
    from aws_cdk import App, CfnOutput, Stack
    from aws_cdk.assertions import Template

    from job_ledger.cdk import ComprehendMedicalJobLookup

    stack = Stack(App(), "Consumer")
    lookup = ComprehendMedicalJobLookup(stack, "Nightly", **properties)
    for name in (*ATTRIBUTES, *OF_SEVERAL_SOURCES):
        CfnOutput(stack, name, value=getattr(lookup, snake(name)))
    return Template.from_stack(stack).to_json()


def lookups(**properties):
    resources = template(**properties)["Resources"].values()
    return [each for each in resources if each["Type"] == "Custom::ComprehendMedicalJob"]


def sent(**properties):
    (resource,) = lookups(**properties)
    own = ("ServiceToken", "ServiceTimeout")
    return {name: value for name, value in resource["Properties"].items() if name not in own}


@pytest.mark.parametrize("given", [{}, {"name": "JobLedger"}, {"name": "Ward7"}])
def test_the_token_is_read_from_the_parameter_of_the_deployed_ledger(given):
    made = template(**given)
    ((lookup, resource),) = made["Resources"].items()
    parameter = made["Parameters"][resource["Properties"]["ServiceToken"]["Ref"]]
    default = Settings(**given).token_parameter
    assert parameter == {"Type": "AWS::SSM::Parameter::Value<String>", "Default": default}
    # The hour that CloudFormation allows.
    assert resource["Properties"]["ServiceTimeout"] == "3600"
    for name in (*ATTRIBUTES, *OF_SEVERAL_SOURCES):
        assert made["Outputs"][name]["Value"] == {"Fn::GetAtt": [lookup, name]}


def test_the_token_can_be_given():
    token = "arn:aws:lambda:eu-west-1:111122223333:function:f"
    (resource,) = lookups(service_token=token)
    assert resource["Properties"]["ServiceToken"] == token


@pytest.mark.parametrize(
    "argument, value, expected",
    [
        ("family", "PHI", "PHI"),
        ("family", "PHI, RXNORM", "PHI, RXNORM"),
        ("family", ("PHI", "RXNORM"), ["PHI", "RXNORM"]),
        ("job_name", "nightly-notes", "nightly-notes"),
        ("submit_time_after", "2026-11-23", "2026-11-23"),
        ("submit_time_after", "1764000000.5", "1764000000.5"),
        ("submit_time_before", A_TIME, "2026-11-23T00:00:00+00:00"),
        ("account", "011122223333", "011122223333"),
        ("account", ("111122223333", "444455556666"), ["111122223333", "444455556666"]),
        ("region", "us-east-1, eu-west-1", "us-east-1, eu-west-1"),
        ("region", "us-gov-west-1", "us-gov-west-1"),
        ("select", "only", "only"),
        ("must_exist", False, "false"),
        ("wait_minutes", "30", "30"),
        ("wait_minutes", 0.5, "0.5"),
        ("refresh", "7", "7"),
    ],
)
def test_an_argument_becomes_a_property(argument, value, expected):
    defaults = {"MustExist": "true", "WaitMinutes": "0"}
    assert sent(**{argument: value}) == defaults | {ARGUMENTS[argument]: expected}


@pytest.mark.parametrize(
    "minutes, waits", [(56, ["55", "1"]), (110, ["55", "55"]), (120, ["55", "55", "10"])]
)
def test_a_long_wait_is_several_resources_of_which_only_the_last_must_find_it(minutes, waits):
    chain = lookups(job_name="nightly", wait_minutes=minutes)
    by_wait = {len(r.get("DependsOn", [])): r["Properties"] for r in chain}
    assert sorted(by_wait) == [0, 1]
    assert sorted(r["Properties"]["WaitMinutes"] for r in chain) == sorted(waits)
    must_exist = sorted(r["Properties"]["MustExist"] for r in chain)
    assert must_exist == ["false"] * (len(waits) - 1) + ["true"]
    assert {r["Properties"]["JobName"] for r in chain} == {"nightly"}


def test_what_it_says_of_the_limits_is_what_the_look_up_does():
    from job_ledger.cdk import ComprehendMedicalJobLookup

    assert LONGEST_WAIT.total_seconds() == 55 * 60
    assert MOST_WAIT_MINUTES == 120
    assert str(MOST_COUNTED) in str(ComprehendMedicalJobLookup.count.__doc__)


# What is said of wrong values of each argument.
WRONG: dict[str, dict[str, list[object]]] = {
    "family": {
        "SNOMEDCT, .* or ALL": ["FOO", []],
        r"ALL; did you mean PHI\?": ["phi"],
        r"ALL; did you mean SNOMEDCT\?": [["PHI", "SNOMED"]],
    },
    "job_status": {
        "SUBMITTED, .* or STOPPED": ["DONE", ["FAILED", 5]],
        r"did you mean COMPLETED\?": ["completed"],
    },
    "account": {"account ids of 12 digits": ["11112222333", [111122223333, "us-east-1"], []]},
    "region": {"regions such as us-east-1": ["US-EAST-1", "us-east-1,"]},
    "select": {"newest, oldest or only": ["first"]},
    "must_exist": {r"true or false; did you mean false\?": ["False"], "true or false": [1]},
    "job_name": {"1 to 256": ["", "n" * 257, "a*b"]},
    "job_name_prefix": {"1 to 256": ["a\nb"]},
    "submit_time_after": {
        "a datetime with a time zone": ["yesterday", "2026-02-30", "2026-11-23T08:00:00"],
        "did you mean 2026-11-23.": ["20261123"],
    },
    "submit_time_before": {"did you mean 2026-11-23T08:00:00Z.": [202611230800]},
    "name": {"a letter, then up to 63": ["a/b"]},
    "wait_minutes": {
        "from 0 to 120": [-1, 121, float("nan"), float("inf"), True, None, "", "soon", "121", [5]]
    },
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_argument_is_refused_at_synth_with_what_is_allowed(argument):
    for rule, values in WRONG[argument].items():
        for value in values:
            with pytest.raises(ValueError, match=f"{argument} is .*must be .*{rule}"):
                template(**{argument: value})


def test_a_time_without_a_zone_is_refused_at_synth():
    with pytest.raises(ValueError, match="submit_time_after needs a time zone"):
        template(submit_time_after=A_TIME.replace(tzinfo=None))


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_token_is_passed_on(argument):
    from aws_cdk import App, CfnParameter, Fn, Stack
    from aws_cdk.assertions import Template

    from job_ledger.cdk import ComprehendMedicalJobLookup

    stack = Stack(App(), "Consumer")
    text = CfnParameter(stack, "Text")
    expected: list[tuple[Any, Any]] = [(text.value_as_string, {"Ref": "Text"})]
    if known := SEVERAL.get(argument):
        several = CfnParameter(stack, "Several", type="CommaDelimitedList")
        expected.append(([known, text.value_as_string], [known, {"Ref": "Text"}]))
        expected.append((several.value_as_list, {"Ref": "Several"}))
    if argument == "must_exist":
        condition = Fn.condition_if("Condition", "true", "false")
        expected.append((condition, {"Fn::If": ["Condition", "true", "false"]}))
    if argument == "wait_minutes":
        minutes = CfnParameter(stack, "Minutes", type="Number")
        expected.append((minutes.value_as_number, {"Ref": "Minutes"}))
    for number, (value, _) in enumerate(expected):
        ComprehendMedicalJobLookup(stack, f"With{number}", **{argument: value})
    made = Template.from_stack(stack).to_json()["Resources"].values()
    rendered = [rendered for _, rendered in expected]
    assert [resource["Properties"][ARGUMENTS[argument]] for resource in made] == rendered


def test_the_documentation_names_every_property_and_attribute_and_its_python_works():
    from aws_cdk import App
    from aws_cdk.assertions import Template

    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    made = Template.from_stack(names["Pipeline"](App(), "Pipeline")).to_json()
    assert made["Outputs"]["Codes"]["Value"]["Fn::GetAtt"][1] == "OutputS3Uri"
    assert [
        n for n in (*PROPERTIES, *ATTRIBUTES, *OF_SEVERAL_SOURCES) if f"`{n}`" not in DOCUMENT
    ] == []
