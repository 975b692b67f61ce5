"""Each permission of each role: the use that fails without it, or why none does on this AWS.

`tests/infrastructure/allowed.py` lists what the roles may do, and `tests/infrastructure/test_roles.py` holds the
template to it: that is the only proof for the permissions that have a reason here instead of a use.
"""

from tests.e2e import permission_uses as uses
from tests.e2e.permission_uses import Use

Permission = tuple[str, str, str]
"""The role's path, the statement's `Sid` and the action."""


_QUERY, _GET = ("ReadLedger", "dynamodb:Query"), ("ReadLedger", "dynamodb:GetItem")
_GET_MANY = ("ReadLedger", "dynamodb:BatchGetItem")
_INVOKE = "lambda:InvokeFunction"

NEEDED: dict[Permission, Use] = {
    ("Sync/FunctionRole", *_GET): uses.sync,
    ("Sync/FunctionRole", *_GET_MANY): uses.sync,
    ("Sync/FunctionRole", *_QUERY): uses.recount,
    ("Sync/FunctionRole", "WriteLedger", "dynamodb:PutItem"): uses.sync,
    ("Sync/FunctionRole", "WriteLedger", "dynamodb:UpdateItem"): uses.sync,
    ("Sync/FunctionRole", "WriteLedger", "dynamodb:ConditionCheckItem"): uses.sync,
    ("Sync/FunctionRole", "RemoveRows", "dynamodb:DeleteItem"): uses.end_of_a_job,
    ("Api/FunctionRole", "KeepResults", "dynamodb:PutItem"): uses.keyed_list,
    ("Api/FunctionRole", "KeepResults", "dynamodb:UpdateItem"): uses.keyed_list,
    ("Api/FunctionRole", "KeepResults", "dynamodb:DeleteItem"): uses.keyed_list_after_an_error,
    ("Api/FunctionRole", *_QUERY): uses.page,
    ("Api/FunctionRole", *_GET): uses.last_digest,
    ("Api/FunctionRole", *_GET_MANY): uses.summary_with_an_active_job,
    ("Api/FunctionRole", "InvokeSync", _INVOKE): uses.consistent_page,
    ("Api/FunctionRole", "InvokeDigest", _INVOKE): uses.requested_digest,
    ("Digest/FunctionRole", "KeepResults", "dynamodb:PutItem"): uses.digest_repeated,
    ("Digest/FunctionRole", "KeepResults", "dynamodb:UpdateItem"): uses.digest_repeated,
    ("Digest/FunctionRole", "KeepResults", "dynamodb:DeleteItem"): uses.digest_after_an_error,
    ("Digest/FunctionRole", *_QUERY): uses.digest,
    ("Digest/FunctionRole", *_GET): uses.digest,
    ("Digest/FunctionRole", *_GET_MANY): uses.digest_with_an_active_job,
    ("Digest/FunctionRole", "WriteOwnRows", "dynamodb:PutItem"): uses.digest,
    ("Digest/FunctionRole", "PublishDigests", "sns:Publish"): uses.by_role_only(
        "Digest/Topic", uses.digest
    ),
    ("Digest/FunctionRole", "PublishToChat", "sns:Publish"): uses.by_role_only(
        "Digest/ChatTopic", uses.digest
    ),
    ("Changes/FunctionRole", "ReadJobName", "dynamodb:GetItem"): uses.changes,
    ("Changes/FunctionRole", "PutEvents", "events:PutEvents"): uses.changes,
    ("JobAlerts/FunctionRole", "ReceiveMessages", "sqs:ReceiveMessage"): uses.alert,
    ("JobAlerts/FunctionRole", "ReceiveMessages", "sqs:DeleteMessage"): uses.alert,
    ("JobAlerts/FunctionRole", *_QUERY): uses.alert,
    ("JobAlerts/FunctionRole", "PublishAlerts", "sns:Publish"): uses.by_role_only(
        "JobAlerts/Topic", uses.alert
    ),
    ("JobAlerts/FunctionRole", "PublishAlertsToChat", "sns:Publish"): uses.by_role_only(
        "Digest/ChatTopic", uses.alert
    ),
    ("Outputs/FunctionRole", *_GET): uses.output,
    ("Outputs/FunctionRole", *_QUERY): uses.output_that_is_due,
    ("Outputs/FunctionRole", "WriteOutputs", "dynamodb:PutItem"): uses.output,
    ("Outputs/FunctionRole", "WriteOutputs", "dynamodb:UpdateItem"): uses.output,
    ("Outputs/FunctionRole", "RemoveWaiting", "dynamodb:DeleteItem"): uses.output_that_is_due,
    ("Outputs/FunctionRole", "ReadManifests", "s3:GetObject"): uses.output,
    ("Widget/FunctionRole", *_QUERY): uses.widget,
    ("Widget/FunctionRole", *_GET_MANY): uses.widget_of_active_jobs,
    ("Lookup/OnEventRole", "EncryptProperties", "kms:Encrypt"): uses.look_up,
    ("Lookup/IsCompleteRole", *_QUERY): uses.look_up,
    ("Lookup/IsCompleteRole", "DecryptProperties", "kms:Decrypt"): uses.look_up,
    ("Lookup/IsCompleteRole", "Invoke", _INVOKE): uses.look_up_after_a_sync,
    ("Lookup/FrameworkOnEventRole", "CallHandler", _INVOKE): uses.deployed_look_up,
    ("Lookup/FrameworkOnEventRole", "StartPolling", "states:StartExecution"): uses.deployed_look_up,
    ("Lookup/FrameworkIsCompleteRole", "CallHandler", _INVOKE): uses.framework_of_look_ups,
    ("Sync/FirstSync/FunctionRole", "Invoke", _INVOKE): uses.first_sync,
}

# By statement: what MiniStack does itself, without the role, or what the functions do only in rare cases.
OF_NO_USE_HERE: dict[str, str] = {
    "WriteLogs": "MiniStack writes the logs itself",
    "UseKeyOfLogs": "MiniStack writes the logs itself",
    "WriteTraces": "the functions send traces to a daemon on this machine",
    "ReadTables": "MiniStack's DynamoDB does not use the table's key",
    "WriteTables": "MiniStack's DynamoDB does not use the table's key",
    "UseKeyOfTopics": "MiniStack's SNS does not use the topic's key",
    "UseKeyOfQueue": "MiniStack's SQS does not use the queue's key",
    "DecryptManifests": "MiniStack's S3 does not use the bucket's key",
    "SendDeadLetters": "MiniStack sends dead letters itself",
    "ReadStream": "MiniStack reads the stream itself",
    "ReadJobs": "the stand-in for Comprehend Medical has no IAM",
    "AssumeMembers": "this deployment has one source; test_sources.py has members",
}
# The same, for single permissions.
_ASLEEP = "the framework waits with it for a function that Lambda has put to sleep"
OF_NO_USE_IN_ROLE: dict[Permission, str] = {
    ("Lookup/FrameworkOnEventRole", "CallHandler", "lambda:GetFunction"): _ASLEEP,
    ("Lookup/FrameworkIsCompleteRole", "CallHandler", "lambda:GetFunction"): _ASLEEP,
    **{
        (f"SchedulerRoleFor{target}", "Invoke", _INVOKE): "MiniStack's schedules have no role"
        for target in ("Target-1b2b2b", "Target-91eb27", "Target-b6b93d", "Alerts", "Outputs")
    },
    ("Lookup/Provider/waiter-state-machine/Role", "", _INVOKE): (
        "MiniStack's state machines call functions without their role"
    ),
}
