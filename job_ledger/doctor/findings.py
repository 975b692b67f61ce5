"""What a check finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from job_ledger.doctor.deployment import Deployment


class Status(StrEnum):
    """The result of a check. `LOCAL`: the local AWS lacks what is checked, and AWS has it."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    LOCAL = "local"


@dataclass(frozen=True)
class Finding:
    """What was found in one sentence, and the command or document that says how to fix it."""

    status: Status
    meaning: str
    mend: str = ""
    permission: str = ""
    """The action that the person's credentials lack, when the check could not look for that reason."""


class CouldNotLook(Exception):
    """AWS or the API did not answer, or refused. The finding says which."""

    status = Status.UNKNOWN

    def __init__(self, meaning: str, mend: str = "", permission: str = "") -> None:
        super().__init__(meaning)
        self.finding = Finding(self.status, meaning, mend, permission)


class Gone(CouldNotLook):
    """A resource of the stack does not exist."""

    status = Status.PROBLEM


def ok(meaning: str, mend: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(Status.OK, meaning, mend)


def problem(meaning: str, mend: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(Status.PROBLEM, meaning, mend)


@dataclass(frozen=True)
class Check:
    """A named check. `dropped_locally`: what the local AWS does not keep, so a problem there means nothing."""

    name: str
    look: Callable[["Deployment"], Finding]
    dropped_locally: str = ""

    def run(self, deployment: "Deployment") -> Finding:
        """Return the finding, whatever happens: one broken check does not stop another."""
        try:
            found = self.look(deployment)
        except CouldNotLook as error:
            found = error.finding
        except Exception as error:
            # The text of the error could contain data of a job; its name cannot.
            found = Finding(
                Status.UNKNOWN,
                f"The check itself failed with {type(error).__name__}.",
                "Report it, with the output of jobledger --version",
            )
        if self.dropped_locally and deployment.is_local and found.status is not Status.OK:
            return Finding(Status.LOCAL, f"Not on a local AWS: it has no {self.dropped_locally}.")
        return found


def exit_code(statuses: Iterable[Status]) -> int:
    """Return 1 when there is a problem, else 2 when a check could not look, else 0."""
    found = set(statuses)
    if Status.PROBLEM in found:
        return 1
    return 2 if Status.UNKNOWN in found else 0


def named(values: Iterable[Any]) -> str:
    """Return values as a list in a sentence."""
    return ", ".join(map(str, values))


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 queue, 2 queues."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
