"""The ledger's age, the errors of its syncs, and what refuses them."""

from typing import Any

from job_ledger.command.output import duration_text
from job_ledger.comprehend_medical import NOUNS, SERVICE
from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, CouldNotLook, Finding, counted, named, ok, problem

RUNBOOK = "docs/runbook.md#ledger-stale"
# Another sync overtook it, or the next run resumes it.
NO_FAILURES = ("WalkOvertaken", "DeadlineReached")
# Service control policies, permissions boundaries and other denials are in no template. To find them, IAM simulates
# the actions that each role cannot do without; the keys are prefixes of the roles' logical ids.
_NEEDED = {
    "ApiFunctionRole": ("dynamodb:Query", "lambda:InvokeFunction"),
    "ChangesFunctionRole": ("events:PutEvents", "dynamodb:GetRecords"),
    "DigestFunctionRole": ("sns:Publish", "dynamodb:PutItem", "kms:GenerateDataKey"),
    "OutputsFunctionRole": ("s3:GetObject", "dynamodb:PutItem"),
    "SyncFunctionRole": ("dynamodb:PutItem", "kms:Decrypt", "logs:PutLogEvents"),
    "WidgetFunctionRole": ("dynamodb:Query",),
}


def age(deployment: Deployment) -> Finding:
    """How old each family's jobs are."""
    ages = named(
        f"{family} {duration_text(state.get('AgeSeconds'))}"
        for family, state in deployment.families.items()
    )
    of_source = deployment.of_own_source
    if not deployment.is_recent:
        return problem(f"The ledger{of_source} is stale; its age is {ages}.", RUNBOOK)
    return ok(f"The age of the ledger{of_source} is {ages}.")


def errors(deployment: Deployment) -> Finding:
    """The last sync error of each family, unless a later sync succeeded."""
    errors = {f: s["LastError"]["Name"] for f, s in deployment.families.items() if s["LastError"]}
    found = {family: name for family, name in errors.items() if name not in NO_FAILURES}
    if not found:
        return ok(f"The last sync of each family{deployment.of_own_source} succeeded.")
    text = named(f"{family} {name}" for family, name in found.items())
    return problem(
        f"The last sync{deployment.of_own_source} failed: {text}.", "docs/runbook.md#sync-failing"
    )


def region(deployment: Deployment) -> Finding:
    """Whether the region has Comprehend Medical, and whether it answered."""
    answered = [f for f, s in deployment.families.items() if s.get("AsOf")]
    if answered:
        return ok(f"Comprehend Medical has answered in {deployment.region}.")
    partition = deployment.partition
    known = deployment.aws.session.get_available_regions(SERVICE, partition_name=partition)
    if deployment.region not in known:
        return problem(
            f"botocore knows no Comprehend Medical in {deployment.region}; it is in {named(known)}.",
            "AWS_REGION=… make deploy",
        )
    raise CouldNotLook("Comprehend Medical has not answered a sync yet.", RUNBOOK)


def refused(deployment: Deployment) -> Finding:
    """What IAM, a service control policy or a permissions boundary refuses to the functions' roles."""
    lists = tuple(f"{SERVICE}:List{NOUNS[family]}s" for family in deployment.families)
    needed = {role: actions for p, actions in _NEEDED.items() for role in _roles(deployment, p)}
    for role in _roles(deployment, "SyncFunctionRole"):
        needed[role] += lists
    found = [
        f"{result['EvalActionName']} ({who})"
        for role, actions in needed.items()
        for result in _simulated(deployment, role, actions)
        if (who := _refuser(result))
    ]
    if found:
        return problem(f"Refused to the functions: {named(found)}.", "docs/runbook.md#sync-failing")
    return ok(
        f"No service control policy, boundary or other denial affects {counted(len(needed), 'role')}."
    )


def _roles(deployment: Deployment, prefix: str) -> list[str]:
    return [role.physical_id for role in deployment.of_kind("AWS::IAM::Role", prefix)]


def _simulated(deployment: Deployment, role: str, actions: tuple[str, ...]) -> Any:
    arn = f"arn:{deployment.partition}:iam::{deployment.account}:role/{role}"
    return deployment.call(
        "iam", "SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=list(actions)
    )["EvaluationResults"]


def _refuser(result: dict[str, Any]) -> str:
    """Return what refuses an action. An implicit denial counts only if the action needs no named resource."""
    if result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
        return "a service control policy"
    boundary = result.get("PermissionsBoundaryDecisionDetail", {})
    if boundary.get("AllowedByPermissionsBoundary") is False:
        return "a permissions boundary"
    action = result["EvalActionName"]
    decision = result["EvalDecision"]
    if decision == "explicitDeny" or (
        decision == "implicitDeny" and action.startswith(f"{SERVICE}:")
    ):
        return "IAM"
    return ""


CHECKS = (
    Check("age of the ledger", age),
    Check("sync errors", errors),
    Check("region", region),
    Check("refused to functions", refused),
)
