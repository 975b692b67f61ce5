"""The interleavings of tests/unit/sync/test_interleavings.py on a DynamoDB that was not written for these tests."""

import pytest
from moto import mock_aws

from testing.full import in_full
from testing.interleavings import Interleavings, interleave
from testing.moto_dynamodb import MotoDynamoDB

INTERLEAVINGS = in_full(1, 20)


@pytest.mark.full
def test_no_interleaving_on_moto_loses_doubles_or_turns_back_a_job():
    with mock_aws():
        interleave(Interleavings, INTERLEAVINGS, 40, MotoDynamoDB)
