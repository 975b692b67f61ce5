"""The sources of a ledger that has several: how recent each is, and what the deployment needs for them.

The other accounts are not looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from job_ledger.command.output import duration_text
from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, CouldNotLook, Finding, counted, named, ok, problem
from job_ledger.doctor.sync import NO_FAILURES
from job_ledger.doctor.table import read_table

INDEX = "BySource"
_NEVER, _STALE = "never synced", "stale"
_MOST_NAMED = 5
_ROLES_A_CALL = 50
_ERRORS = "docs/sources.md#what-an-error-of-a-source-looks-like"
_DENIED = ("AccessDenied", "AccessDeniedException")
# What an error of a source means. The first is STS's, the second Comprehend Medical's.
_CAUSES = {
    "AccessDenied": "the role {role} is missing there, or has another external id",
    "AccessDeniedException": "the role {role} may not list the jobs there",
    "UnrecognizedClientException": "the region is not enabled there",
    "TooManyRequestsException": "other callers use the quota there",
    "EndpointConnectionError": "the region is not reachable",
    "ConnectTimeoutError": "the region is not reachable",
    "ReadTimeoutError": "the region does not answer",
    "ConnectionClosedError": "the region closes connections",
}
# The hub's own account has no role of a member.
_DENIED_AT_HOME = "a service control policy or a permissions boundary denies it to the sync itself"


def freshness(deployment: Deployment) -> Finding:
    """How recent each source is; the ones with a problem by name, grouped by what is wrong."""
    found = deployment.sources
    if not found:
        raise CouldNotLook("GET /health has no sources.", "make deploy")
    groups: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for source in found:
        if wrong := _wrong(source):
            at_home = wrong in _DENIED and source["Account"] == deployment.account
            groups[wrong, at_home].append(f"{source['Account']}/{source['Region']}")
    bad = sum(map(len, groups.values()))
    text = f"{len(found) - bad:,} of {counted(len(found), 'source')} are fresh"
    if not bad:
        return ok(f"{text}; the oldest is {duration_text(_oldest(found))} old.")
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))
    named = (
        f"{name}{_cause(deployment, name, at_home)}: {_shortened(sources)}"
        for (name, at_home), sources in largest
    )
    denied = any((name, False) in groups for name in _DENIED)
    deploy = f"cdk deploy {_role(deployment)} -c hub={deployment.account}   (there)"
    return problem(f"{text}. {'; '.join(named)}.", deploy if denied else _ERRORS)


def _wrong(source: dict[str, Any]) -> str:
    """Return what is wrong with a source: its error, or its age; empty when nothing is."""
    states = source["Families"].values()
    errors = [e["Name"] for state in states if (e := state.get("LastError"))]
    if failures := [name for name in errors if name not in NO_FAILURES]:
        return str(failures[0])
    if any(not state.get("AsOf") for state in states):
        return _NEVER
    return "" if source["Healthy"] else _STALE


def _oldest(sources: Iterable[dict[str, Any]]) -> float:
    return max(
        state.get("AgeSeconds") or 0.0
        for source in sources
        for state in source["Families"].values()
    )


def _cause(deployment: Deployment, name: str, at_home: bool) -> str:
    cause = _DENIED_AT_HOME if at_home else _CAUSES.get(name, "").format(role=_role(deployment))
    return f" ({cause})" if cause else ""


def _shortened(sources: Sequence[str]) -> str:
    left = len(sources) - _MOST_NAMED
    return named(sources[:_MOST_NAMED]) + (f" and {left:,} more" if left > 0 else "")


def index(deployment: Deployment) -> Finding:
    """Whether the table has the index that lists the jobs of some sources."""
    table = read_table(deployment, deployment.output("LedgerTableName"))
    found = {each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes", ())}
    if INDEX not in found:
        return problem(f"The table has no index {INDEX}.", "make deploy")
    status = found[INDEX].get("IndexStatus", "ACTIVE")
    if status not in ("ACTIVE", "UPDATING"):
        return problem(
            f"The index {INDEX} is {status}: lists of some sources fail until it is active.",
            "jobledger doctor   (again, later)",
        )
    return ok(f"The table has the index {INDEX}.")


def roles(deployment: Deployment) -> Finding:
    """Whether the sync may assume the role of each other account, and no other role."""
    accounts = _accounts(deployment) - {deployment.account}
    arns = sorted(_arn(deployment, account, _role(deployment)) for account in accounts)
    other = _arn(deployment, deployment.account, f"NotOf{deployment.name}")
    allowed = set(_assumable(deployment, [*arns, other]))
    missing = [arn.split(":")[4] for arn in arns if arn not in allowed]
    if missing:
        return problem(
            f"The sync may not assume {_role(deployment)} in {_shortened(missing)}.", "make deploy"
        )
    if other in allowed:
        return problem("The sync may assume roles that are no member's.", "docs/security.md#access")
    return ok(f"The sync may assume the roles of {counted(len(arns), 'account')}, and no other.")


def _assumable(deployment: Deployment, arns: list[str]) -> Iterator[str]:
    """Yield the roles that the sync's own role may assume, as IAM simulates it."""
    decisions: dict[str, str] = {}
    for first in range(0, len(arns), _ROLES_A_CALL):
        decisions |= _simulated(deployment, arns[first : first + _ROLES_A_CALL])
    for arn in arns:
        # The local AWS answers for the first one alone.
        found = decisions if arn in decisions else _simulated(deployment, [arn])
        if found.get(arn) == "allowed":
            yield arn


def _simulated(deployment: Deployment, arns: list[str]) -> dict[str, str]:
    role = deployment.one("AWS::IAM::Role", "SyncFunctionRole")
    results = deployment.call(
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=_arn(deployment, deployment.account, role),
        ActionNames=["sts:AssumeRole"],
        ResourceArns=arns,
    )["EvaluationResults"]
    found = {result.get("EvalResourceName", ""): result["EvalDecision"] for result in results}
    for result in results:
        # They are more exact than the one decision for all.
        for one in result.get("ResourceSpecificResults", ()):
            found[one["EvalResourceName"]] = one["EvalResourceDecision"]
    return found


def _accounts(deployment: Deployment) -> set[str]:
    """Return the accounts of the setting, `us-east-1=111122223333,444455556666;eu-west-1=111122223333`."""
    regions = deployment.variables.get("SOURCES", "").split(";")
    return {account for part in regions for account in part.partition("=")[2].split(",") if account}


def _role(deployment: Deployment) -> str:
    """Return the name of the members' role and stack."""
    return f"{deployment.name}Member"


def _arn(deployment: Deployment, account: str, role: str) -> str:
    return f"arn:{deployment.partition}:iam::{account}:role/{role}"


CHECKS = (
    Check("sources", freshness),
    Check("source index", index),
    Check("source roles", roles),
)
