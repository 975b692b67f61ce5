"""The setting `sources`: what it adds to a deployed stack, and whose roles the sync may assume."""

import json
import re

import pytest

from jobledger.sources import in_environment
from stacks.settings import Settings
from testing.processes import ROOT
from tests.infrastructure import iam
from tests.infrastructure.chosen import FULL, SOURCES
from tests.infrastructure.template_reading import by_path, of_type, path_of, readable
from tests.infrastructure.test_changed_settings import identity

HUB, MEMBER, OTHER = "111122223333", "222233334444", "999999999999"
OWN = "AWS::AccountId/AWS::Region"
SYNC = "Sync/FunctionRole"


# By region and account.
SORTED = ["222233334444/eu-west-1", "222233334444/us-east-1", "333344445555/us-east-1"]


def listed_sources(count):
    return [f"{100_000_000_000 + number}/us-east-1" for number in range(count)]


def role_of(account, name="JobLedgerMember"):
    return f"arn:AWS::Partition:iam::{account}:role/{name}"


@pytest.fixture(scope="module")
def shared(synthesise):
    """The resources with sources, and nothing else chosen."""
    return synthesise(sources=SOURCES["sources"]).to_json()["Resources"]


def test_without_sources_the_template_has_nothing_of_them(template):
    text = json.dumps(template.to_json())
    words = ("SOURCES", "BySource", "SourceKey", "Member", "MEMBER", "EXTERNAL_ID")
    others = ("DIGEST_BY", "RoleName", "JobLedger-Sync", '"Action": "sts:AssumeRole", "Resource"')
    assert [word for word in (*words, *others) if word in text] == []


def test_an_update_adds_an_index_replaces_the_role_of_the_sync_and_nothing_else(resources, shared):
    assert resources.keys() == shared.keys()
    replaced = [
        path_of(resource)
        for name, resource in resources.items()
        if not resource["Type"].startswith("Custom::")
        and identity(name, resource) != identity(name, shared[name])
    ]
    assert replaced == [SYNC]
    changed = {path_of(each) for name, each in resources.items() if each != shared[name]}
    using = {path for path, each in variables(resources).items() if "FAMILIES" in each}
    readers = ("Api/Function", "Digest/Function", "Sync/Function", "Widget/Function")
    policies = {f"{path}Role/DefaultPolicy" for path in (*readers, "Lookup/IsComplete")}
    own = {"Ledger", SYNC, "Sync/Schedule", "Sync/FirstSync/Run/Default"}
    assert changed == own | using | policies
    ledgers = [by_path(each)["Ledger"]["Properties"] for each in (resources, shared)]
    before, after = (
        {index["IndexName"]: index for index in ledger.pop("GlobalSecondaryIndexes")}
        for ledger in json.loads(json.dumps(ledgers))
    )
    assert before == {name: after[name] for name in before}
    assert after.keys() - before == {"BySource"}
    assert after["BySource"]["Projection"] == {"ProjectionType": "ALL"}
    keys = [key["AttributeName"] for key in after["BySource"]["KeySchema"]]
    assert keys == ["SourceKey", "SK"]


