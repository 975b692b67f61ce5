"""What MiniStack lacks to enforce the stack's policies (AUTH=true), and to refuse callers as API Gateway does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import arn, iam_actions, iam_evaluator, responses
from ministack.services import apigateway_v1, dynamodb, iam


def complete_iam() -> None:
    """Let MiniStack evaluate the conditions in the stack's policies, and refuse callers as AWS does."""
    app._enforce_execute_api = refuse_as_the_api(app._enforce_execute_api)
    app.pin_request_origin = count_as_tls(app.pin_request_origin)
    iam_actions.dynamodb_service_context = add_leading_keys(iam_actions.dynamodb_service_context)
    iam_actions.extract_iam_action = as_single_messages(iam_actions.extract_iam_action)
    iam_evaluator._resolve_condition_key = name_roles(iam_evaluator._resolve_condition_key)
    iam_actions.request_tag_context = add_request_keys(iam_actions.request_tag_context)


def count_as_tls(pin: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    """Wrap MiniStack's record of a request's origin: in AWS every request of the clients here is over TLS."""
    return lambda source_ip, _secure: pin(source_ip, True)


def name_roles(resolve: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Wrap MiniStack's values of condition keys: aws:PrincipalArn of a role's session is the role, not the session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """

    def with_roles(key: str, context: Any) -> Any:
        found = resolve(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in found:
            return found
        session = arn.parse_arn(found)
        name = session.resource.split("/")[1]
        role = iam._roles.get_scoped(session.account_id, None, name) or {}
        return role.get("Arn", f"arn:{session.partition}:iam::{session.account_id}:role/{name}")

    return with_roles


def add_leading_keys(
    context: Callable[[bytes], dict[str, Any]],
) -> Callable[[bytes], dict[str, Any]]:
    """Wrap MiniStack's condition keys of a DynamoDB request: with the partition keys of what it writes."""

    def with_leading_keys(body: bytes) -> dict[str, Any]:
        request = json.loads(body or b"{}")
        writes = [request, *(w for item in request.get("TransactItems", ()) for w in item.values())]
        keys = [key for write in writes for key in leading_keys(write)]
        return context(body) | ({"dynamodb:LeadingKeys": keys} if keys else {})

    return with_leading_keys


def leading_keys(write: dict[str, Any]) -> list[str]:
    table = dynamodb._tables.get(write.get("TableName", "")) or {"KeySchema": []}
    names = [key["AttributeName"] for key in table["KeySchema"] if key["KeyType"] == "HASH"]
    row = write.get("Item") or write.get("Key") or {}
    return [text for name in names for text in row.get(name, {}).values()]


def as_single_messages(action: Callable[..., str | None]) -> Callable[..., str | None]:
    """Wrap MiniStack's name of a request's action: SQS's batches have no permissions of their own.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
    """

    def single(*rest: Any, **more: Any) -> str | None:
        found = action(*rest, **more)
        return found.removesuffix("Batch") if found and found.startswith("sqs:") else found

    return single


def add_request_keys(context: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's condition keys of any request: with an event's source, and KMS's context names."""

    def with_request_keys(
        service: str, action: str, body: bytes, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        found = context(service, action, body, parameters)
        if action == "events:PutEvents":
            sources = [entry.get("Source", "") for entry in json.loads(body)["Entries"]]
            # A condition without a set operator holds for one value only.
            found["events:source"] = sources[0] if len(sources) == 1 else sources
        if service == "kms" and (named := json.loads(body or b"{}").get("EncryptionContext")):
            found["kms:EncryptionContextKeys"] = list(named)
        return found

    return with_request_keys


def refuse_as_the_api(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap MiniStack's check of an API's caller: who is not allowed gets the API's response ACCESS_DENIED.

    For a caller of another account the API's resource policy decides. One that it allows gets 404, because
    MiniStack serves an API to its own account only.
    """
    apigateway_v1._AUTHENTICATION_GATEWAY_ERRORS["AccessDenied"] = ("ACCESS_DENIED", None)
    denied = iam_evaluator.AuthError("AccessDenied", "")

    def refusing(
        api_id: str, stage: str, method: str, path: str, headers: Any, query: Any, **more: Any
    ) -> Any:
        scope = scope_of(api_id) if app.AUTH else None
        if scope is None or scope[0] == responses.get_account_id():
            refused = enforce(api_id, stage, method, path, headers, query, **more)
            if scope is None or refused is None or "problem" in refused[1]["Content-Type"]:
                return refused
        elif is_allowed(arn.execute_api_arn(scope[1], scope[0], api_id, stage, method, path)):
            return None
        with responses.request_scope(*scope):
            return apigateway_v1.authentication_error_response(
                api_id, stage, denied, headers, query
            )

    return refusing


def scope_of(api_id: str) -> tuple[str, str] | None:
    """Return the account and the region of an API."""
    keys = (key for key, _ in apigateway_v1._rest_apis.all_items())
    return next(((account, region) for account, region, found in keys if found == api_id), None)


def is_allowed(method_arn: str) -> bool:
    """Whether the API's resource policy allows its method to the account of this request."""
    policy, _ = apigateway_v1.rest_api_policy_for_arn(method_arn)
    account = responses.get_account_id()
    caller = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{account}:root",
        principal_type="Root",
        principal_account=account,
        action="execute-api:Invoke",
        resource_arn=method_arn,
        region=responses.get_region(),
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, caller).decision == "Allow")
