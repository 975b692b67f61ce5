"""What the stack tells a function through its environment. Read once per entry point, never at import."""

import os
from dataclasses import dataclass

from jobledger.jobs import Family


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that every function has.

    `scope` is `account/region`, as LEDGER_SCOPE says.
    """

    ledger_table_name: str
    scope: str
    families: tuple[Family, ...]


def load() -> Settings:
    """Return the settings from the environment; a missing name raises RuntimeError that says which."""
    return Settings(
        ledger_table_name=required("LEDGER_TABLE_NAME"),
        scope=required("LEDGER_SCOPE"),
        families=tuple(Family(name) for name in required("FAMILIES").split(",")),
    )


def required(name: str) -> str:
    """Return one environment variable that the stack must have set."""
    value = os.environ.get(name)
    if not value:
        msg = f"the environment variable {name} is missing: the stack sets it on every function"
        raise RuntimeError(msg)
    return value
