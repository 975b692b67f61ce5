"""The counters of a ledger, and what a recount of its job rows gives."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from jobledger.ledger.counters import counts_of, partition
from jobledger.ledger.counts import LAYOUT, expiration_of, names_of, without_hours
from jobledger.ledger.job_facts import facts_of_row
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import is_counted
from jobledger.ledger.table import decode
from jobledger.service import Family
from testing.dynamodb_limits import Item

Items = Mapping[tuple[str, str], Item]
Counters = dict[str, dict[str, int]]


def stored_counters(items: Items, scope: str) -> Counters:
    """The counts of each counter row, by its sort key; rows without counts are left out."""
    rows = {
        sk: dict(counts_of(decode(item)))
        for (pk, sk), item in items.items()
        if pk == partition(scope)
    }
    return {key: counts for key, counts in rows.items() if counts}


def recounted(items: Items, scope: str, *, every_row: bool = False) -> Counters:
    """What the counter rows have to hold: of the rows marked as counted, or of every job row."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for (pk, sk), item in items.items():
        row: Any = decode(item)
        if "Job" in row and pk.startswith(f"{scope}/") and (every_row or is_counted(row)):
            family = Family(pk.rpartition("/")[2])
            job = facts_of_row(family, row)
            counts = Counter(names_of(job))
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
