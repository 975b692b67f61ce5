"""Reads the arguments of the CDK construct: each is checked at synth, and a token of CDK is passed on as it is.

Values of `cdk deploy -c key=value` are text, so booleans and numbers may be text as well.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, get_args

from aws_cdk import Token

from job_ledger.filters import date_in_digits

_MOST_MINUTES = 120
_LONGEST_NAME = 256
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII
)
_EPOCH_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)
_DEPLOYMENT = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)


def is_token(value: Any) -> bool:
    """Whether a value is a token. CDK's own test fails for tuples, infinity and NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, Sequence) and not isinstance(value, str):
        # A list that is a token has one text.
        return len(value) == 1 and isinstance(value[0], str) and Token.is_unresolved([value[0]])
    return bool(Token.is_unresolved(value))


def choices(argument: str, values: Any, allowed: Any) -> str | list[str] | None:
    """Return one or more of the values of a Literal type, as they were given: `a,b` is also a list."""
    known = get_args(allowed)
    return _several(argument, values, known, lambda text: choice(argument, text, known))


def accounts(argument: str, values: Any) -> str | list[str] | None:
    """Return one or more account ids, as they were given."""
    return _matching(argument, values, _ACCOUNT, "account ids of 12 digits")


def regions(argument: str, values: Any) -> str | list[str] | None:
    """Return one or more names of regions, as they were given."""
    return _matching(argument, values, _REGION, "regions such as us-east-1")


def _matching(
    argument: str, values: Any, pattern: re.Pattern[str], rule: str
) -> str | list[str] | None:
    def check(text: str) -> None:
        if not (is_token(text) or pattern.fullmatch(text)):
            raise _wrong(argument, text, [rule])

    return _several(argument, values, [rule], check)


def _several(
    argument: str, values: Any, allowed: Sequence[str], check: Callable[[str], object]
) -> str | list[str] | None:
    if values is None or is_token(values):
        return values  # type: ignore[no-any-return] # a token
    texts = [values] if isinstance(values, str) else list(values)
    if not texts:
        raise _wrong(argument, values, allowed)
    for text in texts:
        for one in [text] if is_token(text) else str(text).split(","):
            check(one.strip())
    return values if isinstance(values, str) else texts


def choice(argument: str, value: Any, allowed: Sequence[str]) -> str | None:
    """Return one of the allowed values."""
    if value is None or is_token(value) or value in allowed:
        return value  # type: ignore[no-any-return] # a token, or one of the allowed
    raise _wrong(argument, value, allowed)


def job_name(argument: str, value: Any) -> str | None:
    """Return a job's name, or the start of one."""
    if value is None or is_token(value):
        return value  # type: ignore[no-any-return] # a token
    if isinstance(value, str) and 1 <= len(value) <= _LONGEST_NAME and all(map(_in_names, value)):
        return value
    raise _wrong(argument, value, ["1 to 256 letters, digits, spaces and _ . : / = + - % @"])


def time(argument: str, moment: Any) -> str | None:
    """Return a time as text."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{argument} needs a time zone: {moment}")
        return moment.isoformat()
    if moment is None or is_token(moment):
        return moment  # type: ignore[no-any-return] # a token
    text = str(moment)
    date = date_in_digits(text)
    if not date and (_EPOCH_SECONDS.fullmatch(text) or (_TIME.fullmatch(text) and _exists(text))):
        return text
    allowed = (
        "a datetime with a time zone, an RFC 3339 time, a date (midnight UTC) or epoch seconds"
    )
    raise _wrong(argument, moment, [allowed], date)


def truth(argument: str, value: Any) -> str:
    """Return `true` or `false`, also for these texts."""
    if is_token(value):
        return value if isinstance(value, str) else Token.as_string(value)
    if isinstance(value, bool):
        return str(value).lower()
    if value in ("true", "false"):
        return str(value)
    raise _wrong(argument, value, ["true", "false"])


def minutes(argument: str, value: Any) -> float:
    """Return a number of minutes, also for text."""
    if is_token(value):
        return Token.as_number(value)
    try:
        number = float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= _MOST_MINUTES:
        raise ValueError(f"{argument} is {value!r}, but must be from 0 to {_MOST_MINUTES}")
    return number


def token_parameter(name: str | None) -> str:
    """Return the SSM parameter of the deployment with this setting `name`; without one, of the default deployment."""
    if name is not None and (is_token(name) or not _DEPLOYMENT.fullmatch(name)):
        # CloudFormation reads the parameter by a literal name: for a token there is service_token.
        raise _wrong("name", name, ["a letter, then up to 63 letters, digits and hyphens"])
    own = () if name in (None, "JobLedger") else (name,)
    return "/".join(("/job-ledger", *own, "lookup-service-token"))


def _in_names(character: str) -> bool:
    return character in "_.:/=+-%@" or unicodedata.category(character)[0] in "LZN"


def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def _wrong(
    argument: str, value: object, allowed: Sequence[str], near: str | None = None
) -> ValueError:
    *most, last = allowed
    rule = f"{', '.join(most)} or {last}" if most else last
    near = near or next((one for one in allowed if one.lower() == str(value).lower()), None)
    near = near or next(iter(get_close_matches(str(value), allowed, n=1)), None)
    hint = f"; did you mean {near}?" if near else ""
    return ValueError(f"{argument} is {value!r}, but must be {rule}{hint}")
