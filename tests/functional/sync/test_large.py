"""The first fill of a large account: nothing lost, little memory, and continued after a stop."""

import multiprocessing
import time

import pytest

from local.comprehend_medical import Family, Hostility, Server
from testing.builders import START, listed_job
from testing.full import in_full
from tests.functional.sync import large_fill

JOBS = in_full(10_000, 100_000)
STOP_AFTER_CALLS = JOBS // 1_250  # of the 500 jobs that a call lists
MAX_GROWTH_MB = 50
# Forked from a server that has imported everything, so that only the fill's own memory counts.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([large_fill.__name__])


@pytest.mark.full
def test_a_fill_of_many_jobs_loses_none_and_grows_by_less_than_50_megabytes(tmp_path):
    ago = START - time.time() + 100
    jobs = [listed_job(f"{n:032x}", ago + n * 100, JobName="nightly-notes") for n in range(JOBS)]
    hostility = Hostility(throttle=False, expire_jobs=False)
    with Server(jobs={Family.SNOMEDCT: jobs}, hostility=hostility) as server:
        receiver, sender = PROCESSES.Pipe(duplex=False)
        arguments = (server.endpoint, tmp_path / "rows", STOP_AFTER_CALLS, sender)
        process = PROCESSES.Process(target=large_fill.run, args=arguments)
        process.start()
        assert receiver.poll(240), "the fill does not end"
        result: large_fill.Result = receiver.recv()
        process.join(30)
        upstream_calls = sum(server.calls()["Counts"].values())
    assert (result.error, result.jobs) == (None, JOBS)
    assert result.growth_mb < MAX_GROWTH_MB
    # Two runs: the first was stopped half way, and the second went on from there.
    assert result.stopped_at >= JOBS // 4
    assert upstream_calls < 2 * JOBS // 500 + 200
