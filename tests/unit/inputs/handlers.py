"""Each input of the deployment, and the handler that takes it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

from jobledger.api import docs, parameters
from jobledger.errors import InvalidParameters, LookupFailed
from jobledger.handlers import api as api_handler
from jobledger.handlers import digest, lookup, sync
from jobledger.inputs import filters, payloads
from jobledger.inputs.validation import JsonObject, Parameter, value_of
from jobledger.lookup import request as lookup_request
from jobledger.observability import logger
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.pace import Pace
from testing.api import Api, Context, running_api
from testing.builders import SCOPE
from testing.digests import ENVIRONMENT, DigestWorld
from testing.world import World

KEPT = (Family.SNOMEDCT, Family.PHI)
SYNC = payloads.sync_payload(KEPT)
MODULES: list[ModuleType] = [filters, docs, parameters, payloads, lookup_request]

Refusals = set[tuple[str, str]]
"""The names of refused inputs, each with what the schema's rule allows."""


@dataclass(frozen=True)
class Handlers:
    """The handlers, on tables in memory. Each method returns what validation refused."""

    api: Api
    digests: DigestWorld

    def query(self, path: str, name: str, value: object) -> Refusals:
        return self._refused(self.api.get(path, **{name: as_text(value)}))

    def job_id(self, value: str) -> Refusals:
        if not value:  # another route: no request has an empty id
            return _raised(lambda: value_of(parameters.JOB_ID, value))
        return self._refused(self.api.get(f"/jobs/{value}"))

    def asset(self, value: str) -> Refusals:
        if not value:  # the page itself
            return _raised(lambda: value_of(docs.ASSET, value))
        found = self.api.get(f"/docs/{value}").status != 404
        return set() if found else {refusal(docs.ASSET)}

    def board_asset(self, value: str) -> Refusals:
        if not value:  # no route
            return _raised(lambda: value_of(parameters.BOARD_ASSET, value))
        found = self.api.get(f"/board/{value}").status != 404
        return set() if found else {refusal(parameters.BOARD_ASSET)}

    def key(self, value: str) -> Refusals:
        headers = {"Idempotency-Key": value}
        return self._refused(self.api.call("/digests", method="POST", headers=headers))

    def body(self, sent: object) -> Refusals:
        return self._refused(self.api.call("/digests", method="POST", body=json.dumps(sent)))

    def digest(self, payload: Any) -> Refusals:
        return _raised(lambda: digest.handler(payload, Context()))

    def sync(self, payload: Any) -> Refusals:
        context = Context()
        context.milliseconds = 0  # no call to the service
        return _raised(lambda: sync.handler(payload, context))

    def look_up(self, name: str, value: object) -> Refusals:
        event = {
            "RequestType": "Create",
            "StackId": "stack",
            "LogicalResourceId": "id",
            "ResourceProperties": {name: value if isinstance(value, list) else as_text(value)},
        }
        try:
            lookup.on_event(event, Context())
        except LookupFailed as failed:
            property_name, _, allowed = str(failed).partition(" must be ")
            return {(property_name, allowed.removesuffix("."))}
        return set()

    @staticmethod
    def _refused(answer: Any) -> Refusals:
        assert answer.status in (200, 400, 404, 500), answer
        errors = () if answer.status == 200 else answer.json.get("errors", ())
        return {(bad["parameter"], bad["allowed"]) for bad in errors}


def _raised(call: Callable[[], object]) -> Refusals:
    try:
        call()
    except InvalidParameters as refused:
        return {(bad.parameter, bad.allowed) for bad in refused.parameters}
    return set()


def as_text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def refusal(declared: Parameter | JsonObject) -> tuple[str, str]:
    """What the handler says when it refuses this input."""
    name = declared.name if isinstance(declared, Parameter) else declared.kind
    return name, declared.allowed


@dataclass(frozen=True)
class Input:
    """A declared input, and how its handler gets a value; `text`: through a text.

    `beyond` replaces the values beyond the bounds where another schema is checked first.
    """

    label: str
    declared: Parameter | JsonObject
    send: Callable[[Handlers, Any], Refusals]
    text: bool = False
    beyond: tuple[str, ...] = ()


