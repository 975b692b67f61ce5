"""Writes what jobs processed, and the jobs whose manifest is looked for later.

| row     | PK                       | SK                 | carries |
|---------|--------------------------|--------------------|---------|
| job     | `Scope`                  | `SubmitTime#JobId` | `JobOutput`, written in one transaction with its counters |
| waiting | `account/region#outputs` | `Due#JobId#Family`, with the tag of a member | a job whose manifest is looked for again when it is due |
"""

from collections.abc import Iterator
from functools import partial

import msgspec

from jobledger.errors import LedgerUnavailable, NotUnderstood
from jobledger.ledger.counters import Changes, write_counted
from jobledger.ledger.counts import submit_day
from jobledger.ledger.job_facts import PROJECTION, JobFacts, facts_of_row
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import ATTRIBUTE, Output, output_of
from jobledger.ledger.rows import checked, is_counted
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import WRITE_ATTEMPTS, Action, Delete, Put, Row, decode, pause
from jobledger.service import Family
from jobledger.sources import source_of_key, tagged
from jobledger.times import is_time


class Waiting(msgspec.Struct, frozen=True):
    """A job whose manifest is looked for at `due`. `attempt` counts the times that it was looked for.

    `job_key` is the sort key of the job's row.
    """

    family: Family
    job_id: str
    job_key: str
    attempt: int
    due: str


class Outputs:
    """What the jobs of a ledger processed, whatever their source."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._table = ledger.table
        self._partition = f"{ledger.scope}#outputs"

    def row(self, family: Family, job_key: str) -> Row | None:
        """Return the row of a job."""
        return self._table.get({"PK": self._ledger.partition(family), "SK": job_key})

    def record(self, family: Family, job_key: str, output: Output) -> bool:
        """Write what a job processed, and count it, unless its row says as much; False if there is no such row.

        Repeated, concurrent and late calls are harmless. Raises LedgerUnavailable.
        """
        for attempt in range(WRITE_ATTEMPTS):
            pause(min(attempt, 1))
            row = self.row(family, job_key)
            try:
                if row is None or _says_as_much(checked(row), output):
                    return row is not None
            except NotUnderstood:
                return False
            written: Row = row | {ATTRIBUTE: output.json, "Version": int(row["Version"]) + 1}
            put = Put(written, "Version = :read", {":read": row["Version"]})
            if write_counted(self._table, [put, *self._counted(family, row, written)]):
                return True
        raise LedgerUnavailable("other writers keep changing the rows")

    def _counted(self, family: Family, row: Row, written: Row) -> list[Action]:
        """Return what changes in the counters. A row that is not counted yet will be counted with its output."""
        if not is_counted(row):
            return []
        changes, day = Changes(self._ledger.scope, family), submit_day(str(row["SK"]))
        changes.add(day, facts_of_row(family, row), -1)
        changes.add(day, facts_of_row(family, written))
        return [*changes.increments()]

    def wait(self, waiting: Waiting) -> None:
        """Write a job whose manifest is looked for again. Raises LedgerUnavailable."""
        anew: Row = self._key_of(waiting) | {
            "Family": waiting.family.value,
            "JobId": waiting.job_id,
            "JobKey": waiting.job_key,
            "Attempt": waiting.attempt,
            "Due": waiting.due,
        }
        self._table.put_alone(Put(anew))

    def due(self, now: str, most: int) -> list[Waiting]:
        """Return jobs that are due, the longest due first. What cannot be read is removed: it would stay for ever."""
        answer = self._table.query(
            KeyConditionExpression="PK = :outputs AND SK BETWEEN :first AND :now",
            ExpressionAttributeValues={
                ":outputs": {"S": self._partition},
                ":first": {"S": "0"},
                # A sort key begins with `Due#`, and "~" follows each character of a time.
                ":now": {"S": f"{now}~"},
            },
            Limit=most,
        )
        found: list[Waiting] = []
        for item in answer["Items"]:
            row = decode(item)
            if waiting := next(readable([row], _waiting), None):
                found.append(waiting)
            else:
                self._remove(row)
        return found

    def done(self, waiting: Waiting) -> None:
        """Remove a job that was looked for."""
        self._remove(self._key_of(waiting))

    def _remove(self, row: Row) -> None:
        damaged = {"PK": self._partition, "SK": str(row["SK"])}
        self._table.transact([Delete(damaged, "")])

    def _key_of(self, waiting: Waiting) -> Row:
        key = f"{waiting.due}#{waiting.job_id}#{waiting.family}"
        return {"PK": self._partition, "SK": tagged(key, source_of_key(waiting.job_key))}

    def last_due(self) -> str:
        """Return when the last of the jobs that wait is due; empty when none does."""
        answer = self._table.query(
            KeyConditionExpression="PK = :outputs AND SK BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":outputs": {"S": self._partition},
                ":first": {"S": "0"},
                ":last": {"S": ":"},  # follows the digits
            },
            ScanIndexForward=False,
            Limit=1,
        )
        found = [str(item["SK"]["S"]).partition("#")[0] for item in answer["Items"]]
        return found[0] if found and is_time(found[0]) else ""

    def jobs(self, family: Family, after: str, before: str) -> Iterator[JobFacts]:
        """Yield the jobs that were submitted between two times, the newest first."""
        if before <= after:
            return iter(())
        rows = self._table.query_all(
            KeyConditionExpression="PK = :jobs AND SK BETWEEN :after AND :before",
            ExpressionAttributeValues={
                ":jobs": {"S": self._ledger.partition(family)},
                ":after": {"S": f"{after}$"},
                ":before": {"S": f"{before}#"},
            },
            ProjectionExpression=PROJECTION,
            ScanIndexForward=False,
        )
        return readable(rows, partial(facts_of_row, family))


def _says_as_much(row: Row, output: Output) -> bool:
    """Whether a job's row has the same output, or a better one."""
    stored = output_of(row)
    if stored is None:
        return False
    return stored.complete or stored == output or (stored.numbered and not output.numbered)


def _waiting(row: Row) -> Waiting:
    """Return the job of a row. Raises NotUnderstood."""
    try:
        waiting = Waiting(
            Family(str(row["Family"])),
            str(row["JobId"]),
            str(row["JobKey"]),
            int(row["Attempt"]),
            str(row["Due"]),
        )
    except (KeyError, ValueError) as error:
        raise NotUnderstood("a job that waits for its manifest") from error
    if not is_time(waiting.due) or not waiting.job_key:
        raise NotUnderstood("a job that waits for its manifest")
    return waiting
