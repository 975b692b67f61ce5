"""GET /jobs: reads one page of the ledger and renders it in each format.

Jobs pass through as stored JSON. Only CSV parses them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from jobledger.api.links import query_string
from jobledger.api.parameters import DEFAULT_MAX_RESULTS
from jobledger.ledger.as_of import as_of, by_source, oldest, recent_as_of, refreshed
from jobledger.ledger.cursor import seal, unseal
from jobledger.ledger.job_query import JobQuery, job_query
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.pages import read_page
from jobledger.service import Family
from jobledger.settings import shows_outputs
from jobledger.times import rfc3339

# A page searches for a name prefix this long; API Gateway waits for 29 seconds.
SEARCH_TIME = timedelta(seconds=10)
Sync = Callable[[Mapping[str, Any]], Mapping[str, Any]]
# The NextToken replaces these: the next page continues the traversal of the first.
_NOT_CARRIED_ON = ("NextToken", "ConsistentRead")


class Listing(msgspec.Struct, frozen=True):
    """A page of jobs, each as JSON. `stale`: a ConsistentRead could not reach the service.

    `examined`: how many rows were searched, when the page has no job and is not the last.
    """

    jobs: list[str]
    next_token: str | None
    as_of: str | None
    stale: bool
    examined: int | None = None


def list_jobs(
    ledger: Ledger,
    values: Mapping[str, Any],
    now: Callable[[], datetime],
    families: Sequence[Family] = tuple(Family),
    *,
    sync: Sync | None = None,
    beginning: Callable[[JobQuery, str], str] | None = None,
) -> Listing:
    """Return the page for a request's values from a ledger of `families`. The board's lists are the same pages.

    `sync` is what a ConsistentRead invokes. `beginning` returns the stored beginning of a traversal, for a query and
    the current time. A NextToken takes precedence: it belongs to a traversal. Raises InvalidToken, LedgerUnavailable,
    and what `beginning` raises.
    """
    query = job_query(values, families, ledger.known_sources)
    token = values.get("NextToken")
    start = unseal(token, query, ledger.table.name) if token else None
    consistent = values.get("ConsistentRead", False)
    # Read AsOf before the page: the page is then at least this recent.
    if consistent:
        known_at, stale = _synced(ledger, query, sync, now())
    else:
        known_at, stale = oldest(recent_as_of(ledger, query.sources), query.families), False
    # The traversal begins after the sync, so that it includes what the sync found.
    time = rfc3339(now())
    until = now() + SEARCH_TIME
    stored = beginning(query, time) if beginning and start is None else None
    page = read_page(
        ledger,
        query,
        values.get("MaxResults", DEFAULT_MAX_RESULTS),
        start,
        time,
        begun=stored,
        # The same traversal must list the same jobs each time. An eventually consistent read can miss a new job.
        consistent=consistent or stored is not None,
        time_left=lambda: now() < until,
    )
    next_token = seal(page.position, query, ledger.table.name) if page.position else None
    examined = None if page.jobs or next_token is None else page.examined
    return Listing(page.jobs, next_token, known_at, stale, examined)


def _synced(
    ledger: Ledger, query: JobQuery, sync: Sync | None, now: datetime
) -> tuple[str | None, bool]:
    """Return AsOf after a sync, and whether it could not reach the service."""
    times, stale = by_source(ledger, query.families, query.sources), False
    if not times:
        # Removed sources are not synced.
        return oldest(as_of(ledger, query.sources), query.families), True
    if sync is not None:
        times, stale = refreshed(times, sync, now, is_shared=ledger.is_shared)
    return oldest(times, times), stale


def json_text(listing: Listing) -> str:
    """Join the response body from jobs that are JSON already; the token and time need no escaping."""
    token = f',"NextToken":"{listing.next_token}"' if listing.next_token else ""
    time = f'"{listing.as_of}"' if listing.as_of else "null"
    stale = ',"Stale":true' if listing.stale else ""
    examined = f',"Examined":{listing.examined}' if listing.examined is not None else ""
    jobs = ",".join(listing.jobs)
    return f'{{"ComprehendMedicalAsyncJobPropertiesList":[{jobs}]{token},"AsOf":{time}{stale}{examined}}}'


def text_in(name: str, listing: Listing, *, sources: bool = False) -> str:
    """Return a page in one of `parameters.RESPONSE_FORMATS`; with `sources`, of a ledger that several share."""
    if name == "json":
        return json_text(listing)
    # JSON is the default; the other formats are imported only when requested.
    from jobledger.api.export import BYTE_ORDER_MARK, csv_text, ndjson_text

    if name == "ndjson":
        return ndjson_text(listing.jobs)
    return (BYTE_ORDER_MARK if name == "csv-bom" else "") + csv_text(
        listing.jobs, outputs=shows_outputs(), sources=sources
    )


def headers_of(listing: Listing, sent: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the page's metadata as headers, for formats whose body has no place for it.

    The link is relative and has no path, so it works at any address.
    """
    headers = {"X-As-Of": listing.as_of} if listing.as_of else {}
    if listing.stale:
        headers["X-Stale"] = "true"
    if listing.examined is not None:
        headers["X-Examined"] = str(listing.examined)
    if listing.next_token:
        carried = {name: texts for name, texts in sent.items() if name not in _NOT_CARRIED_ON}
        link = query_string(carried | {"NextToken": [listing.next_token]})
        headers["Link"] = f'<?{link}>; rel="next"'
    return headers
