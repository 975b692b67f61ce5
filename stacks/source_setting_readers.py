"""Readers of the settings about many accounts and regions; `stacks.setting_readers` has all others."""

import re

from stacks.regions import REGIONS
from stacks.setting_readers import (
    InvalidValue,
    accounts,
    partition_of,
    suggestion,
    word_list,
)

# SOURCES is a variable of each function, and all variables of a function have 4 KB.
_MOST_SOURCES = 200
# A function's resource policy has at most 20 KB, and a statement for each account.
_MOST_LOOKUP_ACCOUNTS = 50
_SOURCE = re.compile(r"([0-9]{12})/([a-z0-9-]+)")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")


def sources(value: object) -> tuple[str, ...]:
    """Read a list of sources, each as ACCOUNT/REGION, of one AWS partition."""
    allowed = (
        f"up to {_MOST_SOURCES} entries ACCOUNT/REGION such as 111122223333/us-east-1,444455556666/eu-west-1, of one AWS"
        f" partition; regions: {', '.join(REGIONS)}"
    )
    found = word_list(value, allowed, _source_problem)
    if len(found) > _MOST_SOURCES:
        raise InvalidValue(allowed, f"the list is too long: {len(found)} entries")
    partitions = sorted({partition_of(source.partition("/")[2]) for source in found})
    if len(partitions) > 1:
        raise InvalidValue(allowed, f"it has regions of the partitions {' and '.join(partitions)}")
    return found


def external_id(value: object) -> str:
    allowed = "2 to 1224 ASCII letters, digits and _ + = , . @ : / -"
    if not isinstance(value, str) or not _EXTERNAL_ID.fullmatch(value):
        raise InvalidValue(allowed, "it is not valid")
    return value


def digest_by(value: object) -> str:
    if value not in ("ledger", "source"):
        allowed = "ledger (one digest for all sources) or source (one for each)"
        raise InvalidValue(allowed, f"{value!r} is neither")
    return str(value)


def lookup_accounts(value: object) -> tuple[str, ...]:
    found = accounts(value)
    if len(found) > _MOST_LOOKUP_ACCOUNTS:
        allowed = f"up to {_MOST_LOOKUP_ACCOUNTS} account ids of 12 digits"
        raise InvalidValue(allowed, f"the list is too long: {len(found)} entries")
    return found


def hub(value: object) -> str:
    """Read the account of the deployment that reads this one's jobs."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{12}", value):
        raise InvalidValue(
            "the account id of the hub, 12 digits", f"{value!r} is not an account id"
        )
    return value


def _source_problem(word: str) -> str | None:
    source = _SOURCE.fullmatch(word)
    if not source:
        account, _, region = word.partition("/")
        if re.fullmatch(r"[0-9]{12}", account):
            if region:
                return f"{word!r}: {region!r} is not a region"
            return f"{word!r} has no region after the account: it is not ACCOUNT/REGION"
        return f"{word!r} does not begin with an account id of 12 digits: it is not ACCOUNT/REGION"
    region = source[2]
    if region in REGIONS:
        return None
    return (
        f"{word!r}: region {region} has no Amazon Comprehend Medical{suggestion(region, REGIONS)}"
    )
