"""A minute's syncs of many sources at rest, in simulated time.

The syncs are the product's, their calls out are simulated. The sources of a run share nothing but the processor, so
each is simulated by itself, on a clock that begins with the run. What the processor does meanwhile for the other
sources is part of what each call takes.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from math import ceil
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

from botocore.exceptions import ClientError, ReadTimeoutError

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync import source as module
from jobledger.sync.connections import LATE_SECONDS
from jobledger.sync.giving_up import SourceUpstream
from jobledger.sync.pace import Pace
from jobledger.sync.run import AT_ONCE
from jobledger.sync.source import Asked, Source, sync_source
from jobledger.times import parse
from testing.builders import SCOPE, START
from testing.memory_dynamodb import MemoryDynamoDB
from testing.world import Clock

# Seconds of a call: to a near and to a far region, to STS, to DynamoDB, and one that gets no answer.
NEAR, FAR, STS, DYNAMODB, HANGS = 0.12, 0.25, 0.15, 0.005, 8.0
# A call takes about this of a processor, of which a function of 512 MB has this share.
PROCESSOR, SHARE = 0.004, 512 / 1769
FAULTS = ("hangs", "refuses", "throttles", "no role")


class Minute(NamedTuple):
    """A minute's syncs, begun when it began.

    `seconds` is the time until the last sync ended, `fresh` the part of the sources that were confirmed in that minute,
    `oldest` the greatest age of a source that is not dead, just before it was confirmed. `calls` counts by operation.
    """

    seconds: float
    fresh: float
    oldest: float
    calls: Mapping[str, int]


class Simulation:
    """Sources and their syncs. `faults` has the dead ones; they can change from minute to minute."""

    def __init__(self, sources: int, families: Sequence[Family] = tuple(Family)) -> None:
        regions = cycle(("eu-west-1", "us-east-1"))
        others = (f"{444400000000 + n}/{next(regions)}" for n in range(sources - 1))
        self.sources = (SCOPE, *others)
        self.faults: dict[str, str] = {}
        self.clock = Clock()
        self.calls: Counter[str] = Counter()
        self._minute = 0
        self._families = families
        self._as_of: dict[str, float] = {}
        self._random = random.Random(sources)
        # The processor works for the other sources of the run as well.
        self._busy = PROCESSOR / SHARE * min(sources, AT_ONCE)
        self._database = MemoryDynamoDB()
        self._database.before = lambda operation: self._call(operation, DYNAMODB)
        ledger = Ledger(Table(self._database, "ledger"), SCOPE, self.clock.now, self.sources)
        self._connected = {source: self._connect(ledger, source) for source in self.sources}

    def kill(self, number: int) -> Sequence[str]:
        """Let this many sources fail, in each of the ways; return them."""
        dead = self.sources[1 :: len(self.sources) // number][:number]
        self.faults = dict(zip(dead, cycle(FAULTS), strict=False))
        return dead

    def run_minute(self) -> Minute:
        """Sync all sources, as the schedule does, and go on to the next minute."""
        began = START + 60 * self._minute
        self.calls.clear()
        self._database.calls.clear()
        ends, fresh, oldest = [], 0, 0.0
        for source in self.sources:
            self.clock.seconds = began
            as_of = self._sync(source, began)
            ends.append(self.clock.seconds)
            fresh += as_of >= began and ends[-1] < began + 60
            if source not in self.faults:
                oldest = max(oldest, ends[-1] - self._as_of.get(source, began))
            self._as_of[source] = as_of
        seconds = max(ends) - began
        self._minute += ceil(seconds / 60)
        return Minute(seconds, fresh / len(self.sources), oldest, dict(self.calls))

    def _sync(self, source: str, began: float) -> float:
        """Sync a source; return the AsOf of its oldest family, 0 without one."""
        connected = self._connected[source]
        assert isinstance(connected.upstream, SourceUpstream)
        connected.upstream.begin()
        time = SimpleNamespace(time=self.clock.time, monotonic=self.clock.time)
        asked = Asked(self._families, 0, began + 800)
        with mock.patch.object(module, "time", time):
            answers = sync_source(connected, asked, self.clock.now, lambda *_: None)
        return min((of["AsOf"] and parse(of["AsOf"]).timestamp()) or 0 for of in answers.values())

    def _connect(self, ledger: Ledger, source: str) -> Source:
        pace = Pace(ledger.table, source, self.clock.time, self.clock.forward, LATE_SECONDS)
        client = _Client(partial(self._answer, source), self.clock.forward, self._random)
        upstream = SourceUpstream(client, pace, clock=self.clock.time)
        return Source(ledger.of(source), upstream, pace)

    def _answer(self, source: str, operation: str) -> dict[str, Any]:
        """Let a call take its time, and return the answer or raise."""
        fault = self.faults.get(source)
        if fault == "hangs":
            self._call(operation, HANGS)
            raise ReadTimeoutError(endpoint_url="https://comprehendmedical")
        if fault == "no role":
            self._call("assume_role", STS)
            raise _error("AccessDenied", "AssumeRole")
        far = source.split("/")[1] != SCOPE.split("/")[1]
        self._call(operation, (FAR if far else NEAR) * (0.5 + self._random.random()))
        if fault:
            code = "ThrottlingException" if fault == "throttles" else "AccessDeniedException"
            raise _error(code, operation)
        return {"ComprehendMedicalAsyncJobPropertiesList": []}

    def _call(self, operation: str, seconds: float) -> None:
        self.calls[operation] += 1
        self.clock.forward(seconds + self._busy)


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, operation)


class _Client:
    """Takes the place of a botocore client: `answer` makes the answers, and some errors are retried three times."""

    def __init__(
        self,
        answer: Callable[[str], dict[str, Any]],
        sleep: Callable[[float], None],
        random: random.Random,
    ) -> None:
        self._answer = answer
        self._sleep = sleep
        self._random = random
        self._handlers: dict[str, list[Callable[..., None]]] = defaultdict(list)
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, event: str, handler: Callable[..., None]) -> None:
        self._handlers[event.partition(".")[0]].append(handler)

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        return lambda **_: self._attempts(operation)

    def _attempts(self, operation: str) -> dict[str, Any]:
        for pause in self._pauses():
            self._emit("before-send")
            try:
                return self._answer(operation)
            except ClientError as error:
                self._emit("needs-retry", response=(None, error.response), caught_exception=None)
                if pause is None or "Throttling" not in error.response["Error"]["Code"]:
                    raise
            except ReadTimeoutError as error:
                self._emit("needs-retry", response=None, caught_exception=error)
                if pause is None:
                    raise
            self._sleep(pause)
        raise AssertionError

    def _pauses(self) -> Iterator[float | None]:
        """The pauses of botocore's standard mode, after each attempt."""
        yield from (self._random.random() * 2**attempt for attempt in range(3))
        yield None

    def _emit(self, event: str, **values: Any) -> None:
        for handler in self._handlers[event]:
            handler(**values)
