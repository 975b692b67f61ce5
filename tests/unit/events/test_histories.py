"""Random batches of a stream: unreadable records at any position, and a bus and a queue that refuse.

The model is a shard as Lambda reads it: a batch goes on from the record that the answer names, and any part of it may
come again. Each change is sent, in the order of its shard; each other record is put aside, alone.
"""

import random
from typing import Any

import pytest

from testing.full import in_full
from testing.memory_dynamodb import error
from tests.unit.events.stream import ODDITIES, Bus, Queue, a_record, send

HISTORIES = in_full(30, 1_000)
RECORDS = 60
# Lambda names a record by its sequence number: without one, it would have sent none.
UNNUMBERED = {"null", "text", "no dynamodb"}
ODD = [name for name in ODDITIES if name not in UNNUMBERED and "sequence number" not in name]
FOR_NOW = ("ThrottlingException", "InternalFailure", "InvalidResponse", "KeyError", "late")
FOR_EVER = ("MalformedDetail", "InvalidArgument", "RedactionFailure", "ValidationException")


class RefusingBus(Bus):
    """Refuses some jobs for ever, and others for now."""

    def __init__(self, chance: random.Random, never: dict[str, str]) -> None:
        super().__init__()
        self.random, self.never, self.works = chance, never, False

    def put_events(self, *, Entries: Any) -> Any:  # noqa: N803 - botocore's name
        for job, code in self.never.items():
            if job in Entries[0]["Detail"]:
                return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code}]}
        if not self.works and self.random.random() < 0.1:
            code = self.random.choice(FOR_NOW)
            if code == "KeyError":
                raise KeyError
            if code == "late":  # it was sent, but the answer is lost
                super().put_events(Entries=Entries)
            if code == "InvalidResponse":
                return {"FailedEntryCount": 0, "Entries": self.random.choice([[], [{}], [None]])}
            raise error(code, 500)
        return super().put_events(Entries=Entries)


class RefusingQueue(Queue):
    """Refuses for now."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.random, self.works = chance, False

    def send_message(self, **message: Any) -> Any:
        if not self.works and self.random.random() < 0.3:
            raise self.random.choice([error("AccessDenied", 403), OSError(), KeyError()])
        return super().send_message(**message)


def stream(chance: random.Random) -> tuple[list[Any], set[int]]:
    """The records of a shard, and the numbers of those that are not understood: a quarter."""
    records: list[Any] = []
    odd: set[int] = set()
    for number in range(RECORDS):
        record = a_record(number)
        if chance.random() < 0.25:
            record = ODDITIES[chance.choice(ODD)](record)
            odd.add(number)
        records.append(record)
    return records, odd


@pytest.mark.full
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_each_change_is_sent_in_order_and_each_other_record_is_put_aside(seed, caplog):
    chance = random.Random(seed)
    records, odd = stream(chance)
    refused = [n for n in range(RECORDS) if n not in odd and chance.random() < 0.05]
    bus = RefusingBus(chance, {f"job{n:03}": chance.choice(FOR_EVER) for n in refused})
    queue = RefusingQueue(chance)

    def deliver(position: int, most: int) -> int:
        """One batch, which may have come before; return the position of the next record."""
        start = max(0, position - chance.randrange(4))
        batch = records[start : start + most]
        left = 180_000 if chance.random() < 0.97 else 1_000
        failed = send(batch, bus, queue, left=lambda: left)["batchItemFailures"]
        return int(failed[0]["itemIdentifier"]) if failed else start + len(batch)

    position = 0
    for _ in range(100):
        position = deliver(position, chance.randint(1, 20))
    bus.works = queue.works = True
    while position < RECORDS:
        position = deliver(position, 100)

    sent = [int(detail["JobId"][3:]) for detail in bus.details]
    aside = {int(entry["SequenceNumber"]) for entry in queue.entries}
    logged = {
        int(vars(line)["sequence_number"]) for line in caplog.records if "queue" in line.message
    }
    never_sent = odd.union(refused)
    assert [*dict.fromkeys(sent)] == [n for n in range(RECORDS) if n not in never_sent]
    assert aside <= never_sent <= aside | logged
    for entry in queue.entries:
        members = records[int(entry["SequenceNumber"])]["dynamodb"]
        keys = members.get("Keys") or members.get("NewImage")
        assert (entry["PK"], entry["SK"]) == (keys["PK"]["S"], keys["SK"]["S"]) if keys else True
