"""What the construct for other CDK apps puts into their templates."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobledger.lookup.lookup import ATTRIBUTES, MOST_COUNTED
from jobledger.lookup.request import LONGEST_WAIT, MOST_WAIT_MINUTES, PROPERTIES
from stacks.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def template(**properties):
    from aws_cdk import App, CfnOutput, Stack
    from aws_cdk.assertions import Template

    from job_ledger.cdk import ComprehendMedicalJobLookup

    stack = Stack(App(), "Consumer")
    lookup = ComprehendMedicalJobLookup(stack, "Nightly", **properties)
    for name in ATTRIBUTES:
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        CfnOutput(stack, name, value=getattr(lookup, snake))
    return Template.from_stack(stack).to_json()


def lookups(**properties):
    resources = template(**properties)["Resources"]
    return [r for r in resources.values() if r["Type"] == "Custom::ComprehendMedicalJob"]


def sent(**properties):
    (resource,) = lookups(**properties)
    own = ("ServiceToken", "ServiceTimeout")
    return {name: value for name, value in resource["Properties"].items() if name not in own}


@pytest.mark.parametrize("given", [{}, {"name": "JobLedger"}, {"name": "Ward7"}])
def test_the_token_is_read_from_the_parameter_of_the_deployed_ledger(given):
    made = template(**given)
    (resource,) = made["Resources"].values()
    parameter = made["Parameters"][resource["Properties"]["ServiceToken"]["Ref"]]
    assert parameter == {
        "Type": "AWS::SSM::Parameter::Value<String>",
        "Default": Settings(**given).token_parameter,
    }


def test_the_token_can_be_given():
    (resource,) = lookups(service_token="arn:aws:lambda:eu-west-1:111122223333:function:f")
    assert resource["Properties"]["ServiceToken"].startswith("arn:aws:lambda")


def test_cloudformation_waits_for_the_hour_that_it_allows():
    (resource,) = lookups()
    assert resource["Properties"]["ServiceTimeout"] == "3600"


def test_every_attribute_can_be_used():
    made = template()
    (lookup,) = made["Resources"]
    for name in ATTRIBUTES:
        assert made["Outputs"][name]["Value"] == {"Fn::GetAtt": [lookup, name]}


@pytest.mark.parametrize(
    "properties, expected",
    [
        ({}, {}),
        ({"family": "PHI"}, {"Family": "PHI"}),
        ({"family": ("PHI", "RXNORM")}, {"Family": ["PHI", "RXNORM"]}),
        ({"job_name": "nightly-notes"}, {"JobName": "nightly-notes"}),
        ({"submit_time_after": "2026-11-23"}, {"SubmitTimeAfter": "2026-11-23"}),
        (
            {"submit_time_before": datetime(2026, 11, 23, tzinfo=UTC)},
            {"SubmitTimeBefore": "2026-11-23T00:00:00+00:00"},
        ),
        ({"select": "only"}, {"Select": "only"}),
        ({"must_exist": False}, {"MustExist": "false"}),
        ({"family": "PHI, RXNORM"}, {"Family": "PHI, RXNORM"}),
        ({"submit_time_after": "1764000000.5"}, {"SubmitTimeAfter": "1764000000.5"}),
        ({"wait_minutes": "30"}, {"WaitMinutes": "30"}),
        ({"wait_minutes": 30}, {"WaitMinutes": "30"}),
        ({"wait_minutes": 0.5}, {"WaitMinutes": "0.5"}),
        ({"refresh": "7"}, {"Refresh": "7"}),
    ],
)
def test_arguments_become_properties(properties, expected):
    assert sent(**properties) == {"MustExist": "true", "WaitMinutes": "0"} | expected


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


def test_the_minutes_may_be_a_parameter_of_the_stack():
    from aws_cdk import App, CfnParameter, Stack
    from aws_cdk.assertions import Template

    from job_ledger.cdk import ComprehendMedicalJobLookup

    stack = Stack(App(), "Consumer")
    minutes = CfnParameter(stack, "Minutes", type="Number")
    ComprehendMedicalJobLookup(stack, "Nightly", wait_minutes=minutes.value_as_number)
    (resource,) = Template.from_stack(stack).to_json()["Resources"].values()
    assert resource["Properties"]["WaitMinutes"] == {"Ref": "Minutes"}


def test_what_it_says_of_the_limits_is_what_the_look_up_does():
    from job_ledger.cdk import ComprehendMedicalJobLookup

    assert LONGEST_WAIT.total_seconds() == 55 * 60
    assert MOST_WAIT_MINUTES == 120
    assert str(MOST_COUNTED) in str(ComprehendMedicalJobLookup.count.__doc__)


@pytest.mark.parametrize(
    "minutes", [-1, 121, float("nan"), float("inf"), True, None, "", "soon", "121", [5]]
)
def test_a_wait_beyond_what_is_allowed_is_refused_at_synth(minutes):
    with pytest.raises(ValueError, match=r"wait_minutes is .* must be from 0 to 120"):
        template(wait_minutes=minutes)


@pytest.mark.parametrize(
    "argument, value, rule",
    [
        ("family", "FOO", "SNOMEDCT, .* or ALL"),
        ("family", "phi", r"ALL; did you mean PHI\?"),
        ("family", ["PHI", "SNOMED"], r"ALL; did you mean SNOMEDCT\?"),
        ("family", [], "SNOMEDCT, "),
        ("job_status", "DONE", "SUBMITTED, .* or STOPPED"),
        ("job_status", "completed", r"did you mean COMPLETED\?"),
        ("job_status", ["FAILED", 5], "SUBMITTED"),
        ("select", "first", "newest, oldest or only"),
        ("must_exist", "False", r"true or false; did you mean false\?"),
        ("must_exist", 1, "true or false"),
        ("job_name", "", "1 to 256"),
        ("job_name", "n" * 257, "1 to 256"),
        ("job_name", "a*b", "1 to 256"),
        ("job_name_prefix", "a\nb", "1 to 256"),
        ("submit_time_after", "yesterday", "a datetime with a time zone"),
        ("submit_time_after", "20261123", "did you mean 2026-11-23."),
        ("submit_time_before", 202611230800, "did you mean 2026-11-23T08:00:00Z."),
        ("submit_time_after", "2026-02-30", "a datetime with a time zone"),
        ("submit_time_before", "2026-11-23T08:00:00", "a datetime with a time zone"),
        ("name", "a/b", "a letter, then up to 63"),
    ],
)
def test_a_wrong_argument_is_refused_at_synth_with_what_is_allowed(argument, value, rule):
    with pytest.raises(ValueError, match=f"{argument} is .*must be .*{rule}"):
        template(**{argument: value})


ARGUMENTS = {"".join(f"_{c.lower()}" if c.isupper() else c for c in n)[1:]: n for n in PROPERTIES}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_token_is_passed_on(argument):
    from aws_cdk import App, CfnParameter, Fn, Stack
    from aws_cdk.assertions import Template

    from job_ledger.cdk import ComprehendMedicalJobLookup

    stack = Stack(App(), "Consumer")
    text = CfnParameter(stack, "Text")
    expected: list[tuple[Any, Any]] = [(text.value_as_string, {"Ref": "Text"})]
    if argument in ("family", "job_status"):
        known = "PHI" if argument == "family" else "FAILED"
        several = CfnParameter(stack, "Several", type="CommaDelimitedList")
        expected.append(([known, text.value_as_string], [known, {"Ref": "Text"}]))
        expected.append((several.value_as_list, {"Ref": "Several"}))
    if argument == "must_exist":
        condition = Fn.condition_if("Condition", "true", "false")
        expected.append((condition, {"Fn::If": ["Condition", "true", "false"]}))
    for number, (value, _) in enumerate(expected):
        ComprehendMedicalJobLookup(stack, f"With{number}", **{argument: value})
    made = Template.from_stack(stack).to_json()["Resources"].values()
    rendered = [rendered for _, rendered in expected]
    assert [resource["Properties"][ARGUMENTS[argument]] for resource in made] == rendered


def test_the_types_are_those_of_the_client():
    from typing import get_args

    from job_ledger.types import Family, JobStatus
    from stacks import setting_readers

    assert get_args(Family) == (*setting_readers.FAMILIES, "ALL")
    assert get_args(JobStatus) == setting_readers.STATUSES


def test_a_time_without_a_zone_is_refused_at_synth():
    with pytest.raises(ValueError, match="submit_time_after needs a time zone"):
        template(submit_time_after=datetime(2026, 11, 23))  # noqa: DTZ001 - it is the mistake


def test_the_python_of_the_documentation_works():
    from aws_cdk import App
    from aws_cdk.assertions import Template

    text = (ROOT / "docs" / "lookup.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    made = Template.from_stack(names["Pipeline"](App(), "Pipeline")).to_json()
    assert made["Outputs"]["Codes"]["Value"]["Fn::GetAtt"][1] == "OutputS3Uri"


def test_the_documentation_names_every_property_and_attribute():
    text = (ROOT / "docs" / "lookup.md").read_text(encoding="utf-8")
    for name in (*PROPERTIES, *ATTRIBUTES):
        assert f"`{name}`" in text
