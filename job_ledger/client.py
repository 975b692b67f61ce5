"""The client of a Job Ledger's API."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, Unpack, cast
from urllib.parse import parse_qs, quote

from job_ledger.account import ClientArguments
from job_ledger.answers import (
    DESCRIPTION,
    DIGEST,
    HEALTH,
    JOBS,
    MEDIA_TYPES,
    PAGE,
    SUMMARY,
    csv_rows,
    ndjson_rows,
)
from job_ledger.comprehend_medical import ComprehendMedicalCalls
from job_ledger.errors import invalid_answer, job_not_found
from job_ledger.filters import JOB_FILTERS, SOURCE_FILTERS, query_of, text_of
from job_ledger.http import Http, Request, Response
from job_ledger.proxy import Proxy
from job_ledger.types import (
    DigestAnswer,
    DigestRequest,
    Health,
    Job,
    JobDescription,
    JobFilters,
    JobList,
    ListFilters,
    SourceFilters,
    Summary,
    Time,
)

LARGEST_PAGE = 500
_KEY = re.compile("[ -~]{1,255}")
_NEXT = re.compile(r'<[^<>]*\?([^<>]*)>;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class ExportedPage:
    """A page in another format, with how many jobs it has. Without a token it is the last.

    `stale`: a sync was asked for, and the ledger could not be brought up to date.
    """

    body: bytes
    next_token: str | None
    jobs: int
    as_of: str | None = None
    stale: bool = False


class JobLedger(ComprehendMedicalCalls):
    """A deployment's jobs. Requests are signed with the credentials of the profile or the environment.

    The API is at `url`, or at JOB_LEDGER_URL, or at the output ApiUrl of the stack JobLedger. All methods raise
    JobLedgerError: ApiError when the API refuses, with its problem. It also has the list and describe methods
    of `boto3.client("comprehendmedical")`.
    """

    def __init__(
        self,
        url: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        service: Any = None,
        **given: Unpack[ClientArguments],
    ) -> None:
        """Find the API; the other arguments are those of `boto3.client`, and `session`.

        Calls that are not the ledger's go to `service`, a boto3 client of Comprehend Medical.
        Raises LedgerNotFound and CredentialsUnavailable.
        """
        super().__init__(Http(url, profile, region, **given), service)

    @property
    def url(self) -> str:
        """The API's address."""
        return self._http.url

    def jobs(self, **filters: Unpack[ListFilters]) -> Iterator[Job]:
        """Iterate over all jobs that match, one page in memory at a time; `max_results` is the page's size."""
        for page in self.pages(**filters):
            yield from page[JOBS]

    def pages(self, **filters: Unpack[ListFilters]) -> Iterator[JobList]:
        """Iterate over the pages of all jobs that match."""
        chosen: ListFilters = {"max_results": LARGEST_PAGE, **filters}
        while True:
            page = self.page(**chosen)
            yield page
            if "NextToken" not in page:
                return
            chosen = _next(chosen, page["NextToken"])

    def page(self, **filters: Unpack[ListFilters]) -> JobList:
        """Return one page of jobs."""
        return cast(JobList, self._http.get("/jobs", query_of(filters)).object(PAGE))

    def exported(
        self, form: Literal["csv", "ndjson"], **filters: Unpack[ListFilters]
    ) -> Iterator[ExportedPage]:
        """Iterate over the pages of all jobs that match as the API renders them."""
        chosen: ListFilters = {"max_results": LARGEST_PAGE, **filters}
        while True:
            page = self.exported_page(form, **chosen)
            yield page
            if page.next_token is None:
                return
            chosen = _next(chosen, page.next_token)

    def exported_page(
        self, form: Literal["csv", "ndjson"], **filters: Unpack[ListFilters]
    ) -> ExportedPage:
        """Return one page of jobs as CSV with a header line, or as one JSON object a line."""
        response = self._http.get("/jobs", query_of(filters), MEDIA_TYPES[form])
        jobs = (csv_rows if form == "csv" else ndjson_rows)(response.body)
        # A page without jobs has an empty body: then only the headers show that the API sent it.
        if jobs is None or not (response.body or response.request_id):
            raise invalid_answer(response.status, response.request_id)
        as_of, stale = response.headers.get("x-as-of"), "x-stale" in response.headers
        return ExportedPage(response.body, _next_token(response), jobs, as_of, stale)

    def job(self, job_id: str, **source: Unpack[SourceFilters]) -> JobDescription:
        """Return a job of any family with its history: that of a source, where several sources can have the id."""
        if not job_id.strip("."):
            raise job_not_found()  # in a URL, dots would lead to another path
        path, query = f"/jobs/{quote(job_id, safe='')}", query_of(source, SOURCE_FILTERS)
        return cast(JobDescription, self._http.get(path, query).object(DESCRIPTION))

    def summary(self, **filters: Unpack[JobFilters]) -> Summary:
        """Return counts and durations of all jobs that match."""
        return cast(
            Summary, self._http.get("/summary", query_of(filters, JOB_FILTERS)).object(SUMMARY)
        )

    def last_digest(self) -> DigestAnswer:
        """Return the last digest of the schedule, or of a call without a window."""
        return cast(DigestAnswer, self._http.get("/digests").object(DIGEST))

    def publish_digest(
        self,
        window_start: Time | None = None,
        window_end: Time | None = None,
        idempotency_key: str | None = None,
    ) -> DigestAnswer:
        """Publish a digest of a window, or of the time since the last digest.

        Without a key, each call makes one: its retries publish once, and a second call publishes again.
        """
        if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
            raise ValueError("An Idempotency-Key is 1 to 255 printable ASCII characters.")
        window: DigestRequest = {}
        if window_start is not None:
            window["WindowStart"] = text_of("window_start", window_start)
        if window_end is not None:
            window["WindowEnd"] = text_of("window_end", window_end)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()) if idempotency_key is None else idempotency_key,
        }
        body = json.dumps(window).encode()
        answer = self._http.answer(Request("POST", "/digests", [], headers, body))
        return cast(DigestAnswer, answer.object(DIGEST))

    def health(self) -> Health:
        """Return the age of the ledger. Raises ApiError (503, with Families) when it is too old."""
        return cast(Health, self._http.get("/health").object(HEALTH))

    def proxy(self) -> Proxy:
        """Return a server on 127.0.0.1 that signs a browser's requests to the API."""
        return Proxy(self._http)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()


def _next_token(response: Response) -> str | None:
    """Return the NextToken of a Link header with rel=next. Raises ApiError when it has none."""
    link = response.headers.get("link", "")
    if "next" not in link:
        return None
    target = _NEXT.search(link)
    tokens = parse_qs(target[1]).get("NextToken") if target else None
    if not tokens:
        raise invalid_answer(response.status, response.request_id)
    return str(tokens[0])


def _next(filters: ListFilters, token: str) -> ListFilters:
    """Return the filters of the next page. Only the first page of a traversal can ask for a sync."""
    if token == filters.get("next_token"):
        raise invalid_answer(200, "")  # or the traversal would never end
    following: dict[str, Any] = {**filters, "next_token": token}
    following.pop("consistent_read", None)
    return cast(ListFilters, following)
