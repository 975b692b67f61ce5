"""Syncs at once, of one or several sources: no source touches another one's rows, and the counters of each are right."""

import pytest

from testing.full import in_full
from testing.random_syncs import sync_at_random


@pytest.mark.full
@pytest.mark.parametrize("seed", range(in_full(20, 500)))
def test_whatever_syncs_meet_no_job_is_lost_doubled_or_turned_back(seed):
    sync_at_random(seed)
