"""Options that several subcommands have: the connection, the filters, times."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from job_ledger.filters import JOB_FILTERS, LIST_FILTERS, api_name, date_in_digits
from job_ledger.types import Family, JobStatus

if TYPE_CHECKING:  # importing it would slow down a shell's completion
    from job_ledger.client import JobLedger

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_TIME_RULE = (
    "a time is how long ago (90s, 60m, 12h, 7d, 2w), a date (2026-11-29, midnight UTC), an RFC 3339 time "
    "with its offset (2026-11-29T10:00:00Z), or epoch seconds"
)
_EPOCH = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
CONNECTION = ("url", "profile", "region")

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[timedelta]):
    """A number and a unit, such as 90s, 60m or 7d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration."""
        if isinstance(value, timedelta):
            return value
        if (seconds := _seconds(value)) is None:
            self.fail("a duration is a number and one of s, m, h, d, w, such as 60m", param, ctx)
        return timedelta(seconds=seconds)


class Time(click.ParamType[str]):
    """A time of the API, or how long ago: 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time as the API reads it."""
        seconds = _seconds(value)
        if seconds is not None:
            try:
                ago = datetime.now(UTC) - timedelta(seconds=seconds)
                return ago.isoformat(timespec="seconds").replace("+00:00", "Z")
            except OverflowError:
                self.fail("that is longer ago than any calendar reaches", param, ctx)
        if hint := date_in_digits(value):
            self.fail(f"{value} would be epoch seconds: did you mean {hint}?", param, ctx)
        if not _is_absolute(value):
            self.fail(_TIME_RULE, param, ctx)
        # The API's times have seconds.
        return _MOMENT.sub(lambda found: f"{found[1]}{found[2] or ':00'}{found[3]}", value)


def _is_absolute(text: str) -> bool:
    if _EPOCH.fullmatch(text):
        return True
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).tzinfo is not None
        return text.isascii() and text[4:5] == "-" and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _seconds(text: str) -> int | None:
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def ledger(ctx: click.Context) -> "JobLedger":
    """Return the client for the connection options of the command line."""
    from job_ledger.client import JobLedger

    return JobLedger(**{name: ctx.find_root().ensure_object(dict).get(name) for name in CONNECTION})


def session(ctx: click.Context) -> Any:
    """Return the botocore session for the connection options of the command line."""
    from job_ledger.location import open_session

    given = ctx.find_root().ensure_object(dict)
    return open_session(given.get("profile"), given.get("region"))


def _remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().ensure_object(dict)[str(param.name)] = value


def connection_options(command: Command) -> Command:
    """Add --url, --profile and --region. They can stand before and after the subcommand."""
    for name, text in (
        ("region", "AWS region.  [default: that of the profile or the environment]"),
        ("profile", "AWS profile of the credentials."),
        (
            "url",
            "Address of the API.  [default: JOB_LEDGER_URL, or the output ApiUrl of the stack JobLedger]",
        ),
    ):
        option = click.option(f"--{name}", help=text, expose_value=False, callback=_remember)
        command = option(command)
    return command


class _Choice(click.Choice[str]):
    """One of the API's names, in any case."""

    def __init__(self, names: Any) -> None:
        super().__init__(get_args(names), case_sensitive=False)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the values as the API writes them."""
        return f"[{'|'.join(self.choices)}]"

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Name the allowed values as the API writes them."""
        return f"{value!r} is not one of {', '.join(self.choices)}."


_SOURCE_FILTERS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--account",),
        {"multiple": True, "help": "Account of the jobs; repeat for several.  [default: all]"},
    ),
    (
        ("--job-region", "job_region"),
        {"multiple": True, "help": "Region of the jobs; repeat for several.  [default: all]"},
    ),
)
# The last name is that of the argument. Each filter also has its API name.
_JOB_FILTERS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--family",),
        {
            "type": _Choice(Family),
            "multiple": True,
            "help": "Kind of job; repeat for several.  [default: all of the deployment]",
        },
    ),
    (("--name", "--job-name", "job_name"), {"help": "Exact job name."}),
    (("--name-prefix", "--job-name-prefix", "job_name_prefix"), {"help": "Start of the job name."}),
    (
        ("--after", "--submit-time-after", "submit_time_after"),
        {"type": Time(), "help": "Submitted after this: 7d (ago), a date, or RFC 3339."},
    ),
    (
        ("--before", "--submit-time-before", "submit_time_before"),
        {"type": Time(), "help": "Submitted before this."},
    ),
    *_SOURCE_FILTERS,
)
# --region is that of the session.
_FILTERS = {"job_region": "region"}


def _filter_of(names: tuple[str, ...]) -> str:
    """Return the filter of an option's names."""
    argument = names[-1].lstrip("-").replace("-", "_")
    return _FILTERS.get(argument, argument)


_NAMED = {_filter_of(names) for names, _ in _JOB_FILTERS} | {"job_status"}
# A filter without an option of its own above has the API's name.
_JOB_FILTERS += tuple(
    ((f"--{name.replace('_', '-')}", name), {"help": f"The API's filter {api_name(name)}."})
    for name in JOB_FILTERS
    if name not in _NAMED
)
_STATUS: tuple[tuple[str, ...], dict[str, Any]] = (
    ("--status", "--job-status", "job_status"),
    {"type": _Choice(JobStatus), "multiple": True, "help": "Status; repeat for any of several."},
)


def job_options(command: Command) -> Command:
    """Add the API's filters other than the status."""
    for names, more in reversed(_JOB_FILTERS):
        command = click.option(*names, **more)(command)
    return command


def source_options(command: Command) -> Command:
    """Add the filters of sources alone."""
    for names, more in reversed(_SOURCE_FILTERS):
        command = click.option(*names, **more)(command)
    return command


def filter_options(command: Command) -> Command:
    """Add all of the API's filters."""
    names, more = _STATUS
    return job_options(click.option(*names, **more)(command))


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add --format; the first is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print.",
    )


def set_filters(**values: Any) -> dict[str, Any]:
    """Return the filters of the command line: people look at every family unless they name some."""
    chosen = {
        _FILTERS.get(name, name): value
        for name, value in values.items()
        if value not in (None, (), False)
    }
    return {"family": ("ALL",), **chosen}


def option_of(name: str) -> str:
    """Return the option of a filter: --after for submit_time_after."""
    rows = (*_JOB_FILTERS, _STATUS)
    known = {_filter_of(names): names[0] for names, _ in rows}
    return known.get(name, f"--{name.replace('_', '-')}")


def in_words_of_the_options(text: str) -> str:
    """Return an API's text with the options in place of its parameters."""
    for name in _PARAMETERS:
        text = re.sub(rf"\b{re.escape(name)}\b", _PARAMETERS[name], text)
    return text


_PARAMETERS = {api_name(name): option_of(name) for name in LIST_FILTERS} | {
    "WindowStart": "--start",
    "WindowEnd": "--end",
    "Idempotency-Key": "--idempotency-key",
}
