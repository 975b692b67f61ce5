"""All that the roles of the stack may do: each statement, by role. Nothing else is allowed.

A statement is its actions, its resources (by path) and its conditions.
"""

from typing import Any, NamedTuple

from local.comprehend_medical.families import NOUNS
from tests.infrastructure.chosen import OUTPUTS


class Allowed(NamedTuple):
    """One statement."""

    actions: set[str]
    resources: set[str]
    conditions: dict[str, Any] = {}  # noqa: RUF012 # a NamedTuple's default is never changed


def _service(service: str, actions: str) -> set[str]:
    return {f"{service}:{action}" for action in actions.split()}


def _through(service: str) -> dict[str, Any]:
    return {"StringEquals": {"kms:ViaService": f"{service}.AWS::Region.amazonaws.com"}}


KEY = {"Key.Arn"}
ENCRYPT = "Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo"
USE = _service("kms", f"Decrypt DescribeKey {ENCRYPT}")
LOGS_KEY = {"UseKeyOfLogs": Allowed(USE, KEY, _through("logs"))}
WRITE_LOGS = _service("logs", "CreateLogStream PutLogEvents")


def _logs(function: str) -> dict[str, Allowed]:
    return LOGS_KEY | {
        "WriteLogs": Allowed(WRITE_LOGS, {f"{function}Logs.Arn"}),
        "WriteTraces": Allowed(_service("xray", "PutTelemetryRecords PutTraceSegments"), {"*"}),
    }


FRAMEWORK_LOGS = LOGS_KEY | {"WriteLogs": _logs("Lookup/")["WriteLogs"]}
NAMES = ("ByStatus", "ByName", "ByNameAndStatus", "ById", "BySource")
INDEXES = {f"Ledger.Arn/index/{name}" for name in NAMES}
LEDGER = {"Ledger.Arn", *INDEXES}
READ = {
    "ReadLedger": Allowed(_service("dynamodb", "BatchGetItem GetItem Query"), LEDGER),
    "ReadTables": Allowed(_service("kms", "Decrypt DescribeKey"), KEY, _through("dynamodb")),
}
LIST = READ | {"ReadLedger": Allowed(_service("dynamodb", "BatchGetItem Query"), LEDGER)}
FIND = READ | {"ReadLedger": Allowed(_service("dynamodb", "GetItem Query"), LEDGER)}
QUERY = READ | {"ReadLedger": Allowed({"dynamodb:Query"}, LEDGER)}
WRITE = {"WriteTables": Allowed(_service("kms", ENCRYPT), KEY, _through("dynamodb"))}
WRITE_SENT = _service("dynamodb", "DeleteItem PutItem UpdateItem")
IDEMPOTENCY = WRITE | {"KeepResults": Allowed(WRITE_SENT, {"Digest/Sent.Arn"})}
SEND = _service("kms", "Decrypt GenerateDataKey")


def _dead_letters(queue: str) -> dict[str, Allowed]:
    return {
        "SendDeadLetters": Allowed({"sqs:SendMessage"}, {f"{queue}.Arn"}),
        "UseKeyOfQueue": Allowed(SEND, KEY, _through("sqs")),
    }


CALL = _service("lambda", "GetFunction InvokeFunction")


def _invoke(function: str, sid: str = "Invoke") -> dict[str, Allowed]:
    return {sid: Allowed({"lambda:InvokeFunction"}, {f"{function}.Arn"})}


def _call_handler(function: str) -> dict[str, Allowed]:
    return {"CallHandler": Allowed(CALL, {f"{function}.Arn"})}


