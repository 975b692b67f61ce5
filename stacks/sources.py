"""Other accounts and regions whose jobs the ledger has, with the setting `sources`."""

from aws_cdk import Stack
from constructs import Construct

from stacks.settings import Settings

# The sources of one sync run, which are synced side by side: a run of more would have to wait for a processor.
_LARGEST_GROUP = 25


def sync_role_name(settings: Settings) -> str:
    """Return the name of the sync's role with `sources`: members name it before and after it exists."""
    return f"{settings.name}-Sync"


def member_name(settings: Settings) -> str:
    """Return the name of a member's stack and of its role."""
    return f"{settings.name}Member"


def external_id(settings: Settings, hub: str) -> str:
    """Return what the sync says when it assumes a member's role, so that the member knows which ledger asks."""
    return settings.external_id or f"{hub}/{settings.name}"


def sources_text(scope: Construct, settings: Settings) -> str:
    """Return all sources as the variable SOURCES: by region, with the accounts of each."""
    by_region: dict[str, list[str]] = {}
    for source in _all_sources(scope, settings):
        account, _, region = source.partition("/")
        by_region.setdefault(region, []).append(account)
    return ";".join(f"{region}={','.join(accounts)}" for region, accounts in by_region.items())


def source_groups(scope: Construct, settings: Settings) -> list[list[str]]:
    """Return the sources of each sync run: as few groups as possible, of the same size or one more."""
    sources = _all_sources(scope, settings)
    count = -(-len(sources) // _LARGEST_GROUP)
    return [sources[number::count] for number in range(count)]


def member_roles(scope: Construct, settings: Settings) -> list[str]:
    """Return the ARN of the role of each other account."""
    own = settings.deployed_to.partition("/")[0]
    accounts = dict.fromkeys(source.partition("/")[0] for source in settings.sources)
    return [
        f"arn:{Stack.of(scope).partition}:iam::{account}:role/{member_name(settings)}"
        for account in accounts
        if account != own
    ]


def _all_sources(scope: Construct, settings: Settings) -> list[str]:
    """Return the own source first, unless it is left out, and then the others, by region and account."""
    stack = Stack.of(scope)
    own = [f"{stack.account}/{stack.region}"] if settings.own_source else []
    others = (source for source in settings.sources if source != settings.deployed_to)
    return own + sorted(others, key=lambda source: source.split("/")[::-1])
