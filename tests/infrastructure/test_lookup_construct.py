"""What the construct for other CDK apps puts into their templates."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobledger.lookup.lookup import ATTRIBUTES, MOST_COUNTED, OF_SEVERAL_SOURCES
from jobledger.lookup.request import LONGEST_WAIT, MOST_WAIT_MINUTES, PROPERTIES
from stacks.settings import Settings
from tests.infrastructure.snapshot import assert_golden

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
    token = "arn:aws:lambda:eu-west-1:111122223333:function:f"
    (other,) = lookups(service_token=token, **given)
    assert other["Properties"]["ServiceToken"] == token


# Values of each argument. The snapshot has the property that they become, or the words that refuse them at synthesis.
VALUES: dict[str, list[object]] = {
    "family": [
        *("PHI", "PHI, RXNORM", ("PHI", "RXNORM"), "FOO", "phi", ["PHI", "SNOMED"], []),
    ],
    "job_status": ["DONE", "completed", ["FAILED", 5]],
    "job_name": ["nightly-notes", "", "n" * 257, "a*b"],
    "job_name_prefix": ["a\nb"],
    "submit_time_after": [
        *("2026-11-23", "1764000000.5", "yesterday", "20261123", "2026-02-30"),
        A_TIME.replace(tzinfo=None),
    ],
    "submit_time_before": [A_TIME, 202611230800, "2026-11-23T08:00:00"],
    "account": [
        *("011122223333", ("111122223333", "444455556666"), "11112222333"),
        *([111122223333, "us-east-1"], []),
    ],
    "region": ["us-east-1, eu-west-1", "us-gov-west-1", "US-EAST-1", "us-east-1,"],
    "select": ["only", "first"],
    "must_exist": [False, "False", 1],
    "refresh": ["7"],
    "name": ["a/b"],
    "wait_minutes": [
        *("30", 0.5, -1, 121, float("nan"), float("inf"), True, None, "", "soon", "121", [5]),
    ],
}


def test_an_argument_becomes_a_property_or_is_refused_with_what_is_allowed():
    lines = []
    defaults = {"MustExist": "true", "WaitMinutes": "0"}
    for argument, value in ((name, each) for name, given in VALUES.items() for each in given):
        try:
            made = sent(**{argument: value}).items()
            said = ", ".join(f"{name} = {v!r}" for name, v in made if defaults.get(name) != v)
        except ValueError as refused:
            said = str(refused)
        lines += [f"{argument} = {value!r}", f"    {said}"]
    assert_golden("lookup_arguments.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "minutes, waits", [(56, ["55", "1"]), (110, ["55", "55"]), (120, ["55", "55", "10"])]
)
def test_a_long_wait_is_several_resources_of_which_only_the_last_must_find_it(minutes, waits):
    assert (LONGEST_WAIT.total_seconds(), MOST_WAIT_MINUTES) == (55 * 60, 120)
    chain = lookups(job_name="nightly", wait_minutes=minutes)
    by_wait = {len(r.get("DependsOn", [])): r["Properties"] for r in chain}
    assert sorted(by_wait) == [0, 1]
    assert sorted(r["Properties"]["WaitMinutes"] for r in chain) == sorted(waits)
    must_exist = sorted(r["Properties"]["MustExist"] for r in chain)
    assert must_exist == ["false"] * (len(waits) - 1) + ["true"]
    assert {r["Properties"]["JobName"] for r in chain} == {"nightly"}


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

    from job_ledger.cdk import ComprehendMedicalJobLookup

    assert str(MOST_COUNTED) in str(ComprehendMedicalJobLookup.count.__doc__)
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    made = Template.from_stack(names["Pipeline"](App(), "Pipeline")).to_json()
    assert made["Outputs"]["Codes"]["Value"]["Fn::GetAtt"][1] == "OutputS3Uri"
    assert [
        n for n in (*PROPERTIES, *ATTRIBUTES, *OF_SEVERAL_SOURCES) if f"`{n}`" not in DOCUMENT
    ] == []
