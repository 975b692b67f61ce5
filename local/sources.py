"""The accounts and regions of `make local SOURCES=…`, and the stack that each member account has."""

from __future__ import annotations

from collections.abc import Mapping

from local.comprehend_medical.sources import OWN_ACCOUNT, OWN_REGION
from local.processes import LocalError

REGIONS = (OWN_REGION, "eu-west-1")
MOST_ACCOUNTS = 9


def sources_of(accounts: str) -> tuple[str, ...]:
    """Return the sources of so many accounts, the own one first; none without a number."""
    if not accounts:
        return ()
    if not (accounts.isascii() and accounts.isdigit() and 0 < int(accounts) <= MOST_ACCOUNTS):
        raise LocalError(
            f"SOURCES={accounts} is not a number of accounts: give 1 to {MOST_ACCOUNTS}"
        )
    # 111122223333, 222233334444, …
    others = (
        "".join(str((n + place) % 10) * 4 for place in range(3)) for n in range(1, int(accounts))
    )
    return tuple(f"{account}/{region}" for account in (OWN_ACCOUNT, *others) for region in REGIONS)


def members_of(sources: tuple[str, ...]) -> list[str]:
    """Return the accounts other than the own one, each once."""
    accounts = dict.fromkeys(source.partition("/")[0] for source in sources)
    return [account for account in accounts if account != OWN_ACCOUNT]


def credentials_of(account: str) -> Mapping[str, str]:
    """Return the variables with which a program acts as the root user of an account of the local AWS."""
    return {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test"}
