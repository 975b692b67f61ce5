"""Five digests of the kind that a reader gets, and one with the details of jobs."""

from collections import Counter
from typing import Any

from msgspec.structs import replace

from jobledger.digest.content import Details, Digest
from jobledger.digest.parts import SourcePart
from jobledger.digest.windows import Window
from jobledger.service import Family
from testing.builders import job_facts
from testing.digests import SCOPE, a_digest, ago, listed

_COMPLETED = [
    job_facts(n, "COMPLETED", submit_time=ago(n % 20 + 1.5), end_time=ago(n % 20 + 1.2))
    for n in range(1, 42)
]
_ACTIVE = [
    job_facts(90, "IN_PROGRESS", submit_time=ago(0.4)),
    job_facts(91, "SUBMITTED", Family.PHI, submit_time=ago(0.1)),
]
_TOTALS = Counter(
    COMPLETED=11_204, FAILED=187, PARTIAL_SUCCESS=42, STOPPED=9, IN_PROGRESS=1, SUBMITTED=1
)
_FAILED = [
    job_facts(71, "FAILED", submit_time=ago(2.6), end_time=ago(2.4)),
    job_facts(72, "FAILED", Family.PHI, submit_time=ago(9), end_time=ago(7.2)),
    job_facts(73, "FAILED", Family.ICD10CM, submit_time=ago(21), end_time=ago(20.99)),
]
_LONG = [job_facts(80, "IN_PROGRESS", Family.ENTITIES_V2, submit_time=ago(31.3))]


def _quiet() -> Digest:
    return a_digest(
        counts=Counter(SUBMITTED=2, COMPLETED=41),
        previous=Counter(COMPLETED=38, FAILED=1),
        totals=_TOTALS,
        changed_families=(Family.SNOMEDCT, Family.PHI),
        completed=listed(_COMPLETED),
        active=listed(_ACTIVE),
        expiring_soon=listed(
            [job_facts(5, "COMPLETED", expiration_time="2026-11-24T17:00:00.000Z")], total=264
        ),
    )


def _attention() -> Digest:
    return replace(
        _quiet(),
        counts=Counter(COMPLETED=41, FAILED=3, PARTIAL_SUCCESS=1, IN_PROGRESS=2, SUBMITTED=1),
        failed=listed(_FAILED),
        partial_success=listed(
            [job_facts(60, "PARTIAL_SUCCESS", submit_time=ago(6), end_time=ago(5.1))]
        ),
        totals=_TOTALS + Counter(IN_PROGRESS=1),
        active=listed([*_LONG, *_ACTIVE]),
        long_running=listed(_LONG),
    )


def _many() -> Digest:
    failed = [
        job_facts(n, "FAILED", submit_time=ago(1 + n / 20), end_time=ago(0.5 + n / 20))
        for n in range(1, 1_271)
    ]
    return replace(
        _attention(),
        window=Window("2026-11-20T06:58:00.000Z", "2026-11-23T06:58:00.000Z"),
        covers_gap=True,
        counts=Counter(COMPLETED=12_044, FAILED=1_270),
        previous=Counter(COMPLETED=11_903, FAILED=4),
        failed=listed(failed),
        completed=listed(_COMPLETED, total=12_044),
        partial_success=listed([]),
        totals=_TOTALS + Counter(COMPLETED=12_003, FAILED=1_267),
        active=listed(_ACTIVE),
        long_running=listed([]),
    )


def a_part(source: str = SCOPE, **more: Any) -> SourcePart:
    """What there is to say of a source on a quiet day, and otherwise."""
    none = listed([])
    quiet = SourcePart(source, ago(0.01), False, None, False, Counter(), none, none, none, 0)
    return replace(quiet, **more)


def several_sources() -> Digest:
    """Jobs of two sources failed, a third source does not sync, and two are quiet."""
    member, other = (f"444455556666/{region}" for region in ("eu-west-1", "us-east-1"))
    failed = [
        replace(job, source=source)
        for job, source in zip(_FAILED, (member, None, member), strict=True)
    ]
    in_part = [
        replace(
            job_facts(60, "PARTIAL_SUCCESS", submit_time=ago(6), end_time=ago(5.1)), source=member
        )
    ]
    long = [replace(_LONG[0], source=other)]
    parts = (
        a_part(
            member,
            counts=Counter(FAILED=2, PARTIAL_SUCCESS=1, COMPLETED=30),
            failed=listed([failed[0], failed[2]]),
            partial_success=listed(in_part),
        ),
        a_part(counts=Counter(FAILED=1, COMPLETED=11), failed=listed([failed[1]]), active=2),
        a_part(other, long_running=listed(long), active=1),
        a_part("777788889999/us-east-1", as_of=ago(3), stale=True, error="AccessDenied"),
        a_part("777788889999/us-west-2"),
    )
    return replace(
        _attention(),
        as_of=ago(3),
        stale=True,
        failed=listed(failed),
        partial_success=listed(in_part),
        long_running=listed(long),
        active=listed([*long, *_ACTIVE]),
        sources=parts,
        configured=frozenset(part.source for part in parts),
    )


TYPICAL = {
    "nothing-happened": a_digest,
    "quiet-day": _quiet,
    "failures": _attention,
    "after-an-outage": _many,
    "stale": lambda: replace(_quiet(), stale=True, as_of="2026-11-23T01:42:10.000Z"),
    "several-sources": several_sources,
    "with-details": lambda: replace(
        _attention(),
        details={
            _FAILED[0]: Details("nightly-notes-2026-11-22", "s3://clinic-out/snomed/"),
            _FAILED[1]: Details("دفعة ليلية", "s3://clinic-out/phi/2026/11/22/"),
        },
    ),
}
