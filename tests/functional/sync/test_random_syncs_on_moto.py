"""The syncs of tests/unit/sync/test_random_syncs.py on a DynamoDB that was not written for these tests."""

import pytest
from moto import mock_aws

from testing.full import in_full
from testing.moto_dynamodb import MotoDynamoDB
from testing.random_syncs import sync_at_random


@pytest.mark.full
@pytest.mark.parametrize("seed", range(in_full(1, 20)))
def test_whatever_syncs_on_moto_meet_no_job_is_lost_doubled_or_turned_back(seed):
    with mock_aws():
        sync_at_random(seed, 15, MotoDynamoDB())
