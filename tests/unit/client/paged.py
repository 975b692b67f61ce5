"""Answers of the API: a page, a description, and pages of one job repeated, as many as a test wants."""

from jobledger.jobs import job_from_service
from jobledger.service import Family
from testing.builders import full_job
from testing.scripted_server import Received, Scripted, document

LIST = "ComprehendMedicalAsyncJobPropertiesList"
SIZE = 500
AS_OF = "9999-11-23T11:00:00.000Z"  # never old
SUMMARY = {
    "Total": 1, "ByStatus": {"COMPLETED": 1}, "ByFamily": {"SNOMEDCT": 1}, "OldestActive": None, "AsOf": AS_OF,
    "Durations": {"p50": None, "p90": None, "max": None}, "ExpiringSoon": 0, "FailureRate": None,
}  # fmt: skip


def page(*jobs, **more):
    return document({LIST: list(jobs), "AsOf": AS_OF} | more)


def described(job, *history, **more):
    body = {"ComprehendMedicalAsyncJobProperties": job, "History": list(history)}
    return document(body | more)


class Paged:
    """Answers `GET /jobs` with pages of 500, and `GET /summary` with their total."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        job = job_from_service(Family.PHI, full_job())
        assert job
        text = job.json
        self._ndjson = f"{text}\n".encode() * SIZE
        self._csv = b'"JobId","Message"\r\n' + b'"a","two\r\nlines"\r\n' * SIZE
        self._jobs = ",".join([text] * SIZE)

    def __call__(self, request: Received) -> Scripted | None:
        if request.path == "/summary":
            return document({"Total": self.pages * SIZE})
        number = int(request.query.get("NextToken", ["0"])[0]) + 1
        more = number < self.pages
        headers = {"X-As-Of": AS_OF}
        headers |= {"Link": f'<?NextToken={number}>; rel="next"'} if more else {}
        if request.headers["accept"] == "application/json":
            token = f',"NextToken":"{number}"' if more else ""
            page = f'{{"{LIST}":[{self._jobs}]{token},"AsOf":"{AS_OF}"}}'
            return Scripted(200, headers, page.encode())
        csv = request.headers["accept"] == "text/csv"
        return Scripted(200, headers, self._csv if csv else self._ndjson)
