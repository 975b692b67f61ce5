"""A sync that is killed at any step, and run again: nothing is lost and no transition is published twice."""

import multiprocessing
import re
import signal
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from jobledger.ledger.counters import partition
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.totals.scan import read_facts
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Server
from testing.builders import FAR_FUTURE, FAR_PAST, SCOPE, START, listed_job
from testing.full import in_full
from testing.processes import ROOT
from testing.recounted import recounted, stored_counters
from tests.functional.sync import one_sync

# Forked from a server that has imported everything: a run costs milliseconds, not a start of Python.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([one_sync.__name__])
BEGAN = time.time()
OPERATIONS = ROOT / "docs" / "operations.md"
# More than a run has, which the tests below make sure of.
STEPS, RECOUNT_STEPS = 66, 45
KILLS = in_full(6, 66)
RECOUNT_KILLS = in_full(9, 45)


class Account:
    """A stand-in, a table of a real emulator, and syncs in processes of their own."""

    def __init__(self, aws, server):
        self._aws, self.server = aws, server
        self.table = aws.ledger_table(f"ledger-{uuid.uuid4().hex}")
        self._client = aws.client("dynamodb")
        self.ledger = Ledger(Table(self._client, self.table), SCOPE, lambda: datetime.now(UTC))

    def sync(self, kill_at=0):
        """Return the steps that the run took; None when it was killed."""
        receiver, sender = PROCESSES.Pipe(duplex=False)
        where = (self._aws.endpoint, self.table, self.server.endpoint)
        process = PROCESSES.Process(target=one_sync.run, args=(*where, kill_at, sender))
        process.start()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            return None
        assert process.exitcode == 0
        steps, error = receiver.recv()
        assert error is None
        return steps

    def statuses(self):
        facts = list(read_facts(self.ledger, JobQuery()))
        assert len(facts) == len({fact.job_id for fact in facts})
        return {fact.job_id: fact.status for fact in facts}

    def has_the_truth(self):
        """Every job of the service, and counters that agree with the rows."""
        jobs = self.server.jobs()[LocalFamily.SNOMEDCT]
        complete = self.statuses() == {job["JobId"]: job["JobStatus"] for job in jobs}
        return complete and self.has_right_counters()

    def put(self, *jobs):
        self.server.put_jobs({LocalFamily.SNOMEDCT: list(jobs)})

    def items(self):
        pages = self._client.get_paginator("scan").paginate(TableName=self.table)
        items = (item for page in pages for item in page["Items"])
        return {(item["PK"]["S"], item["SK"]["S"]): item for item in items}

    def restore(self, items):
        """Restore these rows to a new table, and copy what is missing as docs/operations.md says."""
        restored = Account(self._aws, self.server)
        for item in items.values():
            self._client.put_item(TableName=restored.table, Item=item)
        documented = OPERATIONS.read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", documented, re.DOTALL)
        restored_to_here = {
            '"job-ledger-restored"': repr(restored.table),
            '"the output LedgerTableName"': repr(self.table),
            'boto3.client("dynamodb")': "client",
        }
        for written, here in restored_to_here.items():
            assert written in code
            code = code.replace(written, here)
        exec(code, {"client": self._client})

    def lose(self, lost):
        """Delete the rows of which this is true of the partition key."""
        for (pk, _), item in self.items().items():
            if lost(pk):
                key = {"PK": item["PK"], "SK": item["SK"]}
                self._client.delete_item(TableName=self.table, Key=key)

    def forget_counters(self):
        """Make the rows those of a version that had no counters."""
        self.lose(lambda pk: pk == partition(SCOPE))
        for item in self.items().values():
            if item.pop("Counted", None):
                self._client.put_item(TableName=self.table, Item=item)
        state = self.ledger.state(Family.SNOMEDCT)
        assert self.ledger.save_state(Family.SNOMEDCT, replace(state, counted=0))

    def has_right_counters(self):
        items = self.items()
        return stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True) != {}

    def transitions(self):
        changes = self.ledger.changes(Family.SNOMEDCT, FAR_PAST, FAR_FUTURE)
        return Counter((change.job_id, change.previous, change.status) for change in changes)


@pytest.fixture
def account(aws):
    jobs = [_job(number, "IN_PROGRESS" if number < 5 else "COMPLETED") for number in range(40)]
    with Server(jobs={LocalFamily.SNOMEDCT: jobs}) as server:
        server.change(throttle=False, late_jobs=False)
        yield Account(aws, server)


def _job(number, status):
    """A job of some minutes before these tests began: whatever day that is."""
    return listed_job(f"job-{number:02}", START - BEGAN + 100 + number, status)


@pytest.mark.full
@pytest.mark.parametrize("step", range(STEPS // KILLS, STEPS + 1, STEPS // KILLS))
def test_a_first_fill_that_was_killed_is_completed_by_the_next_run(account, step):
    account.sync(kill_at=step)
    account.sync()
    assert account.has_the_truth()
    assert Counter() == account.transitions()


@pytest.mark.full
@pytest.mark.parametrize("step", range(1, STEPS + 1, STEPS // KILLS))
def test_a_killed_sync_loses_no_transition_and_repeats_none(account, step):
    account.sync()
    account.put(_job(0, "COMPLETED"), _job(1, "FAILED"), _job(50, "SUBMITTED"))
    account.sync(kill_at=step)
    account.sync()
    assert account.has_the_truth()
    assert account.transitions() == {
        ("job-00", "IN_PROGRESS", "COMPLETED"): 1,
        ("job-01", "IN_PROGRESS", "FAILED"): 1,
        ("job-50", None, "SUBMITTED"): 1,
    }


@pytest.mark.full
@pytest.mark.parametrize("step", range(1, RECOUNT_STEPS + 1, RECOUNT_STEPS // RECOUNT_KILLS))
def test_a_killed_recount_of_older_rows_counts_each_job_once(account, step):
    account.sync()
    account.forget_counters()
    assert not account.has_right_counters()
    account.sync(kill_at=step)
    account.sync()
    assert account.has_right_counters()
    assert account.ledger.state(Family.SNOMEDCT).counters_complete


def test_the_steps_that_were_tried_are_all_the_steps_there_are(account):
    account.server.change(short_pages=False, empty_pages=False, repeat_jobs=False)
    assert account.sync() <= STEPS
    assert account.sync() <= STEPS


CHANGED_SINCE = (_job(0, "COMPLETED"), _job(50, "SUBMITTED"), _job(51, "FAILED"))


def test_a_deployment_continues_from_a_table_restored_to_an_earlier_time(account):
    account.sync()
    backup = account.items()
    account.put(*CHANGED_SINCE)
    account.sync()
    expected = account.transitions()
    account.lose(lambda pk: True)
    account.restore(backup)
    assert not account.has_the_truth()
    account.sync()
    assert account.has_the_truth()
    assert account.transitions() == expected


def test_rows_that_were_lost_are_restored_beside_those_that_were_not(account):
    account.put(*CHANGED_SINCE)
    account.sync()
    backup = account.items()
    account.lose(lambda pk: pk == f"{SCOPE}/{Family.SNOMEDCT}")
    assert account.statuses() == {}
    account.put(_job(52, "FAILED"))
    account.restore(backup)
    account.sync()
    assert account.has_the_truth()
