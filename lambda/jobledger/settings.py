"""The functions' environment variables, set by the stack. Read once per entry point, never at import."""

import os

import msgspec

from jobledger.service import Family
from jobledger.sources import in_environment


class Settings(msgspec.Struct, frozen=True):
    """The settings that all functions share.

    `scope` is the deployment's `account/region`, from LEDGER_SCOPE; `sources` are empty without the setting.
    """

    ledger_table_name: str
    scope: str
    families: tuple[Family, ...]
    sources: tuple[str, ...] = ()


def load() -> Settings:
    """Read the settings from the environment. Raises RuntimeError with the name of a missing variable."""
    return Settings(
        ledger_table_name=required("LEDGER_TABLE_NAME"),
        scope=required("LEDGER_SCOPE"),
        families=families(),
        sources=in_environment(),
    )


def families() -> tuple[Family, ...]:
    """Read the families of this deployment, in the service's order. Raises RuntimeError when they are missing."""
    chosen = {Family(name) for name in required("FAMILIES").split(",")}
    return tuple(family for family in Family if family in chosen)


def shows_outputs() -> bool:
    """Whether this deployment reads what jobs processed, with the setting outputBuckets."""
    return os.environ.get("READS_OUTPUTS") == "true"


def character_prices() -> dict[Family, str]:
    """Return the price of 100 characters by family, as decimal text; empty without the setting characterPrices."""
    given = os.environ.get("CHARACTER_PRICES")
    prices = (entry.split("=") for entry in given.split(",")) if given else ()
    return {Family(family): price for family, price in prices}


def required(name: str) -> str:
    """Return one environment variable. Raises RuntimeError when it is missing or empty."""
    value = os.environ.get(name)
    if not value:
        msg = f"the environment variable {name} is missing: the stack sets it on every function"
        raise RuntimeError(msg)
    return value
