"""The jobs of the session's own account and region, as boto3 would list them, in a ledger of several sources."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from botocore.config import Config
from botocore.exceptions import NoRegionError

from job_ledger.answers import AGES, DESCRIPTION, JOB, JOBS, JSON, PAGE
from job_ledger.errors import ApiError, source_not_found
from job_ledger.filters import Query
from job_ledger.http import Http, Request, Response

_ANY_JOB: Query = [("Family", "ALL"), ("MaxResults", "1")]


class OwnSource:
    """Reads the jobs of the session's account and region.

    Only the jobs of a ledger with several sources have an Account. Until one is seen, requests are those for a ledger
    of one source, and STS is not asked.
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self._is_shared = False
        self._found: Query = []
        self._lock = threading.Lock()

    def page(self, query: Query) -> Response:
        """Return a page of jobs. Raises ApiError, and botocore's errors when the own source cannot be found."""
        continued = "NextToken" in dict(query)
        if not self._is_shared:
            try:
                response = self._jobs(query)
            except ApiError as error:
                # The token of a list of one source, made by another process?
                if not (continued and error.status == HTTPStatus.BAD_REQUEST):
                    raise
                self._jobs(_ANY_JOB)
                if not self._is_shared:
                    raise
            else:
                if not self._is_shared:
                    return response
                if continued:
                    return self._own(response)
        try:
            response = self._jobs(query + self._filters())
        except ApiError as error:
            if not (continued and error.status == HTTPStatus.BAD_REQUEST):
                raise
            # The token of a list that began when no job with an Account had been seen.
            return self._own(self._jobs(query))
        page = response.object(PAGE)
        if not page[JOBS] and page.get("AsOf") is None:
            self._check_source()
        return response

    def job(self, path: str) -> Response:
        """Return the description of a job. Raises ApiError, also for a job of another source."""
        response = self._http.get(path, self._filters())
        job = response.object(DESCRIPTION)[JOB]
        self._note([job])
        # Another source can have a job of this id.
        return response if self._is_own(job) else self._http.get(path, self._filters())

    def _check_source(self) -> None:
        """Raise ApiError when the own source is none of the ledger's: an empty list would say that it has no jobs."""
        own = dict(self._filters())
        # A stale ledger answers 503 with the same members.
        health = self._http.send(Request("GET", "/health", headers={"Accept": JSON})).object(AGES)
        if own not in [
            {name: source[name] for name in own} for source in health.get("Sources", ())
        ]:
            raise source_not_found("/".join(own.values()))

    def _jobs(self, query: Query) -> Response:
        response = self._http.get("/jobs", query)
        self._note(response.object(PAGE)[JOBS])
        return response

    def _own(self, response: Response) -> Response:
        """Return a page with the jobs of the own source alone."""
        page = response.object(PAGE)
        page[JOBS] = [job for job in page[JOBS] if self._is_own(job)]
        return replace(response, body=json.dumps(page).encode())

    def _is_own(self, job: Mapping[str, Any]) -> bool:
        # A job without an Account is of a deployment that no longer has other sources.
        return "Account" not in job or all(job.get(name) == own for name, own in self._filters())

    def _note(self, jobs: list[dict[str, Any]]) -> None:
        self._is_shared = self._is_shared or any("Account" in job for job in jobs)

    def _filters(self) -> Query:
        """Return the filters of the own source when the ledger has several. STS is asked once."""
        if not self._is_shared:
            return []
        with self._lock:
            if not self._found:
                account = self._http.account
                if not account.region:
                    raise NoRegionError
                sts = account.client("sts", Config(retries={"mode": "standard"}))
                caller = sts.get_caller_identity()["Account"]
                self._found = [("Account", caller), ("Region", account.region)]
            return self._found
