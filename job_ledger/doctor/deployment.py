"""A deployment as CloudFormation describes it, and the calls with which checks look at it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from job_ledger.answers import JSON
from job_ledger.doctor.aws import Aws
from job_ledger.doctor.findings import CouldNotLook, Gone
from job_ledger.errors import ApiError, JobLedgerError
from job_ledger.http import Http, Request, Response
from job_ledger.location import STACK, is_loopback, open_session


@dataclass(frozen=True)
class Resource:
    """One resource of the stack."""

    logical_id: str
    physical_id: str
    kind: str
    status: str


@dataclass
class Deployment:
    """One stack. What several checks read is read once."""

    aws: Aws
    name: str
    stack: dict[str, Any]
    resources: tuple[Resource, ...]
    http: Http | None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack."""
        return {o["OutputKey"]: o["OutputValue"] for o in self.stack.get("Outputs", ())}

    @property
    def partition(self) -> str:
        """The partition of the stack: aws, or that of a government or a country."""
        return str(self.stack["StackId"].split(":")[1])

    @property
    def region(self) -> str:
        """The region of the stack."""
        return str(self.stack["StackId"].split(":")[3])

    @property
    def account(self) -> str:
        """The account of the stack."""
        return str(self.stack["StackId"].split(":")[4])

    @property
    def service(self) -> str:
        """The value of the dimension `service` of the deployment's metrics."""
        return "job-ledger" if self.name == STACK else f"job-ledger-{self.name}"

    @property
    def event_source(self) -> str:
        """The source of the deployment's change events."""
        return "jobledger" if self.name == STACK else f"jobledger.{self.name}"

    @property
    def is_local(self) -> bool:
        """Whether this is a local AWS, by its address."""
        return is_loopback(self.aws.client("cloudformation").meta.endpoint_url)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Return an answer of AWS. Raises CouldNotLook."""
        return self.aws.call(service, operation, **parameters)

    def of_kind(self, kind: str, prefix: str = "") -> list[Resource]:
        """Return the resources of a CloudFormation type whose logical id has this prefix."""
        return [r for r in self.resources if r.kind == kind and r.logical_id.startswith(prefix)]

    def one(self, kind: str, prefix: str) -> str:
        """Return the physical id of the one resource of a type with this prefix. Raises CouldNotLook."""
        found = self.of_kind(kind, prefix)
        if not found:
            raise CouldNotLook(f"The stack has no {kind} {prefix}.", "docs/operations.md#diagnosis")
        return found[0].physical_id

    def output(self, name: str) -> str:
        """Return an output. Raises CouldNotLook."""
        if name not in self.outputs:
            raise CouldNotLook(f"The stack has no output {name}.", "make deploy")
        return self.outputs[name]

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The configurations of the stack's functions by logical id."""
        return {
            r.logical_id: self.call(
                "lambda", "GetFunctionConfiguration", FunctionName=r.physical_id
            )
            for r in self.of_kind("AWS::Lambda::Function")
        }

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment variables of the API function: the settings of the deployment."""
        name = self.output("ApiFunctionName")
        answer = self.call("lambda", "GetFunctionConfiguration", FunctionName=name)
        found: dict[str, str] = answer.get("Environment", {}).get("Variables", {})
        return found

    @property
    def sync_minutes(self) -> int:
        """The interval of syncs."""
        return int(self.variables.get("SYNC_MINUTES", "1"))

    def send(self, request: Request) -> Response:
        """Return the API's answer, whatever its status. Raises CouldNotLook when there is none."""
        if self.http is None:
            raise CouldNotLook("The stack has no output ApiUrl.", "make deploy")
        try:
            return self.http.send(request)
        except JobLedgerError as error:
            raise CouldNotLook(str(error), "docs/api.md#calling-the-api") from error

    def document(
        self, path: str, *more: int, query: Sequence[tuple[str, str]] = ()
    ) -> dict[str, Any]:
        """Return the API's document at a path, with the status 200 or one of `more`."""
        answer = self.send(Request("GET", path, list(query), headers={"Accept": JSON}))
        if answer.status == 403:
            meaning = f"The API refuses GET {path} to these credentials."
            raise CouldNotLook(meaning, "docs/security.md#access", "execute-api:Invoke")
        try:
            found = answer.json
        except ApiError:
            found = None
        if answer.status not in (200, *more) or not isinstance(found, dict):
            raise CouldNotLook(f"GET {path} answers {answer.status}.", "docs/runbook.md#api-errors")
        return found

    @cached_property
    def health(self) -> dict[str, Any]:
        """The answer of GET /health, which is a problem with the status 503 when the ledger is stale."""
        return self.document("/health", 503)

    @property
    def has_sources(self) -> bool:
        """Whether the setting `sources` is there: only then the role of the sync has a name of its own."""
        roles = self.of_kind("AWS::IAM::Role", "SyncFunctionRole")
        return any(role.physical_id == f"{self.name}-Sync" for role in roles)

    @property
    def sources(self) -> list[dict[str, Any]]:
        """The state of each source of a ledger that has several. Raises CouldNotLook."""
        found: list[dict[str, Any]] = self.health.get("Sources", [])
        return found

    @property
    def _own(self) -> dict[str, Any] | None:
        """The state of the deployment's own source, when it is one of several."""
        own = (self.account, self.region)
        return next((s for s in self.sources if (s["Account"], s["Region"]) == own), None)

    @property
    def of_own_source(self) -> str:
        """Return " of ACCOUNT/REGION" when the own source is one of several, otherwise nothing."""
        own = self._own
        return f" of {own['Account']}/{own['Region']}" if own else ""

    @property
    def is_recent(self) -> bool:
        """Whether the own source was synced in time; without an own one, whether all were. Raises CouldNotLook."""
        own = self._own
        return bool(own["Healthy"]) if own else self.health.get("Status") == "ok"

    @property
    def families(self) -> dict[str, dict[str, Any]]:
        """AsOf, age and last error of each family of the own source. Raises CouldNotLook."""
        found = (self._own or self.health).get("Families")
        if not isinstance(found, dict):
            raise CouldNotLook("GET /health has no families.", "docs/runbook.md#api-errors")
        return found


