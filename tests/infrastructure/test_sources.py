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


def test_an_update_adds_an_index_and_replaces_the_role_of_the_sync_and_nothing_else(
    resources, shared
):
    assert resources.keys() == shared.keys()
    replaced = [
        path_of(resource)
        for name, resource in resources.items()
        if not resource["Type"].startswith("Custom::")
        and identity(name, resource) != identity(name, shared[name])
    ]
    assert replaced == [SYNC]
    before, after = (
        by_path(each)["Ledger"]["Properties"]["GlobalSecondaryIndexes"]
        for each in (resources, shared)
    )
    assert after[: len(before)] == before
    (added,) = after[len(before) :]
    assert added["Projection"] == {"ProjectionType": "ALL"}
    assert [key["AttributeName"] for key in added["KeySchema"]] == ["SourceKey", "SK"]


def variables(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    return {
        path: readable(function.get("Environment", {}).get("Variables", {}), resources)
        for path, function in functions.items()
    }


def test_only_the_sync_knows_how_to_reach_the_sources(chosen):
    known = {
        path: each.keys() & {"EXTERNAL_ID", "MEMBER_ROLE_NAME"}
        for path, each in variables(chosen).items()
    }
    assert [path for path, names in known.items() if names] == ["Sync/Function"]


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


@pytest.mark.parametrize("count, groups", [(1, 1), (24, 1), (25, 2), (49, 2), (50, 3), (200, 9)])
def test_a_run_has_each_source_once_in_groups_of_one_size(count, groups):
    from aws_cdk import Stack

    from stacks.sources import source_groups

    sources = listed_sources(count)
    run = source_groups(stack := Stack(), Settings(sources=tuple(sources)))
    own = f"{stack.account}/{stack.region}"
    assert sorted(source for group in run for source in group) == sorted([own, *sources])
    assert run[0][0] == own
    sizes = [len(group) for group in run]
    assert len(run) == groups
    assert max(sizes) <= 25
    assert max(sizes) - min(sizes) <= 1


def test_the_own_source_is_the_same_when_it_is_listed():
    from aws_cdk import Stack

    from stacks.sources import member_roles, source_groups

    settings = Settings(sources=("222233334444/us-east-1", "222233334444/eu-west-1"))
    known = Settings(**{**vars(settings), "deployed_to": "222233334444/us-east-1"})
    (group,) = source_groups(Stack(), known)
    assert group[1:] == ["222233334444/eu-west-1"]
    assert member_roles(Stack(), known) == []
    assert len(member_roles(Stack(), settings)) == 1


def test_200_accounts_fit_into_the_limits_of_functions_and_policies(synthesise):
    """Lambda: 4 KB of variables. IAM: 10,240 characters of inline policies, 6,144 of a managed one, ten of these."""
    name, sources = "W" * 58, listed_sources(200)
    given = {**FULL, "outputBuckets": "codes", "sources": ",".join(sources), "name": name}
    given |= {"outputKeyArns": "", "externalId": "x" * 300}
    resources = synthesise(**given).to_json()["Resources"]
    schedules = of_type(resources, "AWS::Scheduler::Schedule")
    inputs = [str(readable(each["Target"]["Input"], resources)) for each in schedules.values()]
    assert [sum(source in text for text in inputs) for source in [OWN, *sources]] == [1] * 201
    names = {path: 8 * len(name) for path in variables(resources)}  # of ARNs, once these exist
    for path, each in variables(resources).items():
        assert sum(map(len, [*each, *each.values()])) + min(names[path], 400) < 4_096, path
    of_outputs = [each["Sid"] for each in iam.statements(resources, "Outputs/FunctionRole")]
    assert "DecryptManifests" not in of_outputs
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
    others = map(role_of, (OTHER, "AWS::AccountId", "*"))
    wrong = (role_of(MEMBER, name) for name in ("JobLedgerMember2", "Administrator"))
    arns = [role_of(MEMBER), role_of("333344445555"), *others, *wrong]
    assert [arn for arn in arns if iam.may(found, "sts:AssumeRole", arn)] == arns[:2]
    roles = [path for path in of_type(full, "AWS::IAM::Role") if path != SYNC]
    assert "sts:" not in str([iam.statements(full, path) for path in roles])


def test_jobs_of_members_are_in_partitions_that_the_roles_may_write(full):
    """A member's rows are in the partitions of the own source; only its totals have one of their own."""
    keys = [f"{OWN}#totals#3#222233334444/eu-west-1", f"{OWN}/PHI"]
    for role, action in ((SYNC, "DeleteItem"), ("Outputs/FunctionRole", "UpdateItem")):
        found = iam.statements(full, role)
        assert iam.may(found, f"dynamodb:{action}", "Ledger.Arn", dynamodb__LeadingKeys=keys), role


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


def test_the_commands_of_the_document_have_good_settings():
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line.startswith("$ ") and "-c " in line]
    assert len(commands) > 4
    for command in commands:
        Settings.from_context(dict(re.findall(r"-c (\w+)=([^\s\"]+)", command)))
