"""Where jobs come from. A source is an account and region, as `account/region`; a ledger can have several.

The rows of all sources are in the partitions of the deployment's own one, so that a page, a summary or a digest costs
the same whatever the number of sources. The sort key of a row of another source, a member, ends with its tag; a row of
the own source has none. In this package, a source of None is the deployment's own.
"""

import os
import re

# The service's model allows this character in no JobId.
TAG = "~"
_TAGGED = re.compile(r"~([0-9]{12}/[a-z0-9-]+)\Z")
# A key of the own source that would look like a tagged one gets a further "~".
_LIKE_TAGGED = re.compile(r"~[0-9]{12}/[a-z0-9-]+(~*)\Z")


def tagged(key: str, source: str | None) -> str:
    """Return a sort key with the tag of its source."""
    if source:
        return f"{key}{TAG}{source}"
    return f"{key}{TAG}" if TAG in key and _LIKE_TAGGED.search(key) else key


def source_of_key(sort_key: str) -> str | None:
    """Return the member that a sort key is tagged with; None for the own source."""
    found = _TAGGED.search(sort_key) if TAG in sort_key else None
    return found[1] if found else None


def untagged(sort_key: str) -> str:
    """Return a sort key without the tag of its source."""
    found = _LIKE_TAGGED.search(sort_key) if TAG in sort_key else None
    if not found:
        return sort_key
    return sort_key[:-1] if found[1] else sort_key[: found.start()]


def job_id_of(sort_key: str) -> str:
    """Return the JobId in the sort key of a job, `SubmitTime#JobId`."""
    return untagged(sort_key).partition("#")[2]


def place_of(source: str) -> dict[str, str]:
    """Return a source, `account/region`, as the members of a JSON document."""
    account, _, region = source.partition("/")
    return {"Account": account, "Region": region}


def series_key(scope: str, source: str | None) -> str:
    """Return the sort key of the state of the digests of a ledger, or of one of its sources."""
    return f"{scope}#{source}" if source else scope


def in_environment() -> tuple[str, ...]:
    """Return the sources of SOURCES, the own one first; empty without the setting `sources`.

    A function's environment has 4 KB: `us-east-1=111122223333,444455556666;eu-west-1=111122223333`. The own source is
    there twice if the setting lists it, because the stack does not know its account.
    """
    regions = (part.partition("=") for part in os.environ.get("SOURCES", "").split(";") if part)
    found = (
        f"{account}/{region}" for region, _, accounts in regions for account in accounts.split(",")
    )
    return tuple(dict.fromkeys(found))
