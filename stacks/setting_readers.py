"""Readers of single settings: each returns the parsed value of one context key, or raises InvalidValue.

A value is text (`cdk deploy -c key=value`) or any JSON (`context` in cdk.json).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from importlib import resources

from jobledger.service import Family, JobStatus
from stacks.schedules import schedule_problem

# Plain text, because CDK mistakes members of a Python enumeration for its own.
STATUSES = tuple(status.value for status in JobStatus)
FAMILIES = tuple(family.value for family in Family)
BUNDLE_TARGETS = ("lambda", "host")
DIGEST_WHEN = ("always", "changes", "attention")
_LONGEST_EMAIL = 254  # RFC 5321, as corrected by RFC 3696's erratum 1690
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
LONGEST_BACKUP_DAYS = 35  # DynamoDB's point-in-time recovery
# A name is part of the names that CloudFormation makes for the resources.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_VPC_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")
_ARN = r"arn:aws(-[a-z]+)*:{service}:[a-z0-9-]+:[0-9]{{12}}:{resource}"
# The prefixes of region names by partition; all other regions are in `aws`.
_PARTITIONS = {
    "us-gov-": "aws-us-gov",
    "cn-": "aws-cn",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
}
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY_ARN = re.compile(_ARN.format(service="kms", resource=f"key/({_UUID}|mrk-[0-9a-f]{{32}})"))
_WEB_ACL_ARN = re.compile(
    _ARN.format(service="wafv2", resource=f"regional/webacl/[A-Za-z0-9_-]{{1,128}}/{_UUID}")
)


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


def name(value: object) -> str:
    return _matching(value, _NAME, "a letter, then up to 63 letters, digits and hyphens")


def accounts(value: object) -> tuple[str, ...]:
    """Read a list of account ids. JSON must have them as text: an id can begin with zeros."""

    def problem(account: str) -> str | None:
        return None if _ACCOUNT.fullmatch(account) else f"{account!r} is not an account id"

    return word_list(value, "account ids of 12 digits such as 111122223333,444455556666", problem)


def vpc_endpoint_ids(value: object) -> tuple[str, ...]:
    def problem(endpoint: str) -> str | None:
        found = _VPC_ENDPOINT.fullmatch(endpoint)
        return None if found else f"{endpoint!r} is not the id of a VPC endpoint"

    return word_list(value, "ids of interface endpoints for execute-api, vpce-…", problem)


def web_acl_arn(value: object) -> str:
    allowed = "the ARN of a regional web ACL of AWS WAF, arn:…:wafv2:…:regional/webacl/…"
    return _arn(value, _WEB_ACL_ARN, allowed)


def kms_key_arn(value: object) -> str:
    return _arn(value, _KEY_ARN, "the ARN of a KMS key (not of an alias), arn:…:kms:…:key/…")


def sync_minutes(value: object) -> int:
    return _whole_number(value, range(1, 61), "a whole number of minutes from 1 to 60")


def log_retention_days(value: object) -> int:
    allowed = "a number of days that CloudWatch Logs supports: " + ", ".join(
        map(str, LOG_RETENTION_DAYS)
    )
    return _whole_number(value, LOG_RETENTION_DAYS, allowed)


def backup_days(value: object) -> int:
    days = range(1, LONGEST_BACKUP_DAYS + 1)
    return _whole_number(value, days, f"a whole number of days from 1 to {LONGEST_BACKUP_DAYS}")


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
    # From the tzdata package, so the result does not depend on the machine's files.
    zones = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    if name not in zones or name == "Factory":
        problem = f"{name!r} is not a time zone{suggestion(name, zones)}"
        raise InvalidValue("an IANA name such as UTC or Europe/Zurich", problem)
    return name


def emails(value: object) -> tuple[str, ...]:
    def problem(address: str) -> str | None:
        return None if _is_email(address) else f"{address!r} is not an e-mail address"

    return word_list(value, "addresses such as a@example.org,b@example.org", problem)


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


def partition_of(region: str) -> str:
    """Return the AWS partition of a region."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def nearest(word: str, known: Iterable[str], *, cutoff: float) -> str | None:
    """Return the most similar known word, ignoring case; None when no word is similar."""
    by_lower_case = {name.lower(): name for name in known}
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


def _matching(value: object, pattern: re.Pattern[str], allowed: str) -> str:
    text = _text(value, allowed)
    if not pattern.fullmatch(text):
        raise InvalidValue(allowed, f"{text!r} is not valid")
    return text


def _arn(value: object, pattern: re.Pattern[str], allowed: str) -> str:
    """Read an ARN whose partition and region belong together."""
    text = _matching(value, pattern, allowed)
    _, partition, _, region, *_ = text.split(":")
    of_region = partition_of(region)
    if partition != of_region:
        problem = (
            f"{text!r} is of the partition {partition}, and its region {region} of {of_region}"
        )
        raise InvalidValue(allowed, problem)
    return text


def _whole_number(value: object, numbers: Sequence[int], allowed: str) -> int:
    text = str(value).strip()
    if (
        isinstance(value, bool)
        or not (text.isascii() and text.isdigit())
        or int(text) not in numbers
    ):
        raise InvalidValue(allowed, f"{value!r} is not valid")
    return int(text)


def _choices(value: object, kind: str, choices: Sequence[str], allowed: str) -> tuple[str, ...]:
    """Return the words of a list; each must be one of `choices`."""

    def problem(word: str) -> str | None:
        return None if word in choices else f"{word!r} is not a {kind}{suggestion(word, choices)}"

    return word_list(value, allowed, problem)


def word_list(
    value: object, allowed: str, problem_of: Callable[[str], str | None]
) -> tuple[str, ...]:
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


def suggestion(word: str, known: Sequence[str]) -> str:
    near = nearest(word, known, cutoff=0.6)
    return f", did you mean {near}?" if near else ""
