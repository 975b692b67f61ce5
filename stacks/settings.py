"""The settings of a deployment: flat CDK context keys, parsed and validated here only.

They come from `cdk deploy -c key=value` (always text) or from `context` in cdk.json (any JSON). The README
lists them; the error messages say what is allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from typing import Any, Literal

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


class SettingsError(ValueError):
    """A setting that is not valid; the text names the key, the problem and the allowed values."""

    def __init__(self, key: str, problem: str, allowed: str) -> None:
        super().__init__(f"setting {key}: {problem}; allowed: {allowed}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The validated settings of a deployment."""

    families: tuple[str, ...] = FAMILIES
    sync_minutes: int = 1
    digest_schedule: str = "cron(0 8 * * ? *)"
    digest_timezone: str = "UTC"
    digest_emails: tuple[str, ...] = ()
    digest_when: Literal["always", "changes", "attention"] = "always"
    chat_digests: bool = False
    include_job_details: bool = False
    alert_on: tuple[str, ...] = ("FAILED", "PARTIAL_SUCCESS")
    alert_emails: tuple[str, ...] = ()
    retain_ledger: bool = True
    bundle_for: Literal["lambda", "host"] = "lambda"

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Settings":
        """Read all settings. Raises SettingsError for the first that is not valid."""
        _refuse_misspelt_keys(context)
        return cls(
            **{
                name: read(key, context[key])
                for key, (name, read) in _READERS.items()
                if key in context
            }
        )


def unknown_keys(context: Mapping[str, Any]) -> list[str]:
    """Return flat context keys that are neither settings nor CDK's own.

    They are not errors: a user's ~/.cdk.json is merged into the context of every app.
    """
    return sorted(key for key in context if key not in _READERS and not _is_cdk_key(key))


def setting_keys() -> tuple[str, ...]:
    """Return the keys of all settings."""
    return tuple(_READERS)


def _is_cdk_key(key: str) -> bool:
    return key.startswith("@") or ":" in key or key == "cli-telemetry"


def _refuse_misspelt_keys(context: Mapping[str, Any]) -> None:
    by_lower_case = {key.lower(): key for key in _READERS}
    for key in unknown_keys(context):
        if near := get_close_matches(key.lower(), by_lower_case, n=1, cutoff=0.75):
            right = by_lower_case[near[0]]
            raise SettingsError(
                key, f"this key does not exist; did you mean {right}?", ", ".join(_READERS)
            )


def _families(key: str, value: object) -> tuple[str, ...]:
    chosen = _words(key, value, "a comma-separated list of " + ", ".join(FAMILIES))
    for family in chosen:
        if family not in FAMILIES:
            raise SettingsError(
                key, f"{family!r} is not a family{_nearest(family, FAMILIES)}", ", ".join(FAMILIES)
            )
    if not chosen:
        raise SettingsError(key, "it is empty", "at least one of " + ", ".join(FAMILIES))
    return chosen


def _statuses(key: str, value: object) -> tuple[str, ...]:
    """Parse a list of statuses; an empty list turns alerts off."""
    allowed = "a comma-separated list of " + ", ".join(STATUSES) + ", or nothing"
    chosen = _words(key, value, allowed)
    for status in chosen:
        if status not in STATUSES:
            problem = f"{status!r} is not a status{_nearest(status, STATUSES)}"
            raise SettingsError(key, problem, allowed)
    return chosen


def _sync_minutes(key: str, value: object) -> int:
    allowed = "a whole number of minutes from 1 to 60"
    text = str(value).strip()
    if (
        isinstance(value, bool)
        or not (text.isascii() and text.isdigit())
        or not 1 <= int(text) <= 60
    ):
        raise SettingsError(key, f"{value!r} is not valid", allowed)
    return int(text)


def _schedule(key: str, value: object) -> str:
    text = _text(key, value, "cron(…) or rate(…)")
    if problem := schedule_problem(text):
        raise SettingsError(
            key,
            f"{text!r} {problem}",
            "an EventBridge Scheduler expression such as cron(0 8 * * ? *) or rate(12 hours)",
        )
    return text


def _timezone(key: str, value: object) -> str:
    name = _text(key, value, "an IANA time zone")
    # The tzdata package instead of the machine's files: the result must not depend on the machine.
    zones = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    if name not in zones or name == "Factory":
        problem = f"{name!r} is not a time zone{_nearest(name, zones)}"
        raise SettingsError(key, problem, "an IANA name such as UTC or Europe/Zurich")
    return name


def _emails(key: str, value: object) -> tuple[str, ...]:
    addresses = _words(key, value, "a comma-separated list of e-mail addresses")
    for address in addresses:
        if not _is_email(address):
            raise SettingsError(
                key,
                f"{address!r} is not an e-mail address",
                "addresses such as a@example.org,b@example.org",
            )
    return addresses


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


def _truth(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise SettingsError(key, f"{value!r} is neither", "true or false")
    return value == "true"


def _bundle_for(key: str, value: object) -> str:
    if value not in BUNDLE_TARGETS:
        raise SettingsError(
            key,
            f"{value!r} is neither",
            "lambda (arm64, python3.13) or host (this machine, for a local AWS)",
        )
    return str(value)


def _digest_when(key: str, value: object) -> str:
    if value not in DIGEST_WHEN:
        raise SettingsError(
            key,
            f"{value!r} is not valid",
            "always, changes (a job changed its status) or attention (a job needs attention)",
        )
    return str(value)


def _text(key: str, value: object, allowed: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(key, f"{value!r} is not text", allowed)
    return value.strip()


def _words(key: str, value: object, allowed: str) -> tuple[str, ...]:
    """Return the unique words of 'a, b' or of a JSON list."""
    listed = value.split(",") if isinstance(value, str) and value.strip() else value or []
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise SettingsError(key, f"{value!r} is not a list", allowed)
    words = tuple(word.strip() for word in listed)
    for word in words:
        if not word:
            raise SettingsError(key, "an entry of the list is empty", allowed)
        if words.count(word) > 1:
            raise SettingsError(key, f"{word!r} is listed twice", allowed)
    return words


def _nearest(word: str, right: tuple[str, ...] | list[str]) -> str:
    by_lower_case = {name.lower(): name for name in right}
    near = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.6)
    return f", did you mean {by_lower_case[near[0]]}?" if near else ""


# Context key to field and parser.
_READERS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "families": ("families", _families),
    "syncMinutes": ("sync_minutes", _sync_minutes),
    "digestSchedule": ("digest_schedule", _schedule),
    "digestTimezone": ("digest_timezone", _timezone),
    "digestEmails": ("digest_emails", _emails),
    "digestWhen": ("digest_when", _digest_when),
    "chatDigests": ("chat_digests", _truth),
    "alertOn": ("alert_on", _statuses),
    "alertEmails": ("alert_emails", _emails),
    "includeJobDetails": ("include_job_details", _truth),
    "retainLedger": ("retain_ledger", _truth),
    "bundleFor": ("bundle_for", _bundle_for),
}