def find_deployment(
    name: str, url: str | None, profile: str | None, region: str | None
) -> Deployment:
    """Return the deployment of a stack. Raises CouldNotLook, and Gone when there is no such stack."""
    aws = Aws(open_session(profile, region))
    stack = _stack(aws, name)
    resources = tuple(
        Resource(
            found["LogicalResourceId"],
            found.get("PhysicalResourceId", ""),
            found["ResourceType"],
            found["ResourceStatus"],
        )
        for found in aws.pages(
            "cloudformation", "ListStackResources", "StackResourceSummaries", StackName=name
        )
    )
    deployment = Deployment(aws, name, stack, resources, None)
    address = url or os.environ.get("JOB_LEDGER_URL") or _address(deployment)
    if address:
        try:
            deployment.http = Http(address, profile, region)
        except JobLedgerError as error:
            raise CouldNotLook(str(error), "jobledger doctor --url …") from error
    return deployment


def _stack(aws: Aws, name: str) -> dict[str, Any]:
    try:
        answer = aws.call("cloudformation", "DescribeStacks", StackName=name)
    except CouldNotLook as error:
        cause = error.__cause__
        code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
        if code != "ValidationError":
            raise
        where = aws.client("cloudformation").meta.region_name
        raise Gone(
            f"There is no stack {name} in {where} of this account.",
            "make deploy   (or choose with --name, --profile and --region)",
        ) from error
    stack: dict[str, Any] = answer["Stacks"][0]
    return stack


def _address(deployment: Deployment) -> str | None:
    """Return the API's address; the local AWS serves an API below its own address."""
    address = deployment.outputs.get("ApiUrl")
    if address is None or not deployment.is_local:
        return address
    parts = urlsplit(address)
    endpoint = deployment.aws.client("cloudformation").meta.endpoint_url.rstrip("/")
    api = (parts.hostname or "").split(".")[0]
    return f"{endpoint}/restapis/{api}{parts.path}/_user_request_"
