"""What a run says of its outcomes: two metrics, and nothing of files and errors."""

import pytest

from jobledger.errors import ObjectDenied
from jobledger.outputs import recent
from testing.builders import HOUR, MINUTE, NOW, SCOPE, SECOND, MemoryLedger
from tests.unit.outputs.world import CANARY, OutputsWorld, ended_job, key_of, manifest, world_of


def test_the_metric_says_when_most_of_the_last_outputs_fail_and_when_they_no_longer_do(logged):
    world = world_of(59, *range(30, 60))
    jobs = list(world.jobs.values())
    wrong = [ended_job(n, ManifestFilePath="s3://other/Manifest") for n in range(1, 30)]
    world.record(*wrong, listed_at=NOW + SECOND)
    said = []
    for job in [*jobs[:6], *jobs[29:59]]:
        world.end(job)
        said.append(logged()[1].get("OutputsFailing"))
    assert said == [*[None] * 4, [1], [1], *[[1]] * 5, [0], *[None] * 24]


@pytest.mark.parametrize("status, said", [("COMPLETED", [1]), ("FAILED", None), ("STOPPED", None)])
def test_jobs_that_may_have_no_manifest_are_not_what_fails(status, said, logged):
    jobs = [ended_job(n, status, ManifestFilePath="s3://other/Manifest") for n in range(1, 10)]
    OutputsWorld(*jobs).end()
    assert logged()[1].get("OutputsFailing") == said


def test_of_two_runs_at_once_one_adds_its_outcomes():
    world = MemoryLedger()
    world.before_a_write(lambda: recent.keep_outcomes(world.ledger, [True] * 5))
    recent.keep_outcomes(world.ledger, [False] * 5)
    row = world.ledger.table.get({"PK": f"{SCOPE}#outputs", "SK": "recent"})
    assert row is not None
    assert row["Outcomes"] == "+++++"


def test_a_ledger_that_does_not_keep_the_outcomes_stops_nothing(logged):
    world = world_of(1, 1)
    world.end()
    world.fail_at(*range(1, 10))
    assert recent.keep_outcomes(world.ledger, [True]) is None
    assert logged()[0] == ["LedgerUnavailable"]


def test_nothing_of_files_and_errors_is_logged_or_written(logged, caplog, capsys):
    world = OutputsWorld(*(ended_job(n, "PARTIAL_SUCCESS") for n in range(1, 8)))
    world.put(1, 5, "A", f"{CANARY} of a patient", f"{CANARY}/1")
    world.objects |= {
        key_of(2): CANARY.encode(),
        key_of(3): ObjectDenied(CANARY),
        key_of(4): KeyError(CANARY),
        key_of(5): manifest(5, 1, UnprocessedFilesListLocation=f"s3://{CANARY}-bucket/list"),
    }
    world.end()
    world.forward(25 * HOUR, 5 * MINUTE)
    out, lines = capsys.readouterr(), [vars(one) for one in caplog.records]
    assert CANARY not in f"{caplog.text} {out.out} {out.err} {lines}"
    # The key of a manifest is the job's own property; nothing else may be in a row.
    rows = repr(world.database.items).replace(f"results/{CANARY}/Manifest_", "")
    assert CANARY not in rows
    assert "patient" not in rows
