"""Each permission of each role: the use that fails without it, or why none does on this AWS.

`tests/infrastructure/allowed.py` lists what the roles may do; `tests/infrastructure/test_roles.py` holds the
template to it, also for the permissions that no use needs here.
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
_INVOKE = "lambda:InvokeFunction"

NEEDED: dict[Permission, Use] = (
    _of(
        "Sync/FunctionRole",
        {
            _GET: uses.sync,
            ("ReadLedger", "dynamodb:BatchGetItem"): uses.sync,
            ("WriteLedger", "dynamodb:PutItem"): uses.sync,
            ("WriteLedger", "dynamodb:UpdateItem"): uses.sync,
            ("WriteLedger", "dynamodb:ConditionCheckItem"): uses.sync,
        },
    )
    | _of(
        "Api/FunctionRole",
        _results(uses.keyed_list, uses.keyed_list_after_an_error)
        | {
            _QUERY: uses.page,
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
            ("WriteOwnRows", "dynamodb:PutItem"): uses.digest,
        },
    )
    | _of(
        "Changes/FunctionRole",
        {
            ("ReadJobName", "dynamodb:GetItem"): uses.changes,
            ("PutEvents", "events:PutEvents"): uses.changes,
        },
    )
    | _of("Widget/FunctionRole", {_QUERY: uses.widget})
    | _of("Lookup/OnEventRole", {("EncryptProperties", "kms:Encrypt"): uses.look_up})
    | _of(
        "Lookup/IsCompleteRole",
        {_QUERY: uses.look_up, ("DecryptProperties", "kms:Decrypt"): uses.look_up},
    )
    | _of(
        "Lookup/FrameworkOnEventRole",
        {
            ("CallHandler", _INVOKE): uses.deployed_look_up,
            ("StartPolling", "states:StartExecution"): uses.deployed_look_up,
        },
    )
)

# By statement: what MiniStack does itself, without the role, or what the functions do only in rare cases.
OF_NO_USE_HERE: dict[str, str] = {
    "WriteLogs": "MiniStack writes the logs itself",
    "WriteTraces": "the functions send traces to a daemon on this machine",
    "ReadTables": "MiniStack's DynamoDB does not use the table's key",
    "WriteTables": "MiniStack's DynamoDB does not use the table's key",
    "UseKeyOfTopics": "MiniStack's SNS does not use the topic's key",
    "UseKeyOfQueue": "MiniStack's SQS does not use the queue's key",
    "SendDeadLetters": "MiniStack sends dead letters itself",
    "ReadStream": "MiniStack reads the stream itself",
    "ReadJobs": "the stand-in for Comprehend Medical has no IAM",
    "PublishDigests": "the topic's own policy allows it as well, which suffices within an account",
    "PublishToChat": "the topic's own policy allows it as well, which suffices within an account",
}
# The same, for single permissions.
OF_NO_USE_IN_ROLE: dict[Permission, str] = (
    {
        (role, "ReadLedger", f"dynamodb:{name}"): why
        for role, name, why in (
            (
                "Sync/FunctionRole",
                "Query",
                "for the daily comparison of the counters with the jobs",
            ),
            (
                "Api/FunctionRole",
                "GetItem",
                "for the last digest, which a new ledger does not have",
            ),
            ("Api/FunctionRole", "BatchGetItem", "for the oldest active job of a summary"),
            ("Digest/FunctionRole", "BatchGetItem", "for the failed jobs of a window"),
        )
    }
    | {
        (
            "Api/FunctionRole",
            "KeepResults",
            "dynamodb:GetItem",
        ): "the refused put returns the record",
        (
            "Digest/FunctionRole",
            "KeepResults",
            "dynamodb:GetItem",
        ): "the refused put returns the record",
        (
            "Sync/FirstSync/FunctionRole",
            "Invoke",
            _INVOKE,
        ): "a failed first sync fails no deployment",
        (
            "Lookup/IsCompleteRole",
            "Invoke",
            _INVOKE,
        ): "the scheduled sync does the same a minute later",
        (
            "Lookup/FrameworkOnEventRole",
            "CallHandler",
            "lambda:GetFunction",
        ): "for an idle function",
        (
            "Lookup/FrameworkIsCompleteRole",
            "CallHandler",
            "lambda:GetFunction",
        ): "for an idle function",
        (
            "Lookup/FrameworkIsCompleteRole",
            "CallHandler",
            _INVOKE,
        ): "without it a look-up never ends",
    }
    | {
        (f"SchedulerRoleForTarget-{name}", "Invoke", _INVOKE): "MiniStack's schedules have no role"
        for name in ("1b2b2b", "91eb27", "b6b93d")
    }
    | {
        (
            "Lookup/Provider/waiter-state-machine/Role",
            "",
            _INVOKE,
        ): "Step Functions calls without it"
    }
)
