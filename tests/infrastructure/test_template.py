"""The template is the reviewed one, and what changes its meaning although no property shows it.

`UPDATE_GOLDEN=1 pytest tests/infrastructure/test_template.py` writes the snapshots anew: read the difference. What
they have is no promise; the promises are in `test_security.py`, `test_roles.py` and beside what they are about.
"""

import json
import os
import re
import sys

import pytest

from jobledger.api.methods import ROUTES
from stacks.settings import setting_keys
from testing.processes import ROOT
from tests.infrastructure.chosen import CHOSEN, FULL
from tests.infrastructure.snapshot import assert_golden, difference_of, lines_of, text_of
from tests.infrastructure.template_reading import by_path, of_type

LISTED = ROOT / "tests" / "infrastructure" / "logical_ids.json"
CONFIGURATIONS = {"default": {}, "subscriptions": FULL}


def test_the_template_is_the_reviewed_one(template, synthesise):
    """Also a deployment with every setting chosen: the lines that differ."""
    default, chosen = (lines_of(each.to_json()) for each in (template, synthesise(**CHOSEN)))
    assert_golden("template/default.txt", text_of(default))
    assert_golden("template/chosen.txt", difference_of(default, chosen))
    # bundleFor depends on this machine, and with hub there is another stack.
    assert {*CHOSEN, "bundleFor", "hub"} == set(setting_keys())


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_deployed_stack_updates_in_place(synthesise, name):
    """CloudFormation replaces a resource whose logical id changes: ids are added, never removed or changed."""
    resources = synthesise(**CONFIGURATIONS[name]).to_json()["Resources"]
    # The id of an API Gateway deployment ends with a hash of the API.
    ids = {re.sub(r"[0-9a-f]{32}$", "", each): r["Type"] for each, r in sorted(resources.items())}
    listed = json.loads(LISTED.read_text(encoding="utf-8"))
    assert listed[name].items() <= ids.items()
    if os.environ.get("UPDATE_GOLDEN"):
        listed[name] = ids
        LISTED.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    assert listed[name] == ids


def test_every_route_has_a_resource_of_its_own_and_the_rest_has_one(resources):
    methods = of_type(resources, "AWS::ApiGateway::Method")
    # Below the path of the construct, which has no slash for the root itself.
    paths = sorted(path.removeprefix("Api/Rest/Default").rpartition("/") for path in methods)
    found = [(path or "/", method) for path, _, method in paths]
    own = ("/digests", "POST")  # the stage throttles it by its name
    assert sorted(found) == sorted([*((path, "ANY") for path in [*ROUTES, "/", "/{proxy+}"]), own])


@pytest.fixture(scope="module")
def other(synthesise):
    """Other code, for this machine, and no alerts of jobs."""
    return synthesise("1" * 64, alertOn="", bundleFor="host").to_json()["Resources"]


def test_alerts_are_off_when_no_status_is_chosen(other):
    assert of_type(other, "AWS::Events::Rule") == {}


def test_host_bundles_get_the_runtime_of_this_interpreter(other):
    functions = of_type(other, "AWS::Lambda::Function").values()
    found = {f["Runtime"] for f in functions if f["Handler"].startswith("jobledger.")}
    assert found == {f"python{sys.version_info.major}.{sys.version_info.minor}"}


def test_code_families_and_sources_make_the_first_sync_run_again_for_which_the_schedule_waits(
    synthesise, resources, other, full, chosen
):
    def reason(resources):
        (run,) = of_type(resources, "Custom::JobLedgerFirstSync").values()
        return run["Reason"]

    assert reason(resources) == reason(synthesise(retainLedger="false").to_json()["Resources"])
    # `full` has sources, `chosen` has fewer families as well.
    assert len({reason(each) for each in (resources, other, full, chosen)}) == 4
    (first_sync,) = (n for n, r in resources.items() if r["Type"] == "Custom::JobLedgerFirstSync")
    assert first_sync in by_path(resources)["Sync/Schedule"]["DependsOn"]


def test_a_second_synth_gives_the_same_template(synthesise, template):
    assert template.to_json() == synthesise.__wrapped__().to_json()


@pytest.mark.slow
def test_cfn_lint_has_nothing_to_say_of_other_templates(synthesise, member):
    """`make check-template` lints the template without settings, and a test runs that."""
    # Here, as only one worker needs it: an import of cfn-lint takes a second.
    from cfnlint import api as cfnlint  # type: ignore[import-untyped]  # it ships no types
    from cfnlint.config import ManualArgs  # type: ignore[import-untyped]  # it ships no types

    everything = ManualArgs(regions=["us-east-1"], include_checks=["I"])
    for template in (synthesise(**FULL), member):
        assert cfnlint.lint(json.dumps(template.to_json()), config=everything) == []
