"""The counters of a ledger, and what a recount of its job rows gives."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from jobledger.ledger.active import active_key
from jobledger.ledger.counters import counted_for, counts_of, partition
from jobledger.ledger.counts import LAYOUT, counts_of_job, expiration_of, without_hours
from jobledger.ledger.job_facts import facts_of_row
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import is_counted
from jobledger.ledger.table import decode
from jobledger.service import Family
from jobledger.sources import job_id_of, source_of_key
from testing.dynamodb_limits import Item

Items = Mapping[tuple[str, str], Item]
Counters = dict[str, dict[str, int]]


def stored_counters(items: Items, scope: str, source: str | None = None) -> Counters:
    """The counts of each counter row, by its sort key; rows without counts are left out."""
    totals = partition(scope, source)
    counters = ((sk, counts_of(decode(i))) for (pk, sk), i in items.items() if pk == totals)
    return {key: dict(counts) for key, counts in counters if counts}


def recounted(
    items: Items, scope: str, source: str | None = None, *, every_row: bool = False
) -> Counters:
    """What the counter rows have to hold: of the rows marked as counted, or of every job row; or of those of a member."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for (pk, sk), item in items.items():
        row: Any = decode(item)
        if "Job" in row and pk.startswith(f"{scope}/") and (every_row or is_counted(row)):
            if source not in counted_for(source_of_key(sk)):
                continue
            family = Family(pk.rpartition("/")[2])
            job = facts_of_row(family, row)
            counts = Counter(counts_of_job(job))
            rows[f"day#{sk[:10]}#{family}"].update(counts)
            rows[f"month#{sk[:7]}#{family}"].update(without_hours(counts))
            rows[f"all#{family}"].update(without_hours(counts))
            if expiration := expiration_of(job):
                day, name = expiration
                rows[f"expires#{day}#{family}"][name] += 1
    return {key: dict(counts) for key, counts in rows.items()}


def complete_counters(ledger: Ledger) -> None:
    """Note in each state what a sync would: the counters are complete."""
    for family in Family:
        state = replace(ledger.state(family), counted=LAYOUT)
        assert ledger.save_state(family, state)


def check_rows(
    items: Items, scope: str, family: Family, *, damaged: bool = False, counted: bool = True
) -> None:
    """The counters of all sources are right, each job is one row, and each active job has an active row, as no other has.

    With `damaged`, active rows may have any content. Without `counted`, as in a first fill, counters may.
    """
    partition = f"{scope}/{family}"
    for source in {None, *(source_of_key(sk) for pk, sk in items if pk == partition)}:
        right = recounted(items, scope, source, every_row=True)
        assert not counted or stored_counters(items, scope, source) == right
    jobs = {
        active_key("", job_id_of(sk), source_of_key(sk))["SK"]: (sk, item)
        for (pk, sk), item in items.items()
        if pk == partition
    }
    assert len(jobs) == sum(pk == partition for pk, _ in items)
    active = {
        job_id: sk
        for job_id, (sk, item) in jobs.items()
        if int(item["Rank"]["N"]) < 3 and "ExpiredUpstream" not in item
    }
    rows = {sk: item for (pk, sk), item in items.items() if pk == f"{partition}#active"}
    assert rows.keys() == active.keys()
    assert damaged or {sk: item["JobKey"]["S"] for sk, item in rows.items()} == active
