"""Each input of the deployment, and what reads it: the API's handler, or the reader that another handler begins with."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

from jobledger.api import deployment, docs, parameters
from jobledger.errors import InvalidParameters, LookupFailed
from jobledger.inputs import filters, payloads
from jobledger.inputs.validation import JsonObject, Parameter, value_of
from jobledger.lookup import request as lookup_request
from jobledger.service import Family
from testing.api import Answer, Api, running_api

KEPT = (Family.SNOMEDCT, Family.PHI)
SYNC = payloads.sync_payload(KEPT)

Refusals = set[tuple[str, str]]
"""The names of refused inputs, each with what the schema's rule allows."""
Send = Callable[[Api, Any], Refusals]
"""Hands a value to what reads it, and returns what validation refused."""


def query(path: str, name: str, api: Api, value: object) -> Refusals:
    return _refused(api.get(path, **{name: as_text(value)}))


def path(prefix: str, declared: Parameter, api: Api, value: str) -> Refusals:
    if not value:  # another route, or none
        return _raised(lambda: value_of(declared, value))
    answer = api.get(f"{prefix}/{value}")
    is_refused = declared is not parameters.JOB_ID and answer.status == 404
    return {refusal(declared)} if is_refused else _refused(answer)


def key(api: Api, value: str) -> Refusals:
    return _refused(api.call("/digests", method="POST", headers={"Idempotency-Key": value}))


def body(api: Api, sent: object) -> Refusals:
    return _refused(api.call("/digests", method="POST", body=json.dumps(sent)))


def payload(read: Callable[[Any], object], _: Api, sent: Any) -> Refusals:
    return _raised(lambda: read(sent))


digest_payload = partial(payload, payloads.read_digest_payload)


def lookup_property(name: str, _: Api, value: object) -> Refusals:
    properties = {name: value if isinstance(value, list) else as_text(value)}
    try:
        lookup_request.read_request(properties, KEPT)
    except LookupFailed as failed:
        sentence = str(failed).partition(" must be ")
        return {(sentence[0], sentence[2].removesuffix("."))}
    return set()


def member(name: str, others: Mapping[str, Any], send: Send, api: Api, value: object) -> Refusals:
    return send(api, {**others, name: value})


def _refused(answer: Answer) -> Refusals:
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
    send: Send
    text: bool = False
    beyond: tuple[str, ...] = ()


def all_inputs() -> Iterator[Input]:
    """Yield every input of the deployment."""
    for route, known in (("/jobs", parameters.LIST_PARAMETERS), ("/summary", filters.FILTERS)):
        for name, one in known.items():
            yield Input(f"{route} {name}", one, partial(query, route, name), text=True)
    kept, send = filters.family_in_ledger(KEPT), partial(query, "/jobs", "Family")
    others = tuple(family.value for family in Family if family not in KEPT)
    yield Input("/jobs Family of the ledger", kept, send, text=True, beyond=others)
    assets = ("/docs", docs.ASSET), ("/board", parameters.BOARD_ASSET)
    for prefix, one in (("/jobs", parameters.JOB_ID), *assets):
        yield Input(f"path {prefix}", one, partial(path, prefix, one), text=True)
    for name in ("Family", "Refresh", "Format"):  # the others are those of /jobs
        # A form sends its empty fields: they are left out.
        one, beyond = parameters.BOARD_PARAMETERS[name], ("x", "ON", "all")
        yield Input(f"/board {name}", one, partial(query, "/board", name), text=True, beyond=beyond)
    yield Input("header Idempotency-Key", filters.IDEMPOTENCY_KEY, key, text=True)
    yield from _object("body", payloads.DIGEST_BODY, body)
    yield from _object("by hand", payloads.DIGEST_ON_DEMAND, digest_payload)
    yield from _object("from the schedule", payloads.DIGEST_SCHEDULED, digest_payload)
    yield from _object("sync", SYNC, partial(payload, lambda sent: payloads._read(sent, SYNC)))
    outputs = partial(payload, payloads.read_outputs_payload)
    yield Input("outputs", payloads.OUTPUTS, outputs)
    for name, one in payloads.OUTPUTS.members.items():
        days: dict[str, Any] = {} if name == "Days" else {"Days": 1}
        yield Input(f"outputs {name}", one, partial(member, name, days, outputs))
    for name, one in lookup_request._KNOWN.items():
        yield Input(f"property {name}", one, partial(lookup_property, name), text=True)


def _object(label: str, declared: JsonObject, send: Send) -> Iterator[Input]:
    is_chosen_by_a_member = declared is payloads.DIGEST_SCHEDULED
    if not is_chosen_by_a_member:
        yield Input(label, declared, send)
    for name, one in declared.members.items():
        together = declared.dependent if name in declared.dependent else ()
        others = ("ScheduledTime",) if is_chosen_by_a_member else together
        given = dict.fromkeys(others, "2026-11-22T00:00:00Z")
        yield Input(f"{label} {name}", one, partial(member, name, given, send))


@contextmanager
def running_readers() -> Iterator[Api]:
    """The API's handler, for a ledger of two families."""
    with running_api() as api, mock.patch.object(deployment, "families", return_value=KEPT):
        api.answer_of_function = {"DigestId": "d"}
        yield api
