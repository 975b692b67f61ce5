"""What the functions' code assumes of the stack, and the stack of the code: both sides agree."""

import ast
import re
from pathlib import Path

import pytest

from jobledger import invoke, sns, times
from jobledger.digest import run as digest_run
from jobledger.events import batch, eventbridge
from jobledger.sync import run as sync_run
from tests.infrastructure.allowed import ROLES
from tests.infrastructure.template_reading import by_path, of_type
from tests.unit.test_imports import MODULES, own_modules

# How the code names an environment variable.
READS = re.compile(r"""(?:\brequired|\benviron\.get|\bfunction)\(\s*"([A-Z_]+)\"""")
FUNCTIONS = {
    "JobAlerts/Function": "alerts",
    "Api/Function": "api",
    "Changes/Function": "changes",
    "Digest/Function": "digest",
    "Sync/Function": "sync",
    "Widget/Function": "widget",
    "Lookup/IsComplete": "lookup",
}


def closure(module: str) -> set[str]:
    """Return a module and all modules that it imports, directly or not."""
    found, pending = set(), {module}
    while pending:
        found |= pending
        pending = {name for one in pending for name in own_modules(MODULES[one])} - found
    return found


def names_read_by(handler: str) -> set[str]:
    modules = closure(f"jobledger.handlers.{handler}")
    return {
        name
        for module in modules
        for name in READS.findall(MODULES[module].read_text(encoding="utf-8"))
    }


def seconds(resources, path):
    return by_path(resources)[path]["Properties"]["Timeout"]


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_has_the_environment_that_its_code_reads(full, path):
    variables = by_path(full)[path]["Properties"]["Environment"]["Variables"]
    configured = {name for name in variables if not name.startswith("POWERTOOLS_")}
    assert configured == names_read_by(FUNCTIONS[path])


def test_the_first_function_of_a_look_up_has_no_more_than_the_second(full):
    first, second = (
        set(by_path(full)[f"Lookup/{name}"]["Properties"]["Environment"]["Variables"])
        for name in ("OnEvent", "IsComplete")
    )
    assert first < second


def test_no_module_reads_the_environment_in_another_way():
    for module, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        uses = len(re.findall(r"\benviron\b|\bgetenv\b", text))
        # Lambda's own variables are there without the stack.
        known = len(
            re.findall(
                r"""\benviron\.get\(|"AWS_[A-Z_]+" in os\.environ\b|for name in os\.environ\b""",
                text,
            )
        )
        assert uses == known, module


def test_every_handler_of_the_stack_exists(full):
    for function in of_type(full, "AWS::Lambda::Function").values():
        module, _, name = function["Handler"].rpartition(".")
        if module.startswith("jobledger."):
            tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_change_events_have_time_to_be_sent(resources):
    # Half a batch at least: no send begins when less than this time is left.
    assert seconds(resources, "Changes/Function") >= 3 * batch._LONGEST_SEND_MILLISECONDS / 1000


def test_a_sync_has_time_beyond_its_margin(resources):
    assert seconds(resources, "Sync/Function") >= 10 * sync_run._MARGIN_SECONDS


def test_a_digest_has_time_to_wait_for_another_run_and_to_publish_twice(resources):
    needed = digest_run._PATIENCE + 2 * sns.PUBLISH_SECONDS + times.SETTLING.total_seconds()
    assert seconds(resources, "Digest/Function") >= needed


@pytest.mark.parametrize("path", ["Api/Function", "Lookup/IsComplete"])
def test_a_function_that_invokes_another_outlives_the_wait(resources, path):
    assert seconds(resources, path) > invoke.WAIT_SECONDS + 5


def test_who_waits_for_a_whole_sync_has_more_time_than_it(resources):
    run = by_path(resources)["Sync/FirstSync/Run/Default"]["Properties"]
    assert (
        seconds(resources, "Sync/Function")
        < seconds(resources, "Sync/FirstSync/Function")
        < int(run["ServiceTimeout"])
    )


def test_the_alert_rule_listens_to_the_events_that_are_sent(resources, chosen):
    for each in (by_path(resources), by_path(chosen)):
        pattern = each["JobAlerts/Rule"]["Properties"]["EventPattern"]
        changes = each["Changes/Function"]["Properties"]
        assert pattern["detail-type"] == [eventbridge.DETAIL_TYPE]
        assert pattern["source"] == [changes["Environment"]["Variables"]["EVENT_SOURCE"]]


def test_the_stream_delivers_the_rows_that_the_code_sends(resources):
    text = Path(batch.__file__).read_text(encoding="utf-8")
    (suffix,) = re.findall(r'\.endswith\("(#\w+)"\)', text)
    (mapping,) = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert f'"suffix":"{suffix}"' in mapping["FilterCriteria"]["Filters"][0]["Pattern"]


def test_the_sync_may_run_each_kind_of_action_of_a_transaction():
    text = MODULES["jobledger.ledger.table"].read_text(encoding="utf-8")
    kinds = re.findall(r'return \{"(Put|Update|ConditionCheck|Delete)": ', text)
    assert {"Put", "Update", "ConditionCheck", "Delete"} == set(kinds)
    statements = ROLES["Sync/FunctionRole"].values()
    allowed = {
        action for each in statements if "Ledger.Arn" in each.resources for action in each.actions
    }
    reads = {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}
    assert {f"dynamodb:{kind}Item" for kind in kinds} == allowed - reads


def test_the_digest_writes_only_rows_that_its_role_allows():
    writers = [
        name
        for name, file in MODULES.items()
        if "digest" in name
        and re.search(r"\.put(_next)?\(|transact\(", file.read_text(encoding="utf-8"))
    ]
    assert writers == ["jobledger.digest.claims"]
    text = MODULES[writers[0]].read_text(encoding="utf-8")
    assert re.findall(r'"PK": "(\w+)"', text) == ["digest"]


def test_the_key_lets_look_ups_encrypt_with_their_context_only():
    from stacks.encryption import LOOKUP_CONTEXT

    text = MODULES["jobledger.lookup.encryption"].read_text(encoding="utf-8")
    (names,) = re.findall(r"event\[name\] for name in \(([^)]*)\)", text)
    assert tuple(re.findall(r'"(\w+)"', names)) == LOOKUP_CONTEXT