def all_inputs() -> Iterator[Input]:
    """Yield every input of the deployment."""
    for path, known in (("/jobs", parameters.LIST_PARAMETERS), ("/summary", filters.FILTERS)):
        for name, one in known.items():
            yield Input(f"{path} {name}", one, _query(path, name), text=True)
    kept = filters.family_in_ledger(KEPT)
    others = tuple(family.value for family in Family if family not in KEPT)
    send = _query("/jobs", "Family")
    yield Input("/jobs Family of the ledger", kept, send, text=True, beyond=others)
    yield Input("path JobId", parameters.JOB_ID, Handlers.job_id, text=True)
    yield Input("path Asset", docs.ASSET, Handlers.asset, text=True)
    for name in ("Family", "Refresh", "Format"):  # the others are those of /jobs
        declared, send = parameters.BOARD_PARAMETERS[name], _query("/board", name)
        # A form sends its empty fields: they are left out.
        yield Input(f"/board {name}", declared, send, text=True, beyond=("x", "ON", "all"))
    yield Input("path Asset of the board", parameters.BOARD_ASSET, Handlers.board_asset, text=True)
    yield Input("header Idempotency-Key", filters.IDEMPOTENCY_KEY, Handlers.key, text=True)
    yield from _object("body", payloads.DIGEST_BODY, Handlers.body)
    yield from _object("by hand", payloads.DIGEST_ON_DEMAND, Handlers.digest)
    yield from _object("from the schedule", payloads.DIGEST_SCHEDULED, Handlers.digest)
    yield from _object("sync", SYNC, Handlers.sync)
    for name, one in lookup_request._KNOWN.items():
        yield Input(f"property {name}", one, _property(name), text=True)


def _query(path: str, name: str) -> Callable[[Handlers, Any], Refusals]:
    return lambda handlers, value: handlers.query(path, name, value)


def _property(name: str) -> Callable[[Handlers, Any], Refusals]:
    return lambda handlers, value: handlers.look_up(name, value)


def _object(
    label: str, declared: JsonObject, send: Callable[[Handlers, Any], Refusals]
) -> Iterator[Input]:
    if declared is not payloads.DIGEST_SCHEDULED:  # chosen by a member
        yield Input(label, declared, send)
    for name, one in declared.members.items():
        yield Input(f"{label} {name}", one, _member(declared, name, send))


def _member(
    declared: JsonObject, name: str, send: Callable[[Handlers, Any], Refusals]
) -> Callable[[Handlers, Any], Refusals]:
    others: dict[str, Any] = {}
    if name in declared.dependent:
        others = dict.fromkeys(declared.dependent, "2026-11-22T00:00:00Z")
    if declared is payloads.DIGEST_SCHEDULED:
        others = {"ScheduledTime": "2026-11-22T00:00:00Z"}
    return lambda handlers, value: send(handlers, {**others, name: value})


@contextmanager
def running_handlers() -> Iterator[Handlers]:
    """All handlers, connected to tables in memory."""
    level = logger.log_level
    with ExitStack() as stack:
        running = stack.enter_context(running_api())
        stack.enter_context(
            mock.patch.dict("os.environ", ENVIRONMENT | {"FAMILIES": "SNOMEDCT,PHI"})
        )
        stack.enter_context(mock.patch.object(api_handler, "_families", return_value=KEPT))
        running.answer_of_function = {"DigestId": "d"}
        digests = DigestWorld()
        stack.enter_context(
            mock.patch.object(digest, "_dependencies", return_value=digests.dependencies)
        )
        world = stack.enter_context(World(hostile=False))
        settings = Settings("ledger", SCOPE, KEPT)
        pace = Pace(world.ledger.table, SCOPE)
        parts = (settings, world.ledger, world.upstream, pace)
        stack.enter_context(mock.patch.object(sync, "_connect", return_value=parts))
        stack.enter_context(mock.patch.object(payloads, "sync_payload", return_value=SYNC))
        logger.setLevel("CRITICAL")
        yield Handlers(running, digests)
        logger.setLevel(level)
