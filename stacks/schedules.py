"""Validates EventBridge Scheduler expressions before the deployment.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html One-time at(…)
expressions are rejected: a digest recurs.
"""

import re

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\(([^()]*)\)")

# Name, minimum, maximum, names for numbers from the minimum on, and wildcards beside `*`, `,`, `-`, `/`.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], str], ...] = (
    ("minutes", 0, 59, (), ""),
    ("hours", 0, 23, (), ""),
    ("day of the month", 1, 31, (), "?LW"),
    ("month", 1, 12, _MONTHS, ""),
    ("day of the week", 1, 7, _DAYS, "?L#"),
    ("year", 1970, 2199, (), ""),
)


def schedule_problem(expression: str) -> str | None:
    """Return what is wrong with a cron(…) or rate(…) expression, or None."""
    if _RATE.fullmatch(expression):
        return None
    if expression.startswith("rate("):
        return "is not a valid rate: use a whole number above zero, then minutes, hours or days"
    cron = _CRON.fullmatch(expression)
    if not cron:
        return "is neither cron(…) nor rate(…)"
    return _cron_problem(cron[1].split(" "))


def _cron_problem(fields: list[str]) -> str | None:
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} fields; cron needs six: minutes, hours, day of the month, month, day of the week, year"
    for text, (name, least, most, names, wildcards) in zip(fields, _FIELDS, strict=True):
        if not _is_field(text.upper(), least, most, names, wildcards):
            return f"has {text!r} for the {name}, which ranges from {least} to {most}"
    if (fields[2] == "?") == (fields[4] == "?"):
        return "needs ? for either the day of the month or the day of the week"
    return None


def _is_field(text: str, least: int, most: int, names: tuple[str, ...], wildcards: str) -> bool:
    numbers = {str(number) for number in range(least, most + 1)} | set(names)
    numbers |= {f"0{number}" for number in range(max(least, 0), 10)} if most < 100 else set()
    return all(_is_part(part, numbers, most, wildcards) for part in text.split(","))


def _is_part(part: str, numbers: set[str], most: int, wildcards: str) -> bool:
    """Whether a part is one of `5`, `MON`, `2-4`, `*`, `0/15`, `2-30/5`, `*/5`.

    Where the field has the wildcard, also `?`, `L`, `5L` (the last Thursday), `15W`, `LW`, `6#3` (the third Friday).
    """
    if part == "*" or (part in ("?", "L") and part in wildcards):
        return True
    day, hash_sign, week = part.partition("#")
    if hash_sign and "#" in wildcards:
        return day in numbers and week in {"1", "2", "3", "4", "5"}
    if part.endswith(("L", "W")) and part[-1] in wildcards:
        return part == "LW" or part[:-1] in numbers
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= most):
        return False
    if slash and span == "*":
        return True
    start, dash, end = span.partition("-")
    return start in numbers and (not dash or end in numbers)
