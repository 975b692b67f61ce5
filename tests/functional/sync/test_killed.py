"""A sync that is killed at any step, and run again: nothing is lost and nothing is told twice."""

import multiprocessing
import signal
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

import pytest

from jobledger.jobs import Family
from jobledger.ledger.facts import read_facts
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.table import Table
from jobledger.ledger.writing import Ledger
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Server
from tests.functional.sync import one_sync
from tests.world import FAR_FUTURE, FAR_PAST, SCOPE, START, a_job

# Forked from a server that has imported everything: a run costs milliseconds, not a start of Python.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([one_sync.__name__])
BEGAN = time.time()
# More than a run has, which the tests below make sure of.
STEPS = range(1, 31)


class Account:
    """A stand-in, a table of a real emulator, and syncs in processes of their own."""

    def __init__(self, aws, server):
        self._aws, self.server = aws, server
        self.table = aws.ledger_table(f"ledger-{uuid.uuid4().hex}")
        self.ledger = Ledger(
            Table(aws.client("dynamodb"), self.table), SCOPE, lambda: datetime.now(UTC)
        )

    def sync(self, kill_at=0):
        """Return the steps that the run took; None when it was killed."""
        told, tell = PROCESSES.Pipe(duplex=False)
        where = (self._aws.endpoint, self.table, self.server.endpoint)
        process = PROCESSES.Process(target=one_sync.run, args=(*where, kill_at, tell))
        process.start()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            return None
        assert process.exitcode == 0
        steps, error = told.recv()
        assert error is None
        return steps

    def statuses(self):
        facts = list(read_facts(self.ledger, JobQuery()))
        assert len(facts) == len({fact.job_id for fact in facts})
        return {fact.job_id: fact.status for fact in facts}

    def truth(self):
        jobs = self.server.jobs()[LocalFamily.SNOMEDCT]
        return {job["JobId"]: job["JobStatus"] for job in jobs}

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
    return a_job(f"job-{number:02}", START - BEGAN + 100 + number, status)


@pytest.mark.parametrize("step", STEPS)
def test_a_first_fill_that_was_killed_is_completed_by_the_next_run(account, step):
    account.sync(kill_at=step)
    account.sync()
    assert account.truth() == account.statuses()
    assert Counter() == account.transitions()


@pytest.mark.parametrize("step", STEPS)
def test_a_sync_that_was_killed_loses_no_transition_and_tells_none_twice(account, step):
    account.sync()
    account.server.put_jobs(
        {LocalFamily.SNOMEDCT: [_job(0, "COMPLETED"), _job(1, "FAILED"), _job(50, "SUBMITTED")]}
    )
    account.sync(kill_at=step)
    account.sync()
    assert account.truth() == account.statuses()
    assert account.transitions() == {
        ("job-00", "IN_PROGRESS", "COMPLETED"): 1,
        ("job-01", "IN_PROGRESS", "FAILED"): 1,
        ("job-50", None, "SUBMITTED"): 1,
    }


def test_the_steps_that_were_tried_are_all_the_steps_there_are(account):
    account.server.change(short_pages=False, empty_pages=False, repeat_jobs=False)
    assert account.sync() < STEPS.stop
    assert account.sync() < STEPS.stop
