"""Jobs whose manifests come late, while S3 and DynamoDB fail now and then: in the end the ledger has the truth.

The end-to-end test of a thousand jobs has manifests of all kinds, and nothing that fails.
"""

import random
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.errors import LedgerUnavailable, StoreUnavailable
from jobledger.ledger.output import Output
from testing.builders import HOUR, MINUTE, NOW
from testing.memory_dynamodb import error
from tests.unit.events.stream import ODDITIES
from tests.unit.outputs.world import OutputsWorld, ended_job, key_of, record_of, world_of

JOBS = 300


def send_as_lambda_does(world: OutputsWorld, records: list[Any]) -> None:
    """Send a batch, again from the record that failed."""
    while failures := world.send(records)["batchItemFailures"]:
        failed = f"'SequenceNumber': '{failures[0]['itemIdentifier']}'"
        records = records[[failed in str(one) for one in records].index(True) :]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_outputs_of_jobs_are_the_truth_whatever_fails_for_ten_hours(seed):
    draw, world = random.Random(seed), world_of(JOBS)

    def fails(share: float) -> bool:
        return world.now < NOW + 10 * HOUR and draw.random() < share

    def read(bucket: str, key: str, limit: int) -> bytes:
        if fails(0.05):
            raise StoreUnavailable("SlowDown")
        return world.read(bucket, key, limit)

    def call(operation: str) -> None:
        if fails(0.01):
            raise error("InternalServerError", 500)

    def write() -> None:
        """Write the manifests whose time has come."""
        for number in [n for n, hour in late.items() if NOW + hour * HOUR <= world.now]:
            world.put(number, 5, *"AB"[: number % 3])
            del late[number]

    world.dependencies = replace(world.dependencies, read=read)
    # The hour at which each has its manifest: at once, late, or never.
    late = {n: draw.choice([0, 0.01, 0.2, 2, 23, 99]) * draw.random() for n in range(1, JOBS + 1)}
    late = {n: hour if hour < 24 else 99 for n, hour in late.items()}
    records: list[Any] = [record_of(job, n) for n, job in enumerate(world.jobs.values())]
    records += draw.choices(records, k=100)
    draw.shuffle(records)
    world.database.before = call
    write()
    for start in range(0, len(records), 50):
        odd = draw.choice([*ODDITIES.values()])(record_of(ended_job(), 5_000))
        send_as_lambda_does(world, [*records[start : start + 50], odd])
    while world.now < NOW + 30 * HOUR:
        world.now += MINUTE if world.now < NOW + 5 * HOUR else 5 * MINUTE
        write()
        for _ in range(3):
            with suppress(LedgerUnavailable):
                world.due()
    for number, output in enumerate(world.all_outputs(), 1):
        codes = dict.fromkeys("AB"[: number % 3], 1)
        read_in_time = Output(5 + len(codes), 5, len(codes), 500, 31, codes)
        missing = Output(problem="ManifestNotFound", location=f"s3://out/{key_of(number)}")
        assert output == (missing if number in late else read_in_time)
    assert world.waiting() == []
    world.agree()
