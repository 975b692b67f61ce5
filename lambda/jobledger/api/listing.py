"""GET /jobs: one page of the ledger, and what it looks like in each format.

Jobs are passed through as the JSON that they were stored as. Only CSV has to look into them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from jobledger.api.parameters import DEFAULT_MAX_RESULTS
from jobledger.jobs import Family
from jobledger.ledger.cursor import seal, unseal
from jobledger.ledger.filters import job_query
from jobledger.ledger.pages import read_page
from jobledger.ledger.writing import Ledger
from jobledger.sync.freshness import AsOf, as_of, oldest, refreshed
from jobledger.times import rfc3339

# What a NextToken stands for already: the walk goes on in the ledger as its first page found it.
_NOT_CARRIED_ON = ("NextToken", "ConsistentRead")


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of jobs, each as JSON. `stale`: a ConsistentRead could not reach the service."""

    jobs: list[str]
    next_token: str | None
    as_of: str | None
    stale: bool


def list_jobs(
    ledger: Ledger,
    values: Mapping[str, Any],
    sync: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    now: Callable[[], datetime],
    kept: Sequence[Family] = tuple(Family),
) -> Listing:
    """Return the page that a request's values ask for, of a ledger that keeps the families `kept`.

    Raises InvalidParameters, InvalidToken and LedgerUnavailable.
    """
    query = job_query(values, kept)
    token = values.get("NextToken")
    start = unseal(token, query, ledger.table.name) if token else None
    # Before the page: what is read after these times was told is at least as recent.
    times: AsOf = as_of(ledger)
    stale = False
    consistent = values.get("ConsistentRead", False)
    if consistent:
        times, stale = refreshed(times, query.families, sync, now())
    # The walk begins only now: it has to see what that sync has found.
    begun = rfc3339(now())
    max_results = values.get("MaxResults", DEFAULT_MAX_RESULTS)
    page = read_page(ledger, query, max_results, start, begun, consistent=consistent)
    next_token = seal(page.position, query, ledger.table.name) if page.position else None
    return Listing(page.jobs, next_token, oldest(times, query.families), stale)


def json_text(listing: Listing) -> str:
    """Join the answer from jobs that are JSON already; token and time hold nothing to escape."""
    token = f',"NextToken":"{listing.next_token}"' if listing.next_token else ""
    time = f'"{listing.as_of}"' if listing.as_of else "null"
    stale = ',"Stale":true' if listing.stale else ""
    jobs = ",".join(listing.jobs)
    return f'{{"ComprehendMedicalAsyncJobPropertiesList":[{jobs}]{token},"AsOf":{time}{stale}}}'


def text_in(name: str, listing: Listing) -> str:
    """Return a page's text in one of parameters.FORMATS."""
    if name == "json":
        return json_text(listing)
    # The list route is JSON's: what the others need is loaded when they are asked for.
    from jobledger.api.export import csv_text, ndjson_text

    return csv_text(listing.jobs) if name == "csv" else ndjson_text(listing.jobs)


def headers_of(listing: Listing, sent: Mapping[str, list[str]]) -> dict[str, str]:
    """Return what a page says beside its jobs, for the formats that have no other place for it.

    The link is relative, so that it leads back to wherever the request was sent: it has no path at all.
    """
    headers = {"X-As-Of": listing.as_of} if listing.as_of else {}
    if listing.stale:
        headers["X-Stale"] = "true"
    if listing.next_token:
        kept = {name: texts for name, texts in sent.items() if name not in _NOT_CARRIED_ON}
        link = urlencode(kept | {"NextToken": [listing.next_token]}, doseq=True)
        headers["Link"] = f'<?{link}>; rel="next"'
    return headers
