"""What a digest costs with a hundred sources: no query for each, and rows in proportion to what is said."""

from collections import Counter
from typing import Any

from testing.digests import SCOPE, DigestWorld, MemoryTables, published
from testing.recounted import complete_counters

MEMBERS = [f"{number:012}/us-east-1" for number in range(1, 100)]
ACCOUNTS = ",".join(member.partition("/")[0] for member in MEMBERS)


def cost(sources: list[str], **setting: Any) -> tuple[Counter[str], int]:
    """The requests and rows of a digest of a hundred changes, of these sources in turn, as on the two days before."""
    tables = MemoryTables()
    world = DigestWorld(tables=tables, **setting)
    for day in range(3):
        for number in range(100):
            status = ("COMPLETED", "FAILED", "PARTIAL_SUCCESS", "IN_PROGRESS")[number % 4]
            world.observe(f"job-{day}-{number}", status, source=sources[number % len(sources)])
        world.forward(hours=24)
        complete_counters(world.ledger)
        tables.calls.clear()
        tables.rows_read = 0
        digest = published(world)
    assert digest["Counts"]["FAILED"] == digest["Previous"]["FAILED"] == len(digest["Failed"]) == 25
    assert len(digest["LongRunning"]) == 75
    return tables.calls, tables.rows_read


def test_a_digest_of_a_hundred_sources_costs_at_most_three_times_that_of_one():
    one, rows_of_one = cost([SCOPE])
    many, rows_of_many = cost(
        [SCOPE, *MEMBERS], SOURCES=f"eu-central-1=111122223333;us-east-1={ACCOUNTS}"
    )
    # The states of their digests, a hundred a request, say whether digestBy has changed.
    assert many == one + Counter(batch_get_item=2)
    assert rows_of_many <= 3 * rows_of_one