def _rows(operator: str, *keys: str) -> dict[str, Any]:
    """Only these partition keys, and never a request without one."""
    return {
        f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": [*keys]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


WRITE_JOBS = _service("dynamodb", "ConditionCheckItem PutItem UpdateItem")
SCOPE = "AWS::AccountId/AWS::Region"
OUTPUT_ROWS = (*(f"{SCOPE}/{family.value}" for family in NOUNS), f"{SCOPE}#totals#*")
WAITING_ROWS = f"{SCOPE}#outputs"
ONLY_JOB_ROWS = _rows("StringLike", f"{SCOPE}/*", f"{SCOPE}#*", "state")
ONLY_OUTPUT_ROWS = _rows("StringLike", *OUTPUT_ROWS, WAITING_ROWS)
ONLY_WAITING_ROWS = _rows("StringLike", WAITING_ROWS)
ONLY_DIGEST_ROWS = _rows("StringEquals", "digest")
WRITE_OUTPUTS = _service("dynamodb", "PutItem UpdateItem")
MANIFESTS = {
    f"arn:AWS::Partition:s3:::{location}{pattern}"
    for location in ("codes/", "notes/out/2026")
    for pattern in ("*Manifest", "*Manifest_*")
}
MEMBERS = {
    f"arn:AWS::Partition:iam::{account}:role/JobLedgerMember"
    for account in ("222233334444", "333344445555")
}
READ_STREAM = _service("dynamodb", "DescribeStream GetRecords GetShardIterator ListStreams")
EVENT_BUS = "arn:AWS::Partition:events:AWS::Region:AWS::AccountId:event-bus/default"
ONLY_OWN_EVENTS = {"StringEquals": {"events:source": "jobledger"}}
RECEIVE = _service("sqs", "DeleteMessage ReceiveMessage")
POLLED = [f"Lookup/Provider/framework-{name}.Arn" for name in ("isComplete", "onTimeout")]
WAITER = "Lookup/Provider/waiter-state-machine"
READ_JOBS = " ".join(f"List{noun}s Describe{noun}" for noun in NOUNS.values())

# The role's path: its statements by `Sid`.
ROLES: dict[str, dict[str, Allowed]] = {
    "Api/FunctionRole": _logs("Api/Function")
    | READ
    | IDEMPOTENCY
    | _invoke("Sync/Function", "InvokeSync")
    | _invoke("Digest/Function", "InvokeDigest"),
    "Widget/FunctionRole": _logs("Widget/Function") | LIST,
    "Sync/FunctionRole": _logs("Sync/Function")
    | READ
    | WRITE
    | {
        "WriteLedger": Allowed(WRITE_JOBS, {"Ledger.Arn"}),
        "RemoveRows": Allowed({"dynamodb:DeleteItem"}, {"Ledger.Arn"}, ONLY_JOB_ROWS),
        "ReadJobs": Allowed(_service("comprehendmedical", READ_JOBS), {"*"}),
        "AssumeMembers": Allowed({"sts:AssumeRole"}, MEMBERS),
    },
    "Sync/FirstSync/FunctionRole": _logs("Sync/FirstSync/Function") | _invoke("Sync/Function"),
    "Digest/FunctionRole": _logs("Digest/Function")
    | READ
    | IDEMPOTENCY
    | _dead_letters("Digest/Undelivered")
    | {
        "WriteOwnRows": Allowed({"dynamodb:PutItem"}, {"Ledger.Arn"}, ONLY_DIGEST_ROWS),
        "UseKeyOfTopics": Allowed(SEND, KEY, _through("sns")),
        "PublishDigests": Allowed({"sns:Publish"}, {"Digest/Topic"}),
        "PublishToChat": Allowed({"sns:Publish"}, {"Digest/ChatTopic"}),
    },
    "Changes/FunctionRole": _logs("Changes/Function")
    | _dead_letters("Changes/Undelivered")
    | {
        "ReadStream": Allowed(READ_STREAM, {"Ledger.StreamArn"}),
        "ReadTables": READ["ReadTables"],
        "ReadJobName": Allowed({"dynamodb:GetItem"}, {"Ledger.Arn"}),
        "PutEvents": Allowed({"events:PutEvents"}, {EVENT_BUS}, ONLY_OWN_EVENTS),
    },
    "Outputs/FunctionRole": _logs("Outputs/Function")
    | FIND
    | WRITE
    | _dead_letters("Digest/Undelivered")
    | {
        "ReadStream": Allowed(READ_STREAM, {"Ledger.StreamArn"}),
        "WriteOutputs": Allowed(WRITE_OUTPUTS, {"Ledger.Arn"}, ONLY_OUTPUT_ROWS),
        "RemoveWaiting": Allowed({"dynamodb:DeleteItem"}, {"Ledger.Arn"}, ONLY_WAITING_ROWS),
        "ReadManifests": Allowed({"s3:GetObject"}, MANIFESTS),
        "DecryptManifests": Allowed({"kms:Decrypt"}, {OUTPUTS["outputKeyArns"]}, _through("s3")),
    },
    "JobAlerts/FunctionRole": _logs("JobAlerts/Function")
    | QUERY
    | {
        "ReceiveMessages": Allowed(RECEIVE, {"JobAlerts/Waiting.Arn"}),
        "UseKeyOfQueue": Allowed({"kms:Decrypt"}, KEY, _through("sqs")),
        "UseKeyOfTopics": Allowed(SEND, KEY, _through("sns")),
        "PublishAlerts": Allowed({"sns:Publish"}, {"JobAlerts/Topic"}),
        "PublishAlertsToChat": Allowed({"sns:Publish"}, {"Digest/ChatTopic"}),
    },
    "SchedulerRoleForTarget-1b2b2b": _invoke("Sync/Function"),
    "SchedulerRoleForOutputs": _invoke("Outputs/Function"),
    "SchedulerRoleForAlerts": _invoke("JobAlerts/Function"),
    "SchedulerRoleForTarget-91eb27": _invoke("Api/Function"),
    "SchedulerRoleForTarget-b6b93d": _invoke("Digest/Function")
    | _dead_letters("Digest/Undelivered"),
    "Lookup/OnEventRole": _logs("Lookup/OnEvent")
    | {"EncryptProperties": Allowed({"kms:Encrypt"}, KEY)},
    "Lookup/IsCompleteRole": _logs("Lookup/IsComplete")
    | QUERY
    | _invoke("Sync/Function")
    | {"DecryptProperties": Allowed({"kms:Decrypt"}, KEY)},
    "Lookup/FrameworkOnEventRole": FRAMEWORK_LOGS
    | _call_handler("Lookup/OnEvent")
    | {"StartPolling": Allowed({"states:StartExecution"}, {WAITER})},
    "Lookup/FrameworkIsCompleteRole": FRAMEWORK_LOGS | _call_handler("Lookup/IsComplete"),
    # CDK's own, without a Sid.
    f"{WAITER}/Role": {
        "": Allowed(
            {"lambda:InvokeFunction"}, {f"{each}{v}" for each in POLLED for v in ("", ":*")}
        )
    },
    # One role for the account, with AWS's policy for it.
    "Api/Rest/CloudWatchRole": {},
}
