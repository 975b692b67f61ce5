"""The jobs of a filtered list as one CSV file, over all pages.

A Lambda response has a limit, so the file of a long list ends early, and its name says with how many jobs.
"""

from collections.abc import Mapping
from typing import Any

from jobledger.api.export import BYTE_ORDER_MARK, csv_text
from jobledger.api.negotiation import MEDIA_TYPES
from jobledger.api.responses import Answer
from jobledger.board.data import BoardReader
from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import job_query
from jobledger.ledger.pages import MAX_PAGE_BYTES, read_page
from jobledger.settings import shows_outputs
from jobledger.times import rfc3339

MOST_JOBS = 5_000
_JOBS_A_PAGE = 100


def download(reader: BoardReader, values: Mapping[str, Any]) -> Answer:
    """Return the file for parsed parameters. Raises LedgerUnavailable."""
    ledger, now = reader.ledger, rfc3339(reader.now())
    query = job_query(values, reader.families, ledger.known_sources)
    columns = {"outputs": shows_outputs(), "sources": ledger.is_shared}
    # Without the mark, a spreadsheet misreads letters outside of ASCII.
    texts, jobs, size = [f"{BYTE_ORDER_MARK}{csv_text([], **columns)}"], 0, 0
    position: Position | None = None
    while True:
        page = read_page(
            ledger, query, _JOBS_A_PAGE, position, now, time_left=lambda: _time_left(reader)
        )
        rows = csv_text(page.jobs, **columns).partition("\r\n")[2]
        # Lambda's limit counts the response as JSON, in which each quote takes two bytes.
        size += len(rows.encode()) + rows.count('"')
        if jobs and size > MAX_PAGE_BYTES:
            break
        texts.append(rows)
        jobs, position = jobs + len(page.jobs), page.position
        if position is None or jobs >= MOST_JOBS or not _time_left(reader):
            break
    name = "jobs.csv" if position is None else f"jobs-first-{jobs}.csv"
    return Answer(
        "".join(texts),
        f"{MEDIA_TYPES['csv']}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _time_left(reader: BoardReader) -> bool:
    try:
        reader.check_time()
    except TooMuchToSummarise:
        return False
    return True
