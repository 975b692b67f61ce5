"""Custom resource: runs a sync during the deployment. Inline code, so it has no imports of ours.

It always reports success to CloudFormation: a service that is unreachable for a minute must not roll back a
deployment, whose rollback would sync and fail too. The log, the resource's data and the output FirstSync say how the
sync ended, with the errors of all families, or of all sources. The schedule tries again within a minute.
"""

import itertools
import json
import time
import urllib.request
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# New IAM permissions can take a minute to be effective everywhere.
_ATTEMPTS = 12
_PAUSE_SECONDS = 5
# CloudFormation takes an answer of 4 KB.
_MOST = 40
# The next scheduled run resumes these.
_INTERRUPTIONS = {"DeadlineReached", "WalkOvertaken"}


def handler(event: dict[str, Any], context: Any) -> None:
    """Respond to CloudFormation; `Delete` does nothing."""
    outcome = "not asked to" if event["RequestType"] == "Delete" else "failed: UnexpectedError"
    try:
        if event["RequestType"] != "Delete":
            outcome = _sync(event["ResourceProperties"]["FunctionName"], context)
    except ClientError as error:
        outcome = f"failed: {error.response['Error']['Code']}"
    except BotoCoreError as error:
        outcome = f"failed: {type(error).__name__}"
    finally:
        _answer(event, outcome)


def _sync(function_name: str, context: Any) -> str:
    # The call is long and silent: keep the connection open, and invoke once.
    patience = max(context.get_remaining_time_in_millis() / 1000 - 20, 1)
    config = Config(read_timeout=patience, tcp_keepalive=True, retries={"total_max_attempts": 1})
    client = botocore.session.get_session().create_client("lambda", config=config)
    for attempt in itertools.count(1):
        try:
            reply = client.invoke(FunctionName=function_name, Payload=b"{}")
            break
        except ClientError as error:
            denied = error.response["Error"]["Code"] == "AccessDeniedException"
            if not denied or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
    return _outcome(reply)


def _outcome(reply: dict[str, Any]) -> str:
    """Return in words how the sync ended, with the names of all errors."""
    try:
        result = json.loads(reply["Payload"].read())
        if reply.get("FunctionError"):
            return f"failed: {result['errorType']}"
        # With several sources, by source instead of family.
        sources = result.get("Sources") or {"": result}
        found = (
            (source or family, done["Error"])
            for source, each in sources.items()
            for family, done in each["Families"].items()
            if "Error" in done
        )
        errors = list(dict.fromkeys(found))
    except (AttributeError, KeyError, TypeError, ValueError):
        return "failed: InvalidResponse"
    if not errors:
        return "succeeded"
    word = "unfinished" if {error for _, error in errors} <= _INTERRUPTIONS else "failed"
    named = [f"{name} {error}" for name, error in errors[:_MOST]]
    more = [f"{len(errors) - _MOST} more"] if len(errors) > _MOST else []
    return f"{word}: {', '.join(named + more)}"


def _answer(event: dict[str, Any], outcome: str) -> None:
    level = "ERROR" if outcome.startswith("failed") else "INFO"
    print(json.dumps({"level": level, "message": f"first sync {outcome}"}))
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": "first-sync",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Outcome": outcome},
    }
    # No content type: the URL is signed without one.
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
