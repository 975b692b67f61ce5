"""The API's handler behind a real HTTP server on loopback, for clients of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from jobledger.service import Family
from testing.api import Api, event, running_api
from testing.builders import full_job
from testing.scripted_server import Received, Scripted, answering, problem

JOBS = 1_203
"""The number of SNOMED CT jobs that `fill` makes."""


class ServedApi:
    """The handler on a ledger in memory, and its address; `requests` are what it was sent."""

    def __init__(self, api: Api, *, needs_signature: bool = False) -> None:
        self.api = api
        self.url = ""
        self.needs_signature = needs_signature
        self.requests: list[Received] = []
        # The handler has one current request, as in Lambda.
        self._one_at_a_time = threading.Lock()

    def answer(self, received: Received) -> Scripted:
        self.requests.append(received)
        signed = self.needs_signature or "authorization" in received.headers
        if signed and not received.is_signed():
            return problem(403, "AccessDeniedException")
        # The tools cannot decode.
        headers = {name: of for name, of in received.headers.items() if name != "accept-encoding"}
        path = unquote(urlsplit(received.target).path)
        body = received.body.decode() or None
        with self._one_at_a_time:
            sent = event(path, received.query, method=received.method, headers=headers, body=body)
            answer = self.api.send(sent)
        return Scripted(answer.status, answer.headers, answer.content)


@contextmanager
def served_api(*, needs_signature: bool = False) -> Iterator[ServedApi]:
    """The API with an empty ledger. A signature that is there must be right, as in AWS."""
    with running_api() as api:
        made = ServedApi(api, needs_signature=needs_signature)
        with answering(made.answer) as server:
            made.url = server.url
            yield made


def fill(api: Api) -> None:
    """Record SNOMED CT jobs 0 to JOBS, of three outcomes in turn, and two PHI jobs."""
    statuses = ("COMPLETED", "FAILED", "PARTIAL_SUCCESS")
    api.fill(*(full_job(number, JobStatus=statuses[number % 3]) for number in range(JOBS)))
    api.fill(
        full_job(9_001, JobName="夜 =1+1", JobStatus="FAILED", Message="\x1b[31mno"),
        full_job(9_002, JobStatus="STOPPED"),
        family=Family.PHI,
    )
    api.mark_synced()
