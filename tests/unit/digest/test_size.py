"""A digest of any number of changes fits into one message, and into bounded memory."""

import json
import resource
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.digest.content import Details, DigestReader
from jobledger.digest.document import machine_json
from jobledger.digest.message import render_messages
from jobledger.digest.windows import Window
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sns import MAX_BYTES
from jobledger.times import parse, rfc3339
from testing.builders import a_job, job_facts
from testing.digests import (
    DAY,
    NOW,
    SCOPE,
    ZURICH,
    a_digest,
    check_schema,
    listed,
    machine,
    published,
)
from testing.processes import run_python


class Streams:
    """A DynamoDB client. Only SNOMEDCT has jobs, and a change log of them; a page has a thousand rows."""

    def __init__(self, changes: int, status: str) -> None:
        self._keys = [f"{moment_of(number)}#{number:032x}" for number in range(changes)]
        self._status = status

    def query(self, **request: Any) -> dict[str, Any]:
        values = [value["S"] for value in request["ExpressionAttributeValues"].values()]
        if values[0] not in (f"{SCOPE}/SNOMEDCT#changes", f"{SCOPE}/SNOMEDCT"):
            return {"Items": [], "Count": 0, "ScannedCount": 0}
        numbers = range(bisect_left(self._keys, values[1]), bisect_right(self._keys, values[2]))
        if "ExclusiveStartKey" in request:
            after = bisect_right(self._keys, request["ExclusiveStartKey"]["SK"]["S"])
            numbers = range(max(numbers.start, after), numbers.stop)
        if not request.get("ScanIndexForward", True):
            numbers = numbers[::-1]
        page = numbers[: request.get("Limit", 1_000)]
        items = [self._item(number) for number in page]
        more = {"LastEvaluatedKey": items[-1]} if len(page) < len(numbers) else {}
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), **more}

    def _item(self, number: int) -> dict[str, Any]:
        """A transition, and the facts of its job."""
        moment, _, job_id = self._keys[number].partition("#")
        item = {"SK": self._keys[number], "Family": "SNOMEDCT", "JobId": job_id}
        item |= {"JobStatus": self._status, "ObservedAt": moment, "EndTime": moment}
        item |= {"SubmitTime": f"2026-11-21T{moment[11:]}"}
        item |= {"ExpirationTime": "2026-11-24T12:00:00.000Z"}
        item["Job"] = json.dumps(item)
        return {name: {"S": text} for name, text in item.items()}


def moment_of(number: int) -> str:
    """A time so many milliseconds after midnight."""
    seconds, milliseconds = divmod(number, 1_000)
    return f"2026-11-22T00:{seconds // 60:02}:{seconds % 60:02}.{milliseconds:03}Z"


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
@pytest.mark.parametrize("changes", [0, 1, 499, 500, 501, 10_000])
def test_a_digest_fits_into_a_message_and_says_what_it_leaves_out(changes, status):
    digest = read(changes, status)
    notification = render_messages(digest, ZURICH).digest
    assert notification.size() <= MAX_BYTES
    said = machine(notification)
    name = {"COMPLETED": "Completed", "FAILED": "Failed"}[status]
    for list_name in (name, "ExpiringSoon"):
        assert len(said[list_name]) + said["Truncated"].get(list_name, 0) == changes
    assert said["Counts"][status] == said["Totals"][status] == changes
    check_schema(said)
    if changes >= 10_000:
        # Nothing is left out while there is room for it.
        assert notification.size() > MAX_BYTES - 300
        assert said[name if status == "FAILED" else "ExpiringSoon"]


@pytest.mark.slow
def test_a_hundred_thousand_changes_fit_in_bounded_memory():
    """In a process of its own, whose largest size nothing else has been."""
    measured = json.loads(run_python(f"from {__name__} import measure; measure()"))
    size, grown, failed, truncated = measured
    assert size <= MAX_BYTES
    assert grown < 50_000_000
    assert len(failed) + truncated["Failed"] == truncated["ExpiringSoon"] == 100_000
    # The latest are kept.
    assert failed[0] == f"{99_999:032x}"


