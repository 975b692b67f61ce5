"""The words that e-mails, chat messages and alerts share: labels, durations, addresses and commands.

They are for people, and hold text of jobs: each of them is one printable line.
"""

import shlex
from urllib.parse import quote

COLUMNS = 78
MAX_SUBJECT = 99
STATUS_LABELS = {
    "COMPLETED": "completed",
    "PARTIAL_SUCCESS": "finished in part",
    "FAILED": "FAILED",
    "STOPPED": "stopped",
    "STOP_REQUESTED": "asked to stop",
    "IN_PROGRESS": "in progress",
    "SUBMITTED": "submitted",
}


def status_label(status: str) -> str:
    """Return a status in words; an unknown status unchanged."""
    return STATUS_LABELS.get(status, printable(status))


def span(seconds: float) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `14 min`, `45 s`."""
    whole = int(seconds)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, name), (smaller, smaller_name) in zip(units, (*units[1:], (1, "s")), strict=True):
        if whole >= size:
            rest = whole % size // smaller if size > 60 else 0
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return "0 s"


def printable(foreign: str) -> str:
    """Return untrusted text as one line, without control characters or direction changes."""
    return "".join(letter if letter.isprintable() else " " for letter in foreign)


# Two sources can have jobs with one id. In the following, `source` is that of a job of a ledger with several.


def board_page(api_url: str | None, job_id: str, source: str | None = None) -> str | None:
    """Return the address of the board's page of a job; None when the API's is unknown."""
    return f"{api_url}/board/jobs/{_quoted(job_id)}{source_query(source)}" if api_url else None


def source_query(source: str | None) -> str:
    """Return the query of an address that selects a job's source."""
    account, _, region = (source or "").partition("/")
    # The account and region of an event can be any text.
    return f"?Account={_quoted(account)}&Region={_quoted(region)}" if source else ""


def _quoted(foreign: str) -> str:
    return quote(foreign, safe="", errors="replace")


def job_arguments(job_id: str, source: str | None = None) -> str:
    """Return the arguments of `jobledger job` or `jobledger open` for a job, as a shell reads them."""
    account, _, region = (source or "").partition("/")
    options = (
        f"--account {shlex.quote(account)} --job-region {shlex.quote(region)} " if source else ""
    )
    # An id can start with a dash, which a command would take for an option.
    return f"{options}{'-- ' if job_id.startswith('-') else ''}{shlex.quote(job_id)}"


def open_page(job_id: str, source: str | None = None) -> str:
    """Return the command that opens a job's page in a browser."""
    # A control character could run a command when the line is pasted into a terminal.
    if not job_id.isprintable():
        return "jobledger open"
    return f"jobledger open {job_arguments(job_id, source)}"


def signed_request(region: str, url: str) -> str:
    """Return the command that sends a request to the API with a signature."""
    return f'awscurl --service execute-api --region {region} "{url}"'
