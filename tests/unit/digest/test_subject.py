"""The subject of a digest: short printable ASCII with the counts that matter first."""

from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from jobledger.digest.text import (
    TextOptions,
    subject,
)
from jobledger.digest.windows import Window
from testing.digests import ZURICH, a_digest, listed


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("count", [0, 1, 999, 100_000, 10_000_000])
@pytest.mark.parametrize("covers_gap", [False, True])
def test_a_subject_is_short_printable_ascii_of_counts_and_dates(stale, count, covers_gap):
    many = listed([], total=count)
    digest = a_digest(
        stale=stale,
        covers_gap=covers_gap,
        failed=many,
        partial_success=many,
        long_running=many,
        completed=many,
        counts=Counter(FAILED=count),
    )
    said = subject(digest, ZURICH)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 100
    assert said.startswith("[job-ledger] ")
    assert said.endswith("2026-11-23")


def test_the_example_of_a_subject():
    digest = a_digest(failed=listed([], total=3), completed=listed([], total=41))
    assert subject(digest, ZURICH) == "[job-ledger] 3 FAILED, 41 completed, 2026-11-23"


@pytest.mark.parametrize("changes,said", [(0, "no changes"), (1, "1 change"), (2, "2 changes")])
def test_the_subject_of_a_digest_without_ended_jobs_counts_the_changes(changes, said):
    digest = a_digest(counts=Counter(SUBMITTED=changes))
    assert subject(digest, ZURICH) == f"[job-ledger] {said}, 2026-11-23"


@pytest.mark.parametrize("completed,said", [(1_000, ", 1000 completed"), (10_000, "")])
def test_a_subject_of_more_than_99_characters_loses_what_is_least_urgent(completed, said):
    many = listed([], total=1_000)
    digest = a_digest(
        failed=many,
        partial_success=many,
        long_running=many,
        completed=listed([], total=completed),
        covers_gap=True,
    )
    expected = (
        f"[job-ledger] 1000 FAILED, 1000 partial, 1000 running long{said}, 2026-11-22 to 2026-11-23"
    )
    assert subject(digest, ZURICH) == expected
    assert len(expected) <= 99


def test_the_date_of_a_subject_is_that_of_the_digests_zone():
    window = Window("2026-11-21T23:30:00.000Z", "2026-11-22T23:30:00.000Z")
    assert subject(a_digest(window=window), ZURICH).endswith(" 2026-11-23")
    utc = TextOptions(ZoneInfo("UTC"), None)
    assert subject(a_digest(window=window), utc).endswith(" 2026-11-22")