def measure() -> None:
    """Print how much memory 100,000 changes take beyond what 2,000 do, and what the digest has of them."""
    render_messages(read(2_000, "FAILED"), ZURICH)
    client = Streams(100_000, "FAILED")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    notification = render_messages(read(100_000, "FAILED", client), ZURICH).digest
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    said = machine(notification)
    size = notification.size(), grown * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps([*size, [job["JobId"] for job in said["Failed"]], said["Truncated"]]))


def read(changes: int, status: str, client: Streams | None = None) -> Any:
    table = Table(client or Streams(changes, status), "ledger")
    reader = DigestReader(
        Ledger(table, SCOPE, lambda: NOW), tuple(Family), sync_minutes=1, include_details=False
    )
    window = Window("2026-11-22T00:00:00.000Z", DAY.end)
    return reader.read(window, parse(DAY.end), first_start=None, covers_gap=False)


def test_failures_are_the_last_to_be_cut():
    times: dict[str, Any] = {"submit_time": DAY.start, "expiration_time": DAY.end}
    many = [job_facts(number, "FAILED", **times) for number in range(1, 1_751)]
    lists = ("failed", "partial_success", "completed", "active", "long_running", "expiring_soon")
    digest = a_digest(**dict.fromkeys(lists, listed(many)))
    said = machine(render_messages(digest, ZURICH).digest)
    assert len(said["Failed"]) > 1_000
    assert said["PartialSuccess"] or said["Truncated"]["PartialSuccess"] == 1_750
    assert said["Completed"] == []
    few = replace(digest, failed=listed(many[:3]), partial_success=listed(many[:3]))
    said = machine(render_messages(few, ZURICH).digest)
    assert (len(said["Failed"]), len(said["PartialSuccess"])) == (3, 3)
    assert "Failed" not in said["Truncated"]


def test_a_job_is_listed_if_it_just_fits():
    job = job_facts(1, "FAILED")
    digest = a_digest(failed=listed([job]), details={job: Details('"é"', None)})
    without, complete = machine_json(digest, 0), machine_json(digest, MAX_BYTES)
    (entry,) = json.loads(complete)["Failed"]
    written = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    assert json.loads(without)["Failed"] == []
    assert written in complete
    needed = in_a_message(without) + in_a_message(f"{written},")
    assert machine_json(digest, needed) == complete
    assert machine_json(digest, needed - 1) == without


def in_a_message(text: str) -> int:
    """The bytes of a text in a message of several bodies."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""')


@pytest.mark.parametrize("letter", ['"', "\\", "\u2028", "\U0001d400", "é", "\x01"])
def test_the_size_is_that_of_the_request_whatever_the_letters(letter):
    jobs = [job_facts(number, "FAILED") for number in range(1, 1_501)]
    details = {job: Details(letter * 256, f"s3://{letter * 99}") for job in jobs}
    digest = a_digest(failed=listed(jobs), details=details, counts=Counter(FAILED=1_500))
    notification = render_messages(digest, ZURICH).digest
    request = notification.parameters()
    texts = [request["Message"], request["Subject"]]
    for name, values in request["MessageAttributes"].items():
        texts += [name, *values.values()]
    size = sum(len(text.encode()) for text in texts)
    assert MAX_BYTES - 4_000 < size == notification.size() <= MAX_BYTES
    assert len(render_messages(digest, ZURICH).pack()) < 380_000


def test_a_digest_of_very_many_unknown_statuses_names_some_and_fits(world):
    jobs = [a_job(f"{n}", f"{n:04}{'S' * 90}", family=Family.PHI) for n in range(3_000)]
    world.ledger.record(Family.PHI, jobs, rfc3339(world.now), announce_new=True)
    world.forward(minutes=5)
    digest = published(world)
    for counts in (digest["Counts"], digest["Totals"]):
        assert sum(counts.values()) == 3_000
        assert counts["OTHER"] == 2_980
