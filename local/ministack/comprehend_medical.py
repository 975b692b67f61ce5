"""IAM for the stand-in of Comprehend Medical, which sends each request here as it was signed (AUTH=true)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import responses, router
from ministack.services import iam, sts

_INVALID = {
    "__type": "UnrecognizedClientException",
    "message": "The security token included in the request is invalid.",
}
TARGET = "ComprehendMedical_20181030."


def authorize_calls(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap MiniStack's dispatch: it answers a call of Comprehend Medical with the caller's account, or as IAM refuses it."""

    async def authorizing(
        method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
    ) -> Any:
        _, found, operation = headers.get("x-amz-target", "").partition(TARGET)
        if not found:
            return await dispatch(method, path, headers, body, query, request_id)
        json_type = {"Content-Type": "application/x-amz-json-1.1"}
        if is_of_another_role(router.extract_access_key_id(headers, query)):
            return 400, json_type, json.dumps(_INVALID).encode()
        denied = app._enforce_data_plane(
            "comprehendmedical", f"comprehendmedical:{operation}", headers, query, request_id
        )
        answer = json.dumps({"Account": responses.get_account_id()}).encode()
        return denied or (200, json_type, answer)

    return authorizing


def is_of_another_role(access_key: str) -> bool:
    """Whether a session's role was deleted and made anew: in AWS a new role is another one, whatever its name."""
    session = sts._sessions.get(access_key, {})
    role_id = session.get("UserId", "").partition(":")[0]
    if not role_id.startswith("AROA"):
        return False
    _, _, _, _, account, resource = session["Arn"].split(":")
    role = iam._roles.get_scoped(account, None, resource.split("/")[1])
    return role is not None and role["RoleId"] != role_id
