"""The routes of jobs: lists, descriptions and counts."""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from jobledger.api import deployment
from jobledger.api.listing import headers_of, list_jobs, text_in
from jobledger.api.negotiation import MEDIA_TYPES, chosen_format
from jobledger.api.parameters import DEFAULT_MAX_RESULTS, JOB_ID, JOB_PARAMETERS, LIST_PARAMETERS
from jobledger.api.request import Request
from jobledger.api.responses import Answer, json_answer
from jobledger.api.time_check import time_check
from jobledger.inputs.filters import FILTERS
from jobledger.inputs.validation import value_of
from jobledger.ledger.job_query import JobQuery, asked_sources, job_query
from jobledger.observability import annotate, step
from jobledger.settings import character_prices, shows_outputs

router = Router()  # type: ignore[no-untyped-call] # Powertools leaves it untyped
request = Request(router)


def _invoke_sync(payload: Mapping[str, Any]) -> dict[str, Any]:
    return deployment.function("SYNC_FUNCTION_NAME")(payload)


def _beginning_of(key: str) -> Callable[[JobQuery, str], str]:
    """Return the function that looks up, or sets, the beginning of this key's traversal."""
    from jobledger.api.keyed_traversals import keyed_traversals

    def beginning(query: JobQuery, now: str) -> str:
        ledger = deployment.ledger()
        return keyed_traversals().beginning(key, query, ledger, now, request.lambda_context)

    return beginning


@router.get("/jobs")
def get_jobs() -> Response[str]:
    """List one page of jobs. With an Idempotency-Key, of the traversal that the key's first request began."""
    families, ledger = deployment.families(), deployment.ledger()
    values, key = request.parameters_and_key(LIST_PARAMETERS, families, ledger.known_sources)
    name = chosen_format(request.header("Accept"), values.get("Format"))
    beginning = _beginning_of(key) if key is not None else None
    with step("ReadPage") as put:
        listing = list_jobs(
            ledger,
            values,
            deployment.now,
            families,
            sync=_invoke_sync,
            beginning=beginning,
        )
        put("Jobs", len(listing.jobs))
    annotate(Jobs=len(listing.jobs), MaxResults=values.get("MaxResults", DEFAULT_MAX_RESULTS))
    media_type = MEDIA_TYPES[name]
    charset = "; charset=utf-8; header=present" if media_type == "text/csv" else ""
    content_type = f"{media_type}{charset}"
    text = text_in(name, listing, sources=ledger.is_shared)
    return request.respond(Answer(text, content_type, 200, headers_of(listing, request.sent)))


@router.get("/jobs/<job_id>")
def get_job(job_id: str) -> Response[str]:
    """Describe one job with its history."""
    from jobledger.api.describe import describe

    ledger = deployment.ledger()
    values = request.parameters(JOB_PARAMETERS, (), ledger.known_sources)
    sources = asked_sources(values, ledger.known_sources)
    described = describe(ledger, value_of(JOB_ID, job_id), deployment.now(), sources)
    return request.respond(Answer(described))


@router.get("/summary")
def get_summary() -> Response[str]:
    """Summarize all jobs that match."""
    from jobledger.ledger.as_of import oldest, times_of
    from jobledger.totals.read import read_summary

    families, ledger, now = deployment.families(), deployment.ledger(), deployment.now
    values = request.parameters(FILTERS, families, ledger.known_sources)
    query = job_query(values, families, ledger.known_sources)
    states = ledger.states()
    time = oldest(times_of(ledger, states, query.sources), query.families)
    check = time_check(request.lambda_context, now)
    with_outputs = shows_outputs()
    summary = read_summary(ledger, query, states, now(), check, by_month=with_outputs)
    annotate(Jobs=summary.total)
    body = summary.to_json() | {"AsOf": time}
    if ledger.is_shared and (oldest_active := summary.oldest_active):
        account, _, region = (oldest_active.source or ledger.scope).partition("/")
        body["OldestActive"] |= {"Account": account, "Region": region}
    if with_outputs:
        body["Output"] = summary.output_json(character_prices())
    return request.respond(json_answer(body))
