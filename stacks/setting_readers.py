"""Readers of single settings: each returns the parsed value of one context key, or raises InvalidValue.

A value is text (`cdk deploy -c key=value`) or any JSON (`context` in cdk.json).
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from importlib import resources

from stacks.schedules import schedule_problem

STATUSES = (
    "SUBMITTED",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "COMPLETED",
    "PARTIAL_SUCCESS",
    "FAILED",
    "STOPPED",
)
FAMILIES = ("SNOMEDCT", "ICD10CM", "RXNORM", "ENTITIES_V2", "PHI")
BUNDLE_TARGETS = ("lambda", "host")
DIGEST_WHEN = ("always", "changes", "attention")
_LONGEST_EMAIL = 254  # RFC 5321, as corrected by RFC 3696's erratum 1690


class InvalidValue(ValueError):
    """A value that is not valid: what is allowed, and all problems of the value."""

    def __init__(self, allowed: str, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.allowed = allowed
        self.problems = problems


def families(value: object) -> tuple[str, ...]:
    allowed = "a comma-separated list of " + ", ".join(FAMILIES)
    chosen = _choices(value, "family", FAMILIES, allowed)
    if not chosen:
        raise InvalidValue("at least one of " + ", ".join(FAMILIES), "it is empty")
    return chosen


def statuses(value: object) -> tuple[str, ...]:
    """Read a list of statuses; an empty list turns alerts off."""
    allowed = "a comma-separated list of " + ", ".join(STATUSES) + ", or nothing"
    return _choices(value, "status", STATUSES, allowed)


def sync_minutes(value: object) -> int:
    allowed = "a whole number of minutes from 1 to 60"
    text = str(value).strip()
    if (
        isinstance(value, bool)
        or not (text.isascii() and text.isdigit())
        or not 1 <= int(text) <= 60
    ):
        raise InvalidValue(allowed, f"{value!r} is not valid")
    return int(text)


def schedule(value: object) -> str:
    text = _text(value, "cron(…) or rate(…)")
    if problem := schedule_problem(text):
        raise InvalidValue(
            "an EventBridge Scheduler expression such as cron(0 8 * * ? *) or rate(12 hours)",
            f"{text!r} {problem}",
        )
    return text


def timezone(value: object) -> str:
    name = _text(value, "an IANA time zone")
    # The tzdata package instead of the machine's files: the result must not depend on the machine.
    zones = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    if name not in zones or name == "Factory":
        problem = f"{name!r} is not a time zone{_nearest(name, zones)}"
        raise InvalidValue("an IANA name such as UTC or Europe/Zurich", problem)
    return name


def emails(value: object) -> tuple[str, ...]:
    def problem(address: str) -> str | None:
        return None if _is_email(address) else f"{address!r} is not an e-mail address"

    return _words(value, "addresses such as a@example.org,b@example.org", problem)


def truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise InvalidValue("true or false", f"{value!r} is neither")
    return value == "true"


def bundle_for(value: object) -> str:
    if value not in BUNDLE_TARGETS:
        allowed = "lambda (arm64, python3.13) or host (this machine, for a local AWS)"
        raise InvalidValue(allowed, f"{value!r} is neither")
    return str(value)


def digest_when(value: object) -> str:
    if value not in DIGEST_WHEN:
        allowed = "always, changes (a job changed its status) or attention (a job needs attention)"
        raise InvalidValue(allowed, f"{value!r} is not valid")
    return str(value)


def nearest(word: str, right: Iterable[str], *, cutoff: float) -> str | None:
    """Return the right word that is most similar, whatever its case; None when none is."""
    by_lower_case = {name.lower(): name for name in right}
    near = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=cutoff)
    return by_lower_case[near[0]] if near else None


def _is_email(address: str) -> bool:
    name, at, domain = address.rpartition("@")
    labels = domain.split(".")
    return (
        bool(name and at)
        and len(address) <= _LONGEST_EMAIL
        and address.isascii()
        and address.isprintable()
        and not set(address) & set(' "(),:;<>[]\\')
        and "@" not in name
        and len(labels) > 1
        and all(label.replace("-", "").isalnum() and not label.startswith("-") for label in labels)
    )


def _text(value: object, allowed: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(allowed, f"{value!r} is not text")
    return value.strip()


def _choices(value: object, kind: str, right: Sequence[str], allowed: str) -> tuple[str, ...]:
    """Return the words of a list of which each is one of `right`."""

    def problem(word: str) -> str | None:
        return None if word in right else f"{word!r} is not a {kind}{_nearest(word, right)}"

    return _words(value, allowed, problem)


def _words(value: object, allowed: str, problem_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return the unique words of 'a, b' or of a JSON list."""
    listed = value.split(",") if isinstance(value, str) and value.strip() else value or []
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise InvalidValue(allowed, f"{value!r} is not a list")
    words = tuple(word.strip() for word in listed)
    problems = [] if all(words) else ["an entry of the list is empty"]
    for word in dict.fromkeys(filter(None, words)):
        if words.count(word) > 1:
            problems.append(f"{word!r} is listed twice")
        if problem := problem_of(word):
            problems.append(problem)
    if problems:
        raise InvalidValue(allowed, *problems)
    return words


def _nearest(word: str, right: Sequence[str]) -> str:
    near = nearest(word, right, cutoff=0.6)
    return f", did you mean {near}?" if near else ""
