"""Readers of the settings about what jobs write to S3; `stacks.setting_readers` has all others."""

import re
from collections.abc import Callable

from stacks.setting_readers import (
    FAMILIES,
    InvalidValue,
    kms_key_arn,
    suggestion,
    word_list,
)

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(
    r"(?!xn--|sthree-)(?!\d+(\.\d+){3}$)[a-z0-9]([a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)"
)
# A comma would divide the list; the others have a meaning in a policy.
_NOT_IN_A_PREFIX = set(",*?$")
# A role's policies have at most 10,240 characters and a function's variables 4 KB; both have other content as well.
_MOST_ENTRIES = 20
_MOST_CHARACTERS = 2_000
_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,10})?")


def output_buckets(value: object) -> tuple[str, ...]:
    """Read a list of buckets, each alone or with the beginning of its keys."""
    allowed = (
        f"up to {_MOST_ENTRIES} entries bucket or bucket/prefix such as codes,notes/out/2026, {_MOST_CHARACTERS:,}"
        " characters in all, in a prefix those of ASCII without , * ? $"
    )
    return _short_list(value, allowed, _bucket_problem)


def output_key_arns(value: object) -> tuple[str, ...]:
    """Read a list of KMS keys, each by its ARN."""
    allowed = f"up to {_MOST_ENTRIES} ARNs of KMS keys (not of aliases), arn:…:kms:…:key/…"

    def problem(arn: str) -> str | None:
        try:
            kms_key_arn(arn)
        except InvalidValue as invalid:
            return str(invalid)
        return None

    return _short_list(value, allowed, problem)


def character_prices(value: object) -> tuple[str, ...]:
    """Read the price of 100 characters for each of some families, as in the list of entries FAMILY=PRICE."""
    allowed = "a comma-separated list such as SNOMEDCT=0.0005,PHI=0.0014: families, and the price of 100 characters"
    found = word_list(value, allowed, _price_problem)
    families = [entry.partition("=")[0] for entry in found]
    if twice := sorted({family for family in families if families.count(family) > 1}):
        raise InvalidValue(allowed, *(f"{family!r} has two prices" for family in twice))
    return found


def _short_list(
    value: object, allowed: str, problem_of: Callable[[str], str | None]
) -> tuple[str, ...]:
    found = word_list(value, allowed, problem_of)
    if len(found) > _MOST_ENTRIES or len(",".join(found)) > _MOST_CHARACTERS:
        raise InvalidValue(allowed, f"the list is too long: {len(found)} entries")
    return found


def _bucket_problem(entry: str) -> str | None:
    bucket, slash, prefix = entry.partition("/")
    if not _BUCKET.fullmatch(bucket):
        return f"{entry!r} does not begin with the name of a bucket"
    if slash and (not prefix or prefix.startswith("/")):
        return f"{entry!r} has no prefix after the slash"
    if set(prefix) & _NOT_IN_A_PREFIX or not (prefix.isascii() and prefix.isprintable()):
        return f"{entry!r} has a character that a prefix cannot have here"
    return None


def _price_problem(entry: str) -> str | None:
    family, _, price = entry.partition("=")
    if family not in FAMILIES:
        return f"{family!r} is not a family{suggestion(family, FAMILIES)}"
    return None if _PRICE.fullmatch(price) else f"{price!r} is not a price of {family}"
