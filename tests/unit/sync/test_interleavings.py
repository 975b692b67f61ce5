"""The tests that fail when a write loses its condition."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import jobledger
from testing.builders import MemoryLedger
from testing.digests import DigestWorld
from testing.dropped_conditions import CONDITIONS, dropped
from testing.random_syncs import sync_at_random
from tests.unit.digest import test_delivery as delivery
from tests.unit.ledger import test_active_rows as active_rows
from tests.unit.ledger import test_counters as counters
from tests.unit.ledger import test_outputs as outputs
from tests.unit.ledger import test_writing as writing
from tests.unit.outputs import test_metrics as recent
from tests.unit.sync import test_pace as pace
from tests.unit.sync import test_shared_syncs as shared_syncs


def at_random() -> None:
    for seed in range(12):
        sync_at_random(seed)


stamped = writing.test_a_new_job_is_stamped_after_every_state_that_was_saved_before_its_write
# Random syncs find a write without its condition. Where they do it rarely, or do not write it, another test does.
FOUND_BY: dict[str, Callable[[], object]] = {
    "a job row that exists": at_random,
    "a new job row": at_random,
    "a state": at_random,
    "the job row of a deleted job": lambda: (
        writing.test_a_mark_does_not_undo_what_another_writes_at_the_same_time(MemoryLedger())
    ),
    "a change row": lambda: writing.test_a_change_is_never_written_over_another(MemoryLedger()),
    "no state behind new jobs": lambda: stamped(MemoryLedger(), 0),
    "the state behind new jobs": lambda: stamped(MemoryLedger(), 1),
    "a job row that was not counted": (
        counters.test_a_recount_skips_rows_that_another_writer_changes_and_counts_the_rest
    ),
    "a counter row": (
        counters.test_a_wrong_row_that_is_written_while_it_is_compared_is_right_afterwards
    ),
    "a job row that stays": lambda: (
        active_rows.test_a_job_that_ends_while_it_is_followed_is_followed_no_longer("is noted")
    ),
    "another row of a job": (
        active_rows.test_a_row_of_a_job_that_another_writer_changes_is_not_removed_as_it_was
    ),
    "an active row": (
        active_rows.test_two_syncs_that_find_a_new_job_with_different_submit_times_write_one_row
    ),
    "an active row that is marked": lambda: (
        active_rows.test_a_job_that_ends_while_it_is_followed_is_followed_no_longer(
            "is marked as unknown"
        )
    ),
    "an active row that goes": (
        active_rows.test_a_job_that_has_moved_is_not_dropped_for_its_former_submit_time
    ),
    "the pace": pace.test_a_call_that_another_overtakes_takes_a_slot_after_it,
    "the claim of a shared sync": (
        shared_syncs.test_of_two_callers_that_find_no_sync_one_syncs_and_both_get_its_result
    ),
    "the result of a shared sync": (
        shared_syncs.test_a_sync_that_was_given_up_leaves_the_claim_of_the_next_one
    ),
    "the job row of an output": (
        outputs.test_an_output_that_is_written_beside_another_change_of_its_job_undoes_nothing
    ),
    "the last outcomes": recent.test_of_two_runs_at_once_one_adds_its_outcomes,
    "a digest's state": lambda: delivery.test_a_state_that_derives_from_an_older_one_is_not_written(
        DigestWorld()
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_write_without_its_condition_is_found(name):
    with dropped(name), pytest.raises(AssertionError):
        FOUND_BY[name]()


def test_every_conditional_write_is_planted():
    package = Path(str(jobledger.__file__)).parent
    writes = Counter(
        {
            str(file.relative_to(package)): len(found)
            for file in package.rglob("*.py")
            if file.name != "table.py"
            and (
                found := re.findall(
                    r"\b(?:Put|Check|Delete|put_over|put_next(?:_alone)?)\((?!ended_row|anew|damaged|row, sound)",
                    file.read_text(encoding="utf-8"),
                )
            )
        }
    )
    assert writes == Counter(condition.module for condition in CONDITIONS.values())
