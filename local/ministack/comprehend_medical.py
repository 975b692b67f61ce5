"""IAM for the stand-in of Comprehend Medical, which sends each request here as it was signed (AUTH=true)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import responses

TARGET = "ComprehendMedical_20181030."


def authorize_calls(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap MiniStack's dispatch: it answers a call of Comprehend Medical with the caller's account, or as IAM refuses it."""

    async def authorizing(
        method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
    ) -> Any:
        _, found, operation = headers.get("x-amz-target", "").partition(TARGET)
        if not found:
            return await dispatch(method, path, headers, body, query, request_id)
        denied = app._enforce_data_plane(
            "comprehendmedical", f"comprehendmedical:{operation}", headers, query, request_id
        )
        answer = json.dumps({"Account": responses.get_account_id()}).encode()
        return denied or (200, {"Content-Type": "application/x-amz-json-1.1"}, answer)

    return authorizing
