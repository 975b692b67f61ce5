"""What the person who runs the doctor may call, and whether their clock and signature are right."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from job_ledger.answers import JSON
from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, CouldNotLook, Finding, counted, named, ok, problem
from job_ledger.http import Request, Response

# One cheap request for each route. A job or digest that does not exist answers 404, which is good enough.
ROUTES = (
    "/health",
    "/jobs?MaxResults=1",
    "/jobs/00000000000000000000000000000000",
    "/summary",
    "/digests",
    "/openapi.json",
    "/docs",
    "/board",
    "/board/jobs/00000000000000000000000000000000",
)
# AWS refuses signatures that are five minutes off.
_SKEW_SECONDS = 60
_ATTACHED = re.compile(r":assumed-role/(?P<role>[^/]+)/|:user/(?:.*/)?(?P<user>[^/]+)$")


def reads(deployment: Deployment) -> Finding:
    """Whether the caller may read each route."""
    answers = {route: _get(deployment, route) for route in ROUTES}
    refused = {route: answer for route, answer in answers.items() if answer.status == 403}
    if refused:
        return _refused(deployment, refused, "ReaderPolicyArn")
    failed = {r: a for r, a in answers.items() if a.status >= 500 and r != "/health"}
    if failed:
        route, answer = next(iter(failed.items()))
        return problem(
            f"GET {route.partition('?')[0]} answers {answer.status}.", "docs/runbook.md#api-errors"
        )
    return ok(f"{counted(len(answers), 'route')} answer these credentials.")


def publishes(deployment: Deployment) -> Finding:
    """Whether the caller may publish digests. The request is invalid, so it publishes nothing."""
    body = json.dumps({"WindowStart": "doctor", "WindowEnd": "doctor"}).encode()
    headers = {"Accept": JSON, "Content-Type": JSON}
    answer = deployment.send(Request("POST", "/digests", [], headers, body))
    if answer.status == 403:
        return _refused(deployment, {"POST /digests": answer}, "PublisherPolicyArn")
    if answer.status != 400:
        raise CouldNotLook(
            f"POST /digests answers {answer.status}, not 400, to a request that is not valid.",
            "docs/runbook.md#api-errors",
        )
    return ok("These credentials may publish digests.")


def clock(deployment: Deployment) -> Finding:
    """Whether this machine's clock agrees with AWS's."""
    answer = _get(deployment, "/health")
    sent = answer.headers.get("date")
    if sent is None:
        raise CouldNotLook("The answer has no Date.", "docs/api.md#calling-the-api")
    ahead = (datetime.now(UTC) - parsedate_to_datetime(sent)).total_seconds()
    if abs(ahead) > _SKEW_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        return problem(
            f"This machine's clock is {abs(ahead):.0f} s {side} AWS's: signatures fail from 300 s.",
            "sudo timedatectl set-ntp true",
        )
    return ok("This machine's clock agrees with AWS's, and signatures are accepted.")


def _get(deployment: Deployment, route: str) -> Response:
    path, _, query = route.partition("?")
    pairs = [(name, value) for name, _, value in [query.partition("=")] if name]
    return deployment.send(Request("GET", path, pairs, {"Accept": "*/*"}))


def _refused(deployment: Deployment, refused: dict[str, Response], policy: str) -> Finding:
    routes = named(route.partition("?")[0] for route in refused)
    detail = _detail(next(iter(refused.values())))
    if "not authorized" not in detail:
        return problem(f"{detail} ({routes})", "docs/api.md#calling-the-api")
    arn = deployment.outputs.get(policy, policy)
    return problem(
        f"These credentials may not call {routes}: the policy {policy} is missing.",
        _attach(deployment, arn),
    )


def _detail(answer: Response) -> str:
    try:
        return str(json.loads(answer.body)["detail"])
    except (ValueError, LookupError, TypeError):
        return "The API refuses the request."


def _attach(deployment: Deployment, policy: str) -> str:
    """Return the command that attaches a policy to the caller."""
    caller = deployment.call("sts", "GetCallerIdentity")["Arn"]
    match = _ATTACHED.search(caller)
    if match is None:
        return "docs/security.md#access"
    if match["user"]:
        return f"aws iam attach-user-policy --user-name {match['user']} --policy-arn {policy}"
    if match["role"].startswith("AWSReservedSSO_"):
        return f"Add {policy} to the permission set of {match['role']} in IAM Identity Center"
    return f"aws iam attach-role-policy --role-name {match['role']} --policy-arn {policy}"


CHECKS = (
    Check("read the API", reads),
    Check("publish digests", publishes),
    Check("clock and signature", clock),
)
