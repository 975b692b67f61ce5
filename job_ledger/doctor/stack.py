"""The stack, the versions, and how its first sync ended."""

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, counted, named, ok, problem
from job_ledger.version import VERSION

_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_EVENTS = "aws cloudformation describe-stack-events --stack-name"


def complete(deployment: Deployment) -> Finding:
    """Whether CloudFormation has finished the stack and each of its resources."""
    status = deployment.stack["StackStatus"]
    rest = [r.logical_id for r in deployment.resources if r.status not in _DONE]
    if status not in _DONE:
        return problem(f"The stack is {status}.", f"{_EVENTS} {deployment.name}")
    if rest:
        return problem(f"Not complete: {named(rest[:3])}.", f"{_EVENTS} {deployment.name}")
    return ok(f"{status} with {counted(len(deployment.resources), 'resource')}.")


def versions(deployment: Deployment) -> Finding:
    """Whether the functions and this command have the same version."""
    deployed = str(deployment.document("/openapi.json").get("info", {}).get("version", "unknown"))
    if deployed == VERSION:
        return ok(f"The functions and this command are version {VERSION}.")
    return problem(
        f"The functions are version {deployed}, this command is {VERSION}.",
        "pip install .   (in the checkout that was deployed)",
    )


def functions(deployment: Deployment) -> Finding:
    """Whether each function is ready, and all have the same code."""
    found = deployment.functions
    waiting = [
        logical_id
        for logical_id, it in found.items()
        if it.get("State", "Active") not in ("Active", "Inactive")  # Inactive: not called for weeks
        or it.get("LastUpdateStatus", "Successful") != "Successful"
    ]
    if waiting:
        return problem(f"Not ready: {named(waiting)}.", "make deploy")
    ours = {it["CodeSha256"] for it in found.values() if it["Handler"].startswith("jobledger.")}
    if len(ours) > 1:
        return problem(
            "The functions have different states of the code: an update did not reach all.",
            "make deploy",
        )
    return ok(f"{counted(len(found), 'function')} are ready, with the same code.")


def first_sync(deployment: Deployment) -> Finding:
    """How the sync during the deployment ended, as an output of the stack says."""
    missing = [family for family, state in deployment.families.items() if not state.get("AsOf")]
    outcome = deployment.outputs.get("FirstSync", "unknown" if missing else "succeeded")
    if missing:
        return problem(
            f"First sync: {outcome}. No sync of {named(missing)} has ended yet.",
            "docs/runbook.md#ledger-stale",
        )
    later = "" if outcome == "succeeded" else ". Later syncs have caught up"
    return ok(f"First sync: {outcome}{later}.")


CHECKS = (
    Check("stack", complete),
    Check("version", versions),
    Check("functions", functions),
    Check("first sync", first_sync),
)
