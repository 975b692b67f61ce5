"""The settings of a deployment: flat CDK context keys, parsed and validated here only.

They come from `cdk deploy -c key=value` (always text) or from `context` in cdk.json (any JSON). docs/settings.md
lists them; the error messages say what is allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stacks import output_setting_readers as read_output
from stacks import setting_readers as read
from stacks.setting_readers import FAMILIES, InvalidValue

DEFAULT_NAME = "JobLedger"


class SettingsError(ValueError):
    """One or more settings are not valid.

    The text has one line for each problem, with the key, the problem and the allowed values.
    """


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The validated settings of a deployment."""

    name: str = DEFAULT_NAME
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
    allowed_accounts: tuple[str, ...] = ()
    vpc_endpoint_ids: tuple[str, ...] = ()
    web_acl_arn: str | None = None
    kms_key_arn: str | None = None
    log_retention_days: int = 90
    backup_days: int = read.LONGEST_BACKUP_DAYS
    retain_ledger: bool = True
    keep_warm: bool = True
    api_gateway_account: bool = True
    output_buckets: tuple[str, ...] = ()
    output_key_arns: tuple[str, ...] = ()
    character_prices: tuple[str, ...] = ()
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
        problems += _useless_keys(context, values)
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values)

    @property
    def service_name(self) -> str:
        """Return the value of the dimension `service` of all metrics."""
        return "job-ledger" if self.name == DEFAULT_NAME else f"job-ledger-{self.name}"

    @property
    def event_source(self) -> str:
        """Return the source of change events: the deployments of a region share one event bus."""
        return "jobledger" if self.name == DEFAULT_NAME else f"jobledger.{self.name}"

    @property
    def token_parameter(self) -> str:
        """Return the name of the SSM parameter with the service token of look-ups."""
        own = () if self.name == DEFAULT_NAME else (self.name,)
        return "/".join(("/job-ledger", *own, "lookup-service-token"))

    @property
    def output_locations(self) -> tuple[str, ...]:
        """Return where outputs are, as `bucket/` or `bucket/prefix`: the beginnings of S3 URIs without the scheme."""
        return tuple(place if "/" in place else f"{place}/" for place in self.output_buckets)


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
        _line(key, f"this key does not exist; did you mean {near}?", ", ".join(_READERS))
        for key, near in likely
        if near
    ]


def _useless_keys(context: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting about outputs without the one that turns them on, unless that one is not valid."""
    if values.get("output_buckets", "outputBuckets" in context):
        return []
    return [
        _line(key, "it needs the setting outputBuckets", "only together with outputBuckets")
        for key in ("outputKeyArns", "characterPrices")
        if values.get(_READERS[key][0])
    ]


def _line(key: str, problem: str, allowed: str) -> str:
    return f"setting {key}: {problem}; allowed: {allowed}"


# Context key to field and reader.
_READERS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "name": ("name", read.name),
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
    "allowedAccounts": ("allowed_accounts", read.accounts),
    "vpcEndpointIds": ("vpc_endpoint_ids", read.vpc_endpoint_ids),
    "webAclArn": ("web_acl_arn", read.web_acl_arn),
    "kmsKeyArn": ("kms_key_arn", read.kms_key_arn),
    "logRetentionDays": ("log_retention_days", read.log_retention_days),
    "backupDays": ("backup_days", read.backup_days),
    "retainLedger": ("retain_ledger", read.truth),
    "keepWarm": ("keep_warm", read.truth),
    "apiGatewayAccount": ("api_gateway_account", read.truth),
    "outputBuckets": ("output_buckets", read_output.output_buckets),
    "outputKeyArns": ("output_key_arns", read_output.output_key_arns),
    "characterPrices": ("character_prices", read_output.character_prices),
    "bundleFor": ("bundle_for", read.bundle_for),
}
