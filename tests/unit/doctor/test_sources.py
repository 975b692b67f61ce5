"""The checks of a deployment with several sources."""

from typing import Any

import pytest

from job_ledger.doctor.findings import Status
from job_ledger.doctor.run import ALL_CHECKS, run_checks
from tests.unit.doctor import recorded
from tests.unit.doctor.recorded import ACCOUNT, REGION, deployed, health

CHECKS = {check.name: check for check in ALL_CHECKS}
WELL = {"AsOf": "2026-11-30T11:59:40.000Z", "AgeSeconds": 20.0, "LastError": None}
STALE = WELL | {"AsOf": "2026-11-30T10:00:00.000Z", "AgeSeconds": 7200.0}
NEVER = {"AsOf": None, "AgeSeconds": None, "LastError": None}


def failed(name, **state):
    return WELL | state | {"LastError": {"Name": name, "At": "2026-11-30T11:59:00.000Z"}}


def source(number, state=WELL, *, healthy=None):
    healthy = state == WELL if healthy is None else healthy
    account = ACCOUNT if number == 0 else f"{number:012}"
    return {"Account": account, "Region": REGION, "Healthy": healthy, "Families": {"PHI": state}}


def hub(*sources, answers=None, status=200):
    """A deployment with these sources, whose merged health is that of the oldest."""
    merged = health(**NEVER) if any(not s["Healthy"] for s in sources) else health()
    names = ",".join(each["Account"] for each in sources)
    variables = {"Environment": {"Variables": {"SOURCES": f"{REGION}={names}"}}}
    indexes = [{"IndexName": "BySource", "IndexStatus": "ACTIVE"}]
    usual: dict[str, Any] = {
        "GET /health": (status, merged | {"Sources": list(sources)}),
        "lambda.GetFunctionConfiguration": recorded.function("f", **variables),
        "dynamodb.DescribeTable": lambda p: recorded.table(
            p["TableName"], GlobalSecondaryIndexes=indexes
        ),
        "iam.SimulatePrincipalPolicy": allowing("Member"),
    }
    deployment = deployed(usual | (answers or {}))
    for resource in deployment.of_kind("AWS::IAM::Role", "SyncFunctionRole"):
        object.__setattr__(resource, "physical_id", "JobLedger-Sync")
    return deployment


def allowing(*parts, besides="", shape="a result each"):
    """IAM's simulator: roles with these parts in their ARN may be assumed, and everything else is allowed."""

    def answer(p):
        asked = p.get("ResourceArns") or ["*"]
        results = [
            {"EvalActionName": action, "EvalResourceName": arn, "EvalDecision": decision(arn)}
            for action in p["ActionNames"]
            for arn in asked
        ]
        if shape == "the first alone":
            results = results[:1]
        if shape == "one with parts" and "ResourceArns" in p:
            decisions = [(each["EvalResourceName"], each["EvalDecision"]) for each in results]
            of_each = [{"EvalResourceName": n, "EvalResourceDecision": d} for n, d in decisions]
            results = [
                results[0] | {"EvalDecision": "implicitDeny", "ResourceSpecificResults": of_each}
            ]
        return {"EvaluationResults": results}

    def decision(arn):
        may = arn == "*" or (any(part in arn for part in parts) and arn.split(":")[4] != besides)
        return "allowed" if may else "implicitDeny"

    return answer


@pytest.mark.parametrize(
    "sources, meaning, mend",
    [
        (
            [source(0), source(1, failed("AccessDenied")), source(2, failed("AccessDenied", **NEVER))],
            ("1 of 3 sources are fresh. AccessDenied (the role JobLedgerMember is missing there, or has another external"
            f" id): 000000000001/{REGION}, 000000000002/{REGION}."),
            f"cdk deploy JobLedgerMember -c hub={ACCOUNT}   (there)",
        ),
        (
            [source(0), source(1, NEVER), source(2, STALE), source(3, failed("UnrecognizedClientException"))],
            (f"1 of 4 sources are fresh. never synced: 000000000001/{REGION}; stale: 000000000002/{REGION};"
            f" UnrecognizedClientException (the region is not enabled there): 000000000003/{REGION}."),
            "docs/sources.md#what-an-error-of-a-source-looks-like",
        ),
        (
            [source(n, failed("AccessDenied")) for n in range(1, 101)],
            (f"0 of 100 sources are fresh. AccessDenied (the role JobLedgerMember is missing there, or has another"
            f" external id): {', '.join(f'{n:012}/{REGION}' for n in range(1, 6))} and 95 more."),
            "cdk deploy JobLedgerMember",
        ),
    ],
)  # fmt: skip
def test_sources_with_a_problem_are_named_by_what_is_wrong(sources, meaning, mend):
    finding = CHECKS["sources"].run(hub(*sources, status=503))
    assert (finding.status, finding.meaning) == (Status.PROBLEM, meaning)
    assert mend in finding.mend


def test_a_dead_member_is_a_problem_of_the_sources_alone_and_every_other_check_is_ok():
    results = run_checks(hub(source(0), source(1, failed("AccessDenied", **NEVER)), status=503))
    assert [r.check for r in results if r.finding.status is not Status.OK] == ["sources"]
    results = run_checks(hub(*(source(n) for n in range(100))))
    found = {r.check: r.finding.meaning for r in results if r.finding.status is Status.OK}
    assert len(found) == len(ALL_CHECKS)
    assert found["sources"] == "100 of 100 sources are fresh; the oldest is 20s old."
    own = f"{ACCOUNT}/{REGION}"
    assert found["age of the ledger"].startswith(f"The age of the ledger of {own} is ")
    assert found["sync errors"] == f"The last sync of each family of {own} succeeded."
    assert found["source roles"] == "The sync may assume the roles of 99 accounts, and no other."
    assert " for 100 sources for the last 30 days" in found["cost"]


@pytest.mark.parametrize(
    "check, answers, meaning",
    [
        ("source index", {"dynamodb.DescribeTable": lambda p: recorded.table("ledger")}, "no index BySource"),
        ("source index", {"dynamodb.DescribeTable": lambda p: recorded.table("ledger", GlobalSecondaryIndexes=[
            {"IndexName": "BySource", "IndexStatus": "CREATING"}])}, "is CREATING"),
        ("source roles", {"iam.SimulatePrincipalPolicy": allowing("Member", besides="000000000001")},
         "may not assume JobLedgerMember in 000000000001."),
        ("source roles", {"iam.SimulatePrincipalPolicy": allowing("role/")}, "may assume roles that are no member's"),
        ("sources", {"GET /health": (200, health())}, "GET /health has no sources"),
    ],
)  # fmt: skip
def test_what_the_deployment_lacks_for_its_sources_is_found(check, answers, meaning):
    finding = CHECKS[check].run(hub(source(0), source(1), source(2), answers=answers))
    assert finding.status is not Status.OK
    assert meaning in finding.meaning


@pytest.mark.parametrize("shape", ["a result each", "the first alone", "one with parts"])
@pytest.mark.parametrize(
    "besides, said",
    [
        ("", "The sync may assume the roles of 2 accounts, and no other."),
        ("000000000002", "The sync may not assume JobLedgerMember in 000000000002."),
    ],
)
def test_roles_are_found_in_each_shape_of_a_simulation(shape, besides, said):
    simulated = {"iam.SimulatePrincipalPolicy": allowing("Member", besides=besides, shape=shape)}
    deployment = hub(source(0), source(1), source(2), answers=simulated)
    assert CHECKS["source roles"].run(deployment).meaning == said
