"""Injected faults and the record of calls, for tests."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from local.comprehend_medical.errors import ControlError, ServiceError, SwitchedOff

RECENT_CALLS = 10_000
HANG, REFUSE, DENY = "Hang", "Refuse", "AccessDenied"


@dataclass(slots=True)
class Fault:
    """A fault for the next `count` matching calls, after `skip` others.

    `job_id` matches the JobId of Describe and Stop calls. `body` is sent with status 200 in place of the answer.
    """

    operation: str = "*"
    job_id: str = "*"
    error: str | None = None
    http_status: int | None = None
    message: str = "A fault injected by a test."
    delay: float = 0.0
    body: str | None = None
    count: int = 1
    skip: int = 0


class Taken(NamedTuple):
    """The effect of faults on one call: a delay, then an error or the body of an answer."""

    delay: float
    error: ServiceError | None
    body: str | None


# Names in JSON, the field or state that each sets, and its type.
_FAULT_KEYS: dict[str, tuple[str, type]] = {
    "Operation": ("operation", str),
    "JobId": ("job_id", str),
    "Error": ("error", str),
    "HttpStatus": ("http_status", int),
    "Message": ("message", str),
    "Delay": ("delay", float),
    "Body": ("body", str),
    "Count": ("count", int),
    "Skip": ("skip", int),
}
_STATE_KEYS: dict[str, tuple[str, type]] = {
    "TokenCycle": ("token_cycle", bool),
    "EmptyPages": ("empty_pages", int),
    "RefuseTokens": ("refuse_tokens", int),
    "NullJobs": ("null_jobs", int),
    "Off": ("off", str),
}


@dataclass(slots=True)
class Faults:
    """Faults that have not occurred yet."""

    pending: list[Fault] = field(default_factory=list)
    token_cycle: bool = False  # tokens form a cycle until this is turned off
    empty_pages: int = 0  # the next walk starts with this many empty pages
    refuse_tokens: int = 0  # this many List calls with a token are rejected
    null_jobs: int = 0  # this many pages hold a null among their jobs
    off: str = ""  # until this is empty: calls hang, lose their connection, or are denied

    def read(self, wanted: Mapping[str, Any]) -> None:
        """Add a fault in the form of `/_control/faults`."""
        known = _FAULT_KEYS | _STATE_KEYS
        for key, value in wanted.items():
            if key not in known:
                raise ControlError(f"{key} is not part of a fault; allowed are {', '.join(known)}")
            kind = known[key][1]
            if not (type(value) is kind or (kind is float and type(value) is int)):
                raise ControlError(f"{key} is {value!r}; allowed is a {kind.__name__}")
        if (off := wanted.get("Off", "")) not in ("", HANG, REFUSE, DENY):
            raise ControlError(f"Off is {off!r}; allowed are {HANG}, {REFUSE}, {DENY}, and ''")
        for key in _STATE_KEYS.keys() & wanted.keys():
            setattr(self, _STATE_KEYS[key][0], wanted[key])
        values = {_FAULT_KEYS[key][0]: wanted[key] for key in _FAULT_KEYS.keys() & wanted.keys()}
        if not values.keys() & {"error", "delay", "body"}:
            if values:
                raise ControlError("a fault needs an Error, a Body or a Delay")
            return
        if {"error", "body"} <= values.keys():
            raise ControlError("a fault has an Error or a Body, not both")
        self.pending.append(Fault(**values))

    def check_on(self) -> None:
        """Raise what a call meets while the source is switched off."""
        if self.off == DENY:
            raise ServiceError("AccessDeniedException", "The caller is not authorized.", 400)
        if self.off:
            raise SwitchedOff

    def take(self, operation: str, job_id: str) -> Taken:
        """Use up one call of every matching fault. The first error or body is used; delays add up."""
        delay, chosen = 0.0, None
        for fault in list(self.pending):
            if not fnmatchcase(operation, fault.operation) or not fnmatchcase(job_id, fault.job_id):
                continue
            answers = fault.error is not None or fault.body is not None
            if fault.skip > 0:
                fault.skip -= 1
            elif chosen is None or not answers:
                delay += fault.delay
                chosen = fault if answers else chosen
                fault.count -= 1
        self.pending = [fault for fault in self.pending if fault.count > 0]
        if chosen is None or chosen.error is None:
            return Taken(delay, None, None if chosen is None else chosen.body)
        return Taken(delay, ServiceError(chosen.error, chosen.message, chosen.http_status), None)

    def refuses_token(self) -> bool:
        """Whether to reject this token."""
        refused = self.refuse_tokens > 0
        self.refuse_tokens -= refused
        return refused

    def take_empty_pages(self) -> int:
        """Return the number of empty pages for a new walk, once."""
        pages, self.empty_pages = self.empty_pages, 0
        return pages

    def nulls(self) -> list[str]:
        """Return what a page lists before its jobs: a null, under the fault for that."""
        nulls = ["null"] if self.null_jobs > 0 else []
        self.null_jobs -= len(nulls)
        return nulls

    def shown(self) -> dict[str, Any]:
        """Return the remaining faults, as `/_control/faults` shows them."""
        names = {name: key for key, (name, _) in _FAULT_KEYS.items()}
        pending = [{names[k]: v for k, v in asdict(fault).items()} for fault in self.pending]
        state = {key: getattr(self, name) for key, (name, _) in _STATE_KEYS.items()}
        return {"Pending": pending} | state


class Calls:
    """The number of calls per operation, and the times of recent ones, including rejected calls."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.recent: deque[tuple[float, str]] = deque(maxlen=RECENT_CALLS)

    def add(self, operation: str, now: float) -> None:
        """Record a call."""
        self.counts[operation] += 1
        self.recent.append((now, operation))

    def shown(self) -> dict[str, Any]:
        """Return counts and times, as `/_control/calls` shows them."""
        return {"Counts": dict(self.counts), "Calls": list(self.recent)}


class Throttle:
    """A rate limit per second. Rejected calls do not count."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque()

    def passes(self, now: float, rate: int) -> bool:
        """Whether a call is allowed now."""
        while self._passed and self._passed[0] <= now - 1:
            self._passed.popleft()
        if len(self._passed) >= rate:
            return False
        self._passed.append(now)
        return True
