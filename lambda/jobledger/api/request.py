"""The current request: its parameters, headers and body, and the response to it."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from jobledger.api.idempotency_key import parse_key
from jobledger.api.responses import Answer, Caller, response
from jobledger.errors import BadParameter, InvalidParameters
from jobledger.inputs.filters import parse_parameters
from jobledger.inputs.validation import Parameter
from jobledger.observability import annotate
from jobledger.service import Family


class Request:
    """The request that a router, or the resolver that includes it, currently handles."""

    def __init__(self, router: BaseRouter) -> None:
        self._router = router

    @property
    def sent(self) -> dict[str, list[str]]:
        """The query parameters as sent, each with all its values."""
        event = self._router.current_event
        repeated: dict[str, list[str]] | None = event.get("multiValueQueryStringParameters")
        if repeated is not None:
            return repeated
        return {name: [text] for name, text in (event.query_string_parameters or {}).items()}

    @property
    def root(self) -> str:
        """The relative path from the requested page to the API's root."""
        path: str = self._router.current_event.path
        return "../" * (path.count("/") - 1)

    @property
    def is_for_a_reader(self) -> bool:
        """Whether the request is for a page of the board, by a browser."""
        path: str = self._router.current_event.path
        return path.startswith("/board") and "text/html" in (self.header("Accept") or "").lower()

    def parameters(
        self,
        known: Mapping[str, Parameter],
        families: Sequence[Family] = (),
        sources: Callable[[], Iterable[str]] = tuple,
    ) -> dict[str, Any]:
        """Return the values of the query parameters; `families` and `sources` may be listed.

        Raises InvalidParameters.
        """
        return parse_parameters(self.sent, known, families, sources=sources)

    def parameters_and_key(
        self,
        known: Mapping[str, Parameter],
        families: Sequence[Family],
        sources: Callable[[], Iterable[str]],
    ) -> tuple[dict[str, Any], str | None]:
        """Return the values of the query parameters and the Idempotency-Key. Raises InvalidParameters."""
        wrong: list[BadParameter] = []
        key = parse_key(self.header("Idempotency-Key"), wrong)
        try:
            values = self.parameters(known, families, sources)
        except InvalidParameters as error:
            raise InvalidParameters(error.parameters + wrong) from error
        if wrong:
            raise InvalidParameters(wrong)
        return values, key

    @property
    def lambda_context(self) -> Any:
        """The context of the current invocation."""
        return self._router.lambda_context

    def header(self, name: str) -> str | None:
        """Return a header's value; repeated headers are joined as in RFC 9110 (5.3)."""
        event = self._router.current_event
        repeated = event.get("multiValueHeaders")
        if not repeated:
            return event.headers.get(name)
        values = [v for key, sent in repeated.items() if key.lower() == name.lower() for v in sent]
        return ", ".join(values) if values else None

    def body(self) -> bytes:
        """Return the body; empty when there is none."""
        event = self._router.current_event
        body: str = event.get("body") or ""
        if event.get("isBase64Encoded"):
            return base64.b64decode(body)
        return body.encode(errors="replace")

    def caller(self) -> Caller:
        """Return the parts of the request that its response depends on."""
        request_id = self._router.current_event["requestContext"]["requestId"] or ""
        return Caller(request_id, self.header("Accept"), self.header("Accept-Encoding"))

    def respond(self, answer: Answer) -> Response[str]:
        """Return the response to the request, and annotate its trace."""
        caller = self.caller()
        annotate(RequestId=caller.request_id, Status=answer.status)
        return response(answer, caller)
