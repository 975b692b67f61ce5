"""The reason for CloudFormation fits into its response."""

import json
from datetime import UTC, datetime

import pytest

from jobledger.errors import LookupFailed
from jobledger.lookup.resource import with_one_reason

MOST = 2000  # bytes, as JSON


def reason_of(sentence: str) -> str:
    def fail():
        raise LookupFailed(sentence)

    with pytest.raises(LookupFailed) as failed:
        with_one_reason({}, lambda: datetime.now(UTC), fail)
    return str(failed.value)


def size_of(sentence: str) -> int:
    return len(json.dumps(sentence, ensure_ascii=False).encode("utf-8", "replace"))


def test_a_reason_that_just_fits_is_unchanged():
    sentence = "x" * (MOST - 2)
    assert reason_of(sentence) == sentence


@pytest.mark.parametrize("letter", ["x", "診", '"', "\\"])
def test_a_longer_reason_keeps_as_much_of_its_beginning_as_fits(letter):
    reason = reason_of(letter * 5000)
    assert reason == letter * (len(reason) - 1) + "…"
    assert MOST * 9 // 10 - 10 < size_of(reason) <= MOST