def variables(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    return {
        path: readable(function.get("Environment", {}).get("Variables", {}), resources)
        for path, function in functions.items()
    }


def test_functions_know_the_sources_and_only_the_sync_how_to_reach_them(shared):
    found = variables(shared)
    text = "AWS::Region=AWS::AccountId;eu-west-1=222233334444;us-east-1=222233334444,333344445555"
    with_sources = {path for path, each in found.items() if each.get("SOURCES") == text}
    assert with_sources == {path for path, each in found.items() if "FAMILIES" in each}
    assert {each.get("SOURCES", text) for each in found.values()} == {text}
    for name, path, value in (
        ("EXTERNAL_ID", "Sync/Function", "AWS::AccountId/JobLedger"),
        ("MEMBER_ROLE_NAME", "Sync/Function", "JobLedgerMember"),
        ("DIGEST_BY", "Digest/Function", "ledger"),
    ):
        assert {p: each[name] for p, each in found.items() if name in each} == {path: value}


def test_settings_of_sources_reach_the_functions(chosen):
    found = variables(chosen)
    assert found["Sync/Function"]["SOURCES"] == "us-gov-west-1=222233334444,333344445555"
    assert found["Sync/Function"]["EXTERNAL_ID"] == "ward-7"
    assert found["Sync/Function"]["MEMBER_ROLE_NAME"] == "Ward7Member"
    assert found["Digest/Function"]["DIGEST_BY"] == "source"
    assert by_path(chosen)[SYNC]["Properties"]["RoleName"] == "Ward7-Sync"


@pytest.mark.parametrize(
    "own_region, expected",
    [
        ("ca-central-1", [f"{HUB}/ca-central-1", *SORTED]),
        # The setting lists the own source: the stack cannot know.
        ("us-east-1", [f"{MEMBER}/us-east-1", *(each for each in SORTED if each != SORTED[1])]),
    ],
)
def test_functions_read_what_the_stack_writes(shared, monkeypatch, own_region, expected):
    text = variables(shared)["Sync/Function"]["SOURCES"]
    own = expected[0].partition("/")[0]
    text = text.replace("AWS::AccountId", own).replace("AWS::Region", own_region)
    monkeypatch.setenv("SOURCES", text)
    assert in_environment() == tuple(expected)


def payloads(resources):
    """Return the sources of each schedule of the sync."""
    found = of_type(resources, "AWS::Scheduler::Schedule")
    return {
        path: json.loads(readable(schedule["Target"]["Input"], resources))
        for path, schedule in found.items()
        if path.startswith("Sync/")
    }


@pytest.mark.parametrize("count, groups", [(1, 1), (24, 1), (25, 2), (49, 2), (50, 3), (200, 9)])
def test_schedules_have_each_source_once_in_groups_of_one_size(synthesise, count, groups):
    sources = listed_sources(count)
    resources = synthesise(sources=",".join(sources)).to_json()["Resources"]
    found = payloads(resources)
    assert list(found) == ["Sync/Schedule", *(f"Sync/Schedule{n}" for n in range(2, groups + 1))]
    run = [payload["Sources"] for payload in found.values()]
    assert sorted(source for group in run for source in group) == sorted([OWN, *sources])
    assert run[0][0] == OWN
    sizes = [len(group) for group in run]
    assert max(sizes) <= 25
    assert max(sizes) - min(sizes) <= 1


def test_the_own_source_is_left_out_or_the_same_when_it_is_listed(synthesise):
    without = synthesise(sources=SOURCES["sources"], ownSource="false").to_json()["Resources"]
    assert OWN not in str(payloads(without))
    from aws_cdk import Stack

    from stacks.sources import member_roles, source_groups

    settings = Settings(sources=("222233334444/us-east-1", "222233334444/eu-west-1"))
    known = Settings(**{**vars(settings), "deployed_to": "222233334444/us-east-1"})
    (group,) = source_groups(Stack(), known)
    assert group[1:] == ["222233334444/eu-west-1"]
    assert member_roles(Stack(), known) == []
    assert len(member_roles(Stack(), settings)) == 1


@pytest.mark.parametrize("name", ["JobLedger", "W" * 58])
def test_200_accounts_fit_into_the_limits_of_functions_and_policies(synthesise, name):
    """Lambda: 4 KB of variables. IAM: 10,240 characters of inline policies, 6,144 of a managed one, ten of these."""
    sources = listed_sources(200)
    given = {**FULL, "outputBuckets": "codes", "sources": ",".join(sources), "name": name}
    resources = synthesise(**given, externalId="x" * 300).to_json()["Resources"]
    names = {path: 8 * len(name) for path in variables(resources)}  # of ARNs, once these exist
    for path, each in variables(resources).items():
        assert sum(map(len, [*each, *each.values()])) + min(names[path], 400) < 4_096, path
    found = iam.statements(resources, SYNC)
    for source in sources:
        account = source.partition("/")[0]
        assert iam.may(found, "sts:AssumeRole", role_of(account, f"{name}Member"))
    sizes: dict[str, list[int]] = {"AWS::IAM::Policy": [], "AWS::IAM::ManagedPolicy": []}
    for kind, of_kind in sizes.items():
        for policy in of_type(resources, kind).values():
            if SYNC in readable(policy.get("Roles", []), resources):
                document = readable(policy["PolicyDocument"], resources)
                of_kind.append(len(json.dumps(document, separators=(",", ":"))))
    assert sum(sizes["AWS::IAM::Policy"]) < 10_240 - 1_500
    assert max(sizes["AWS::IAM::ManagedPolicy"]) < 6_144
    assert len(sizes["AWS::IAM::ManagedPolicy"]) <= 10


def test_the_sync_may_assume_the_roles_of_its_members_and_no_other_role(full):
    found = iam.statements(full, SYNC)
    for arn, allowed in (
        (role_of("222233334444"), True),
        (role_of("333344445555"), True),
        (role_of(OTHER), False),
        (role_of("AWS::AccountId"), False),
        (role_of("222233334444", "JobLedgerMember2"), False),
        (role_of("222233334444", "Administrator"), False),
        (role_of("*"), False),
    ):
        assert iam.may(found, "sts:AssumeRole", arn) == allowed, arn
    others = [path for path in of_type(full, "AWS::IAM::Role") if path != SYNC]
    assert "sts:" not in str([iam.statements(full, path) for path in others])


def test_jobs_of_members_are_in_partitions_that_the_roles_may_write(full):
    """A member's rows are in the partitions of the own source; only its totals have one of their own."""
    totals = f"{OWN}#totals#3#222233334444/eu-west-1"
    for role, action in ((SYNC, "DeleteItem"), ("Outputs/FunctionRole", "UpdateItem")):
        keys = [totals, f"{OWN}/PHI"]
        found = iam.statements(full, role)
        allowed = iam.may(found, f"dynamodb:{action}", "Ledger.Arn", dynamodb__LeadingKeys=keys)
        assert allowed, role


def test_accounts_in_lookup_accounts_may_invoke_the_look_up_and_nothing_else(full):
    by_account = {
        path: permission
        for path, permission in of_type(full, "AWS::Lambda::Permission").items()
        if permission["Principal"] == SOURCES["lookupAccounts"]
    }
    assert readable([*by_account.values()], full) == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "Lookup/Provider/framework-onEvent.Arn",
            "Principal": "222233334444",
        }
    ]


DOCUMENT = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


def test_the_commands_of_the_document_have_good_settings():
    commands = [line for line in DOCUMENT.splitlines() if line.startswith("$ ") and "-c " in line]
    assert len(commands) > 4
    for command in commands:
        Settings.from_context(dict(re.findall(r"-c (\w+)=([^\s\"]+)", command)))
