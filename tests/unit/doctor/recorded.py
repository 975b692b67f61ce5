"""AWS's answers to the doctor, made from botocore's models: a deployment in AWS that works, and what differs."""

import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from botocore.awsrequest import AWSResponse
from botocore.session import Session
from botocore.validate import ParamValidator

from job_ledger.doctor.aws import Aws
from job_ledger.doctor.deployment import Deployment, Resource
from job_ledger.http import Request, Response
from job_ledger.version import VERSION

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:"
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/JobLedger/1"
FAMILIES = ("SNOMEDCT", "PHI")
OUTPUTS = {
    "ApiUrl": f"https://a1b2c3d4e5.execute-api.{REGION}.amazonaws.com/v1",
    "DigestTopicArn": f"{ARN}digests", "JobAlertsTopicArn": f"{ARN}alerts", "LedgerTableName": "ledger",
    "ApiFunctionName": "api", "SyncFunctionName": "sync", "WidgetFunctionName": "widget",
    "OutputsFunctionName": "outputs",
    "ReaderPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/JobLedger-Reader",
    "PublisherPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/JobLedger-Publisher",
}  # fmt: skip
Answer = dict[str, Any] | str | Callable[[dict[str, Any]], dict[str, Any]]


def subscription(protocol: str, endpoint: str, arn: str = f"{ARN}digests:1") -> dict[str, Any]:
    listed = {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": protocol, "Endpoint": endpoint}
    return listed | {"TopicArn": f"{ARN}digests"}


def alarm(name: str, **changed: Any) -> dict[str, Any]:
    described = "Job Ledger: syncs fail again and again. What to do: docs/runbook.md#sync-failing"
    usual = {"StateValue": "OK", "StateUpdatedTimestamp": NOW, "ActionsEnabled": True}
    return {"AlarmName": name, "AlarmDescription": described} | usual | changed


def metrics(**values: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Values of metrics by name; the doctor's own heartbeats have one unless they are given."""
    known = {"SyncSeconds": 15.0, "AsOfAgeSeconds": 20.0} | values

    def answer(parameters: dict[str, Any]) -> dict[str, Any]:
        results = []
        for query in parameters["MetricDataQueries"]:
            value = known.get(query["MetricStat"]["Metric"]["MetricName"])
            results.append({"Id": query["Id"], "Values": [value] if value else []})
        return {"MetricDataResults": results}

    return answer


def table(name: str, **changed: Any) -> dict[str, Any]:
    indexes = [{"IndexName": "ByStatus"}] if name == "ledger" else []
    usual = {"TableStatus": "ACTIVE", "DeletionProtectionEnabled": True, "TableSizeBytes": 2**30}
    described = {"TableName": name, "GlobalSecondaryIndexes": indexes} | usual | changed
    return {"Table": described}


def function(name: str, **changed: Any) -> dict[str, Any]:
    usual = {"Handler": "jobledger.handlers.x.handler", "CodeSha256": "one", "MemorySize": 512}
    usual |= {"Environment": {"Variables": {"SYNC_MINUTES": "1"}}}
    ready = {"FunctionName": name, "State": "Active", "LastUpdateStatus": "Successful"}
    return usual | ready | changed


def template(**ledger: Any) -> dict[str, Any]:
    """The template's table with these properties."""
    return {"TemplateBody": json.dumps({"Resources": {"LedgerB7379752": {"Properties": ledger}}})}


PATTERN = {"source": ["jobledger"], "detail": {"JobStatus": ["FAILED"]}}
RULE = {"State": "ENABLED", "EventPattern": json.dumps(PATTERN)}
RECOVERY = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35}
BACKUPS = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": RECOVERY}
HEALTHY: dict[str, Answer] = {
    "apigateway.GetAccount": {"cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/logs"},
    "apigateway.GetRestApi": {"name": "Rest"}, "cloudformation.DescribeStacks": {}, "cloudformation.ListStackResources": {},
    "cloudformation.GetTemplate": template(DeletionProtectionEnabled=True),
    "cloudwatch.DescribeAlarms": lambda p: {"MetricAlarms": [alarm(n) for n in p["AlarmNames"]]},
    "cloudwatch.GetMetricData": metrics(),
    "cloudwatch.ListMetrics": {"Metrics": [{"MetricName": "AsOfAgeSeconds"}] * 14},
    "dynamodb.DescribeContinuousBackups": {"ContinuousBackupsDescription": BACKUPS},
    "dynamodb.DescribeTable": lambda p: table(p["TableName"]),
    "dynamodb.DescribeTimeToLive": {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}},
    "events.DescribeRule": RULE, "events.ListRules": {"Rules": [{"Name": "loads", **RULE}]},
    "events.ListTargetsByRule": {"Targets": [{"Id": "1", "Arn": f"{ARN}alerts", "DeadLetterConfig": {"Arn": f"{ARN}q"}}]},
    "iam.SimulatePrincipalPolicy": lambda p: {
        "EvaluationResults": [{"EvalActionName": n, "EvalDecision": "allowed"} for n in p["ActionNames"]]
    },
    "kms.DescribeKey": {"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}},
    "lambda.GetAccountSettings": {"AccountLimit": {"UnreservedConcurrentExecutions": 1000}},
    "lambda.GetEventSourceMapping": {"State": "Enabled", "LastProcessingResult": "OK"},
    "lambda.GetFunctionConfiguration": lambda p: function(p["FunctionName"]),
    "lambda.Invoke": {"StatusCode": 204}, "logs.DescribeLogStreams": {"logStreams": [{"logStreamName": "s"}]},
    "scheduler.GetSchedule": {"State": "ENABLED", "CreationDate": NOW, "ScheduleExpression": "cron(0 8 * * ? *)",
                              "ScheduleExpressionTimezone": "Europe/Zurich"},
    "sns.GetTopicAttributes": {"Attributes": {"SubscriptionsPending": "0"}},
    "sns.ListSubscriptionsByTopic": {"Subscriptions": [subscription("email", "a@example.org")]},
    "sqs.GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
    "sts.GetCallerIdentity": {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/analyst/me"},
}  # fmt: skip
PROBLEM = {"title": "AccessDeniedException", "status": 403}
DENIED = (403, PROBLEM | {"detail": "The caller is not authorized to make this request."})


def health(**changed: Any) -> dict[str, Any]:
    usual = {"AsOf": "2026-11-30T11:59:40.000Z", "AgeSeconds": 20.0, "LastError": None}
    return {"Status": "ok", "Families": dict.fromkeys(FAMILIES, usual | changed)}


DOCUMENTS: dict[str, tuple[int, Any]] = {
    "GET /health": (200, health()),
    "GET /openapi.json": (200, {"info": {"version": VERSION}}),
    "GET /jobs": (200, {"ComprehendMedicalAsyncJobPropertiesList": []}),
    "GET /digests": (200, {"DigestId": "d", "Window": {"End": "2026-11-30T06:58:00.000Z"}}),
    "POST /digests": (400, {"title": "ValidationException", "detail": "…"}),
}


@dataclass
class RecordedApi:
    """The API: other paths than these answer 200 with a page."""

    documents: dict[str, tuple[int, Any]]
    date: datetime

    def send(self, request: Request) -> Response:
        status, document = self.documents.get(f"{request.method} {request.path}", (200, "page"))
        headers = {"date": f"{self.date:%a, %d %b %Y %H:%M:%S GMT}"}
        return Response(status, headers, json.dumps(document).encode())


class RecordedAws(Aws):
    """Real clients, whose requests are answered before they are sent.

    Those of all deployments are the same: to make them takes most of the time of a test.
    """

    turn = threading.RLock()
    """An answer is to the parameters of one call at a time, which `caller` made."""
    caller: "RecordedAws"

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(_session())
        self.answers, self.calls = answers, set[str]()
        self.given: dict[str, Any] = {}

    def answer(self, model: Any) -> tuple[AWSResponse, dict[str, Any]]:
        name = f"{model.service_model.service_name}.{model.name}"
        self.calls.add(name)
        answer = self.answers[name]
        if isinstance(answer, str):
            return AWSResponse("", 400, {}, None), {"Error": {"Code": answer, "Message": ""}}
        found = answer(self.given) if callable(answer) else answer
        if model.output_shape is None:
            assert found == {}
        else:
            report = ParamValidator().validate(found, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return AWSResponse("", 200, {}, None), found | {"ResponseMetadata": {}}

    def client(self, service: str) -> Any:
        with self.turn:
            return self._clients.get(service) or _client(service)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        with self.turn:
            RecordedAws.caller, self.given = self, parameters
            return super().call(service, operation, **parameters)


@functools.cache
def _session() -> Session:
    session = Session()
    session.set_credentials("key", "secret")
    session.set_config_variable("region", REGION)
    session.register("before-call", lambda model, **_: RecordedAws.caller.answer(model))
    return session


@functools.cache
def _client(service: str) -> Any:
    return _session().create_client(service)


def deployed(answers: Mapping[str, Any] | None = None, *, clock=timedelta(), **outputs: str):
    """A deployment in AWS that works, but for these answers of AWS (`sns.Publish`) and of its API (`GET /jobs`)."""
    of_api = {name: answer for name, answer in (answers or {}).items() if " " in name}
    of_aws = {name: answer for name, answer in (answers or {}).items() if " " not in name}
    ids = json.loads((ROOT / "tests/infrastructure/logical_ids.json").read_text())["default"]
    names = {"LedgerB7379752": "ledger"}  # as the output says; the others are called by their ids
    resources = tuple(Resource(n, names.get(n, n), ids[n], "CREATE_COMPLETE") for n in ids)
    listed = [{"OutputKey": k, "OutputValue": v} for k, v in (OUTPUTS | outputs).items()]
    stack: dict[str, Any] = {"StackId": STACK, "StackStatus": "UPDATE_COMPLETE", "Outputs": listed}
    stack |= {"CreationTime": NOW - timedelta(days=400)}
    api: Any = RecordedApi(DOCUMENTS | of_api, datetime.now(UTC) + clock)
    return Deployment(RecordedAws(HEALTHY | of_aws), "JobLedger", stack, resources, api, NOW)


def actions(policy: str) -> set[str]:
    """The actions that a documented policy allows."""
    statements = json.loads((ROOT / "docs" / policy).read_text(encoding="utf-8"))["Statement"]
    listed = (s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in statements)
    return {action for several in listed for action in several}


def calls(deployment: Deployment) -> set[str]:
    """The calls of AWS that were made."""
    return cast(RecordedAws, deployment.aws).calls
