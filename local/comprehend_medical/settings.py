"""The settings of the stand-in: hostility switches, durations, limits and outcomes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from local.comprehend_medical.errors import ControlError

OUTCOMES = ("COMPLETED", "PARTIAL_SUCCESS", "FAILED")


def _switch(meaning: str) -> bool:
    # dataclasses.field is typed as the field's own type; this keeps the workaround in one place.
    default: bool = field(default=True, metadata={"meaning": meaning})
    return default


@dataclass(frozen=True, slots=True)
class Hostility:
    """The least convenient behavior that AWS's documentation allows. Each switch is on by default."""

    single_filter: bool = _switch("refuse two filters in one List call")
    shuffle: bool = _switch("list in a new order each walk where no order is documented")
    short_pages: bool = _switch("return fewer jobs than MaxResults, with a token")
    empty_pages: bool = _switch("return pages without jobs, with a token; also as the last page")
    expiring_tokens: bool = _switch("refuse a NextToken older than token_seconds")
    throttle: bool = _switch("refuse calls above read_rate and write_rate a second")
    expire_jobs: bool = _switch("delete a job when its ExpirationTime passes")
    late_jobs: bool = _switch("list a started job only late_seconds after it was submitted")
    repeat_jobs: bool = _switch("list the last job of a page again on the page that follows")
    stop_refusals: bool = _switch("refuse to stop a job that has ended, as Amazon Comprehend does")

    @classmethod
    def none(cls) -> "Hostility":
        """Return settings with every switch off."""
        return cls(**{switch.name: False for switch in fields(cls)})


def _setting(default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations in seconds, limits, and how jobs end."""

    submitted_seconds: float = _setting(3.0, "how long a started job is SUBMITTED")
    in_progress_seconds: float = _setting(10.0, "how long it is then IN_PROGRESS")
    stopping_seconds: float = _setting(2.0, "how long a stopped job is STOP_REQUESTED")
    late_seconds: float = _setting(5.0, "how late a started job is listed (late_jobs)")
    token_seconds: float = _setting(60.0, "how long a NextToken is good (expiring_tokens)")
    retention_days: float = _setting(120.0, "days from SubmitTime to ExpirationTime")
    read_rate: int = _setting(10, "List and Describe calls a second, all together (throttle)")
    write_rate: int = _setting(5, "Start and Stop calls a second, all together (throttle)")
    throttle_status: int = _setting(429, "HTTP status of TooManyRequestsException: 429 or 400")
    active_limit: int = _setting(10, "active jobs a family above which Start is refused")
    outcome: str = _setting("COMPLETED", f"how jobs started from now on end: {', '.join(OUTCOMES)}")
    manifest_seconds: float = _setting(5.0, "how long after a job's end a late manifest is written")
    date_skew_seconds: float = _setting(0.0, "how far ahead the Date of answers is")
    seed: int = _setting(0, "seed of whatever is random in pages and orders")


def as_dict(hostility: Hostility, settings: Settings) -> dict[str, Any]:
    """Return both as one flat object: their names do not overlap."""
    return asdict(hostility) | asdict(settings)


def changed(
    hostility: Hostility, settings: Settings, changes: Mapping[str, Any]
) -> tuple[Hostility, Settings]:
    """Return both with the named values changed. Names and types are validated."""
    current = as_dict(hostility, settings)
    for name, value in changes.items():
        if name not in current:
            raise ControlError(f"{name} is not a setting; allowed are {', '.join(current)}")
        wanted = type(current[name])
        if not (type(value) is wanted or (wanted is float and type(value) is int)):
            raise ControlError(f"{name} is {value!r}; allowed is a {wanted.__name__}")
    if changes.get("outcome", OUTCOMES[0]) not in OUTCOMES:
        raise ControlError(f"outcome is {changes['outcome']!r}; allowed are {', '.join(OUTCOMES)}")
    switches = {field.name for field in fields(Hostility)}
    return (
        replace(hostility, **{k: v for k, v in changes.items() if k in switches}),
        replace(settings, **{k: v for k, v in changes.items() if k not in switches}),
    )
