"""Serves a table with the limits that DynamoDB enforces for one partition key.

    python -m bench.limits

serves the table, and a list of 5,000 jobs, and prints its address. A request with the target `Bench.Units` is answered with
what was written.
"""

import asyncio
import json
import time

from bench.month import a_job
from bench.servers import Aws, Connection
from local.comprehend_medical import Family, Hostility, Service
from testing.throttled_dynamodb import Limited

JOBS = 5_000


class LimitedAws(Aws):
    """Servers whose table throttles."""

    def __init__(self) -> None:
        super().__init__(0)
        now = time.time()
        jobs = [a_job(number, now - 86_400 - 60 * number, ended=True) for number in range(JOBS)]
        listed = {Family.SNOMEDCT: jobs}
        self._service = Service(listed, Hostility.none(), clock=lambda: now)
        self._table: Limited = Limited()

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of a response."""
        if target == "Bench.Units":
            counted = {"units": self._table.writes, "throttled": self._table.throttled}
            return 200, json.dumps(counted).encode()
        return super().answer(target, body)


async def main() -> None:
    """Serve until killed."""
    aws, loop = LimitedAws(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(aws), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.create_future()


if __name__ == "__main__":
    asyncio.run(main())
