"""The settings of a deployment: flat CDK context keys, parsed and validated here only.

They come from `cdk deploy -c key=value` (always text) or from `context` in cdk.json (any JSON). The README
lists them; the error messages say what is allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stacks import setting_readers as read
from stacks.setting_readers import FAMILIES, InvalidValue


class SettingsError(ValueError):
    """One or more settings are not valid.

    The text has one line for each problem, with the key, the problem and the allowed values.
    """


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
    keep_warm: bool = True
    bundle_for: Literal["lambda", "host"] = "lambda"

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Settings":
        """Read all settings. Raises SettingsError with every wrong key and value."""
        values: dict[str, Any] = {}
        problems = _misspelt_keys(context)
        for key, (name, reader) in _READERS.items():
            if key not in context:
                continue
            try:
                values[name] = reader(context[key])
            except InvalidValue as invalid:
                problems += [_line(key, problem, invalid.allowed) for problem in invalid.problems]
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values)


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


def _misspelt_keys(context: Mapping[str, Any]) -> list[str]:
    """Return a line for each unknown key that resembles the key of a setting."""
    likely = ((key, read.nearest(key, _READERS, cutoff=0.75)) for key in unknown_keys(context))
    return [
        _line(key, f"this key does not exist; did you mean {right}?", ", ".join(_READERS))
        for key, right in likely
        if right
    ]


def _line(key: str, problem: str, allowed: str) -> str:
    return f"setting {key}: {problem}; allowed: {allowed}"


# Context key to field and reader.
_READERS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "families": ("families", read.families),
    "syncMinutes": ("sync_minutes", read.sync_minutes),
    "digestSchedule": ("digest_schedule", read.schedule),
    "digestTimezone": ("digest_timezone", read.timezone),
    "digestEmails": ("digest_emails", read.emails),
    "digestWhen": ("digest_when", read.digest_when),
    "chatDigests": ("chat_digests", read.truth),
    "alertOn": ("alert_on", read.statuses),
    "alertEmails": ("alert_emails", read.emails),
    "includeJobDetails": ("include_job_details", read.truth),
    "retainLedger": ("retain_ledger", read.truth),
    "keepWarm": ("keep_warm", read.truth),
    "bundleFor": ("bundle_for", read.bundle_for),
}
