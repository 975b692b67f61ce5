"""The settings of a deployment: flat CDK context keys, parsed and validated here only.

They come from `cdk deploy -c key=value` (always text) or from `context` in cdk.json (any JSON). docs/settings.md
lists them; the error messages say what is allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stacks import output_setting_readers as read_output
from stacks import setting_readers as read
from stacks import source_setting_readers as read_source
from stacks.setting_readers import FAMILIES, InvalidValue

DEFAULT_NAME = "JobLedger"
# A role's name has at most 64 characters; those of the sync and of members are NAME-Sync and NAMEMember.
_LONGEST_SHARED_NAME = 58
# The variables of a function have 4,096 characters, of which the others have fewer than 1,000.
_MOST_VARIABLES = 3_100
_CHARACTERS_OF_A_SOURCE = 14  # an account and a comma; regions are there once
# Settings without effect unless one of these others is there, too.
_NEEDS = {
    "outputKeyArns": ("outputBuckets",),
    "characterPrices": ("outputBuckets",),
    "ownSource": ("sources",),
    "digestBy": ("sources",),
    "externalId": ("sources", "hub"),
}
# What a member's stack depends on. The others are of the hub, and may be in the same cdk.json.
_OF_A_MEMBER = ("hub", "name", "families", "externalId")


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
    sources: tuple[str, ...] = ()
    own_source: bool = True
    external_id: str | None = None
    digest_by: Literal["ledger", "source"] = "ledger"
    lookup_accounts: tuple[str, ...] = ()
    hub: str | None = None
    bundle_for: Literal["lambda", "host"] = "lambda"
    # No setting: `account/region`, if the CDK CLI knows where the stack will be; otherwise empty.
    deployed_to: str = ""

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
        problems += _useless_keys(context, values) + _too_long(values)
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


def notes(context: Mapping[str, Any]) -> list[str]:
    """Return a line for each key that is ignored, and for all settings that a member's stack does not have."""
    known = ", ".join(setting_keys())
    found = [
        f"context key {key} is not a setting and is ignored; settings: {known}"
        for key in unknown_keys(context)
    ]
    others = [key for key in _READERS if key in context and key not in _OF_A_MEMBER]
    if "hub" in context and others:
        ignored = ", ".join(others)
        found.append(
            f"with hub, the settings are {', '.join(_OF_A_MEMBER)}; these are ignored: {ignored}"
        )
    return found


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
    """Return a line for each setting that has no effect without another, unless that one is not valid."""
    return [
        _line(key, f"it needs the setting {needed}", f"only together with {needed}")
        for key, others in _NEEDS.items()
        if values.get(_field(key), _default(key)) != _default(key)
        and not ("hub" in context and key not in _OF_A_MEMBER)
        and not any(values.get(_field(other), other in context) for other in others)
        for needed in (" or ".join(others),)
    ]


def _too_long(values: Mapping[str, Any]) -> list[str]:
    """Return a line for each limit of AWS that settings exceed together."""
    problems = []
    name, sources = values.get("name", DEFAULT_NAME), values.get("sources", ())
    if (sources or values.get("hub")) and len(name) > _LONGEST_SHARED_NAME:
        allowed = f"up to {_LONGEST_SHARED_NAME} characters with sources or hub"
        problems.append(_line("name", "it is too long for the names of the roles", allowed))
    texts = values.get("external_id") or "", ",".join(values.get("output_buckets", ()))
    for key, text in zip(("externalId", "outputBuckets"), texts, strict=True):
        most = _MOST_VARIABLES - _CHARACTERS_OF_A_SOURCE * len(sources)
        if sources and len(text) > most:
            problem = f"it has {len(text)} characters, and the sources leave room for fewer in a function's variables"
            problems.append(_line(key, problem, f"up to {most} characters with so many sources"))
    return problems


def _field(key: str) -> str:
    return _READERS[key][0]


def _default(key: str) -> object:
    return getattr(Settings, _field(key))


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
    "sources": ("sources", read_source.sources),
    "ownSource": ("own_source", read.truth),
    "externalId": ("external_id", read_source.external_id),
    "digestBy": ("digest_by", read_source.digest_by),
    "lookupAccounts": ("lookup_accounts", read_source.lookup_accounts),
    "hub": ("hub", read_source.hub),
    "bundleFor": ("bundle_for", read.bundle_for),
}
