"""Each permission of each role: the use that fails without it, or why none does on this AWS.

`tests/infrastructure/allowed.py` lists what the roles may do, and `tests/infrastructure/test_roles.py` holds the
template to it: that is the only proof for the permissions that have a reason here instead of a use.
"""

from tests.e2e import permission_uses as uses
from tests.e2e.permission_uses import Use

Permission = tuple[str, str, str]
"""The role's path, the statement's `Sid` and the action."""


def _of(role: str, uses_of: dict[tuple[str, str], Use]) -> dict[Permission, Use]:
    return {(role, sid, action): use for (sid, action), use in uses_of.items()}


def _results(repeated: Use, after_an_error: Use) -> dict[tuple[str, str], Use]:
    return {
        ("KeepResults", "dynamodb:PutItem"): repeated,
        ("KeepResults", "dynamodb:UpdateItem"): repeated,
        ("KeepResults", "dynamodb:DeleteItem"): after_an_error,
    }


_QUERY, _GET = ("ReadLedger", "dynamodb:Query"), ("ReadLedger", "dynamodb:GetItem")
_GET_MANY = ("ReadLedger", "dynamodb:BatchGetItem")
_INVOKE = "lambda:InvokeFunction"

NEEDED: dict[Permission, Use] = (
    _of(
        "Sync/FunctionRole",
        {
            _GET: uses.sync,
            _GET_MANY: uses.sync,
            _QUERY: uses.recount,
            ("WriteLedger", "dynamodb:PutItem"): uses.sync,
            ("WriteLedger", "dynamodb:UpdateItem"): uses.sync,
            ("WriteLedger", "dynamodb:ConditionCheckItem"): uses.sync,
            ("RemoveRows", "dynamodb:DeleteItem"): uses.end_of_a_job,
        },
    )
    | _of(
        "Api/FunctionRole",
        _results(uses.keyed_list, uses.keyed_list_after_an_error)
        | {
            _QUERY: uses.page,
            _GET: uses.last_digest,
            _GET_MANY: uses.summary_with_an_active_job,
            ("InvokeSync", _INVOKE): uses.consistent_page,
            ("InvokeDigest", _INVOKE): uses.requested_digest,
        },
    )
    | _of(
        "Digest/FunctionRole",
        _results(uses.digest_repeated, uses.digest_after_an_error)
        | {
            _QUERY: uses.digest,
            _GET: uses.digest,
            _GET_MANY: uses.digest_with_an_active_job,
            ("WriteOwnRows", "dynamodb:PutItem"): uses.digest,
            ("PublishDigests", "sns:Publish"): uses.digest_by_role_only,
            ("PublishToChat", "sns:Publish"): uses.chat_digest_by_role_only,
        },
    )
    | _of(
        "Changes/FunctionRole",
        {
            ("ReadJobName", "dynamodb:GetItem"): uses.changes,
            ("PutEvents", "events:PutEvents"): uses.changes,
        },
    )
    | _of(
        "JobAlerts/FunctionRole",
        {
            ("ReceiveMessages", "sqs:ReceiveMessage"): uses.alert,
            ("ReceiveMessages", "sqs:DeleteMessage"): uses.alert,
            ("PublishAlerts", "sns:Publish"): uses.alert_by_role_only,
            ("PublishAlertsToChat", "sns:Publish"): uses.chat_alert_by_role_only,
        },
    )
    | _of(
        "Widget/FunctionRole",
        {
            _QUERY: uses.widget,
            _GET: uses.widget_of_active_jobs,
            _GET_MANY: uses.widget_of_active_jobs,
        },
    )
    | _of("Lookup/OnEventRole", {("EncryptProperties", "kms:Encrypt"): uses.look_up})
    | _of(
        "Lookup/IsCompleteRole",
        {
            _QUERY: uses.look_up,
            ("DecryptProperties", "kms:Decrypt"): uses.look_up,
            ("Invoke", _INVOKE): uses.look_up_after_a_sync,
        },
    )
    | _of(
        "Lookup/FrameworkOnEventRole",
        {
            ("CallHandler", _INVOKE): uses.deployed_look_up,
            ("StartPolling", "states:StartExecution"): uses.deployed_look_up,
        },
    )
    | _of(
        "Lookup/FrameworkIsCompleteRole",
        {("CallHandler", _INVOKE): uses.framework_of_look_ups},
    )
    | _of("Sync/FirstSync/FunctionRole", {("Invoke", _INVOKE): uses.first_sync})
)

# By statement: what MiniStack does itself, without the role, or what the functions do only in rare cases.
OF_NO_USE_HERE: dict[str, str] = {
    "WriteLogs": "MiniStack writes the logs itself",
    "UseKeyOfLogs": "MiniStack writes the logs itself",
    "WriteTraces": "the functions send traces to a daemon on this machine",
    "ReadTables": "MiniStack's DynamoDB does not use the table's key",
    "WriteTables": "MiniStack's DynamoDB does not use the table's key",
    "UseKeyOfTopics": "MiniStack's SNS does not use the topic's key",
    "UseKeyOfQueue": "MiniStack's SQS does not use the queue's key",
    "SendDeadLetters": "MiniStack sends dead letters itself",
    "ReadStream": "MiniStack reads the stream itself",
    "ReadJobs": "the stand-in for Comprehend Medical has no IAM",
}
# The same, for single permissions.
OF_NO_USE_IN_ROLE: dict[Permission, str] = (
    {
        (
            f"Lookup/Framework{name}Role",
            "CallHandler",
            "lambda:GetFunction",
        ): "the framework waits with it for a function that Lambda has put to sleep"
        for name in ("OnEvent", "IsComplete")
    }
    | {
        (f"SchedulerRoleFor{name}", "Invoke", _INVOKE): "MiniStack's schedules have no role"
        for name in ("Target-1b2b2b", "Target-91eb27", "Target-b6b93d", "Alerts")
    }
    | {
        (
            "Lookup/Provider/waiter-state-machine/Role",
            "",
            _INVOKE,
        ): "MiniStack's state machines call functions without their role"
    }
)
