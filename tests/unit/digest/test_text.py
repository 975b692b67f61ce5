"""What people read. The texts of typical digests are files: look at each as on a phone, before coffee."""

import os
import re
import shlex
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.digest.content import Details, Digest
from jobledger.digest.text import TextOptions, look_closer, subject, text, verdict_sentence
from jobledger.digest.windows import Window
from jobledger.service import Family
from jobledger.wording import COLUMNS, board_page, printable, span
from testing.builders import job_facts
from testing.digests import ZURICH, a_digest, ago, listed
from testing.typical_digests import TYPICAL

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "digests"
UTC = TextOptions(ZoneInfo("UTC"), None)


# Jobs, statuses and texts that are rare, once each: times that are unknown or ahead, an id and details that are
# too long for a line, ten jobs of one kind and eleven of another, and unknown statuses.
_FAILED = [
    replace(job_facts(1, "FAILED", end_time=ago(2)), job_id="f" * 64),
    *(
        job_facts(number, "FAILED", submit_time=submitted, end_time=ended)
        for number, (submitted, ended) in enumerate(
            [(ago(3), ago(2)), (ago(1), ago(2)), (ago(3), ago(-1)), (ago(3), None), (None, None)], 2
        )
    ),
    *(job_facts(number, "FAILED") for number in range(7, 12)),
]
_NAMES = [
    *("SUBMITTED", "PAUSED\nOR SO", "STOP_REQUESTED", "FAILED", "ABANDONED", "COMPLETED"),
    "STOPPED",
]
ODD = a_digest(
    counts=Counter(dict.fromkeys(_NAMES, 1_000)),
    previous=Counter(COMPLETED=2_000, FAILED=1_000, PARTIAL_SUCCESS=1),
    totals=Counter(dict.fromkeys(_NAMES, 1)),
    failed=listed(_FAILED),
    partial_success=listed([job_facts(number, "PARTIAL_SUCCESS") for number in range(1, 11)]),
    long_running=listed([job_facts(1, None, submit_time=ago(31))]),
    # Their counters were read, and then they changed.
    expiring_soon=listed([], total=2),
    details={_FAILED[0]: Details("nightly " * 20, f"s3://results/{'notes-of-the-ward-' * 6}")},
)
ONE = a_digest(
    counts=Counter(COMPLETED=12),
    totals=Counter(COMPLETED=1),
    expiring_soon=listed([job_facts(1, "COMPLETED", expiration_time="2026-11-23T23:30:00.000Z")]),
)
GOLDENS: dict[str, tuple[Digest, TextOptions]] = {
    **{name: (digest(), ZURICH) for name, digest in TYPICAL.items()},
    "odd/everything": (ODD, ZURICH),
    "odd/everything-without-an-address": (ODD, UTC),
    "odd/one-job": (ONE, ZURICH),
    "odd/one-job-in-utc": (ONE, UTC),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_a_digest_reads_as_it_was_approved(name):
    """`UPDATE_GOLDEN=1 pytest` writes the files anew, for a person to look at."""
    written = f"Subject: {subject(*GOLDENS[name])}\n\n{text(*GOLDENS[name])}"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


def assert_fits_columns(lines):
    """All but the commands to copy."""
    commands = ("awscurl ", "jobledger open --account ")
    assert all(line.startswith(commands) for line in lines if len(line) > COLUMNS)


@pytest.mark.parametrize("name", TYPICAL)
def test_the_documentation_shows_every_typical_digest_in_lines_of_78_columns(name):
    shown = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert shown in (ROOT / "docs" / "digests.md").read_text(encoding="utf-8")
    lines = shown.splitlines()[1:]
    assert_fits_columns(lines)
    assert not any(line != line.rstrip() for line in lines)


SYNCED = "with Comprehend Medical"
RECENT = "it may not include recent changes."


@pytest.mark.parametrize(
    "totals, more, said",
    [
        (
            *((2, 1_000, 2), {}),
            "ATTENTION: 2 jobs failed, 1,000 finished only in part, 2 run unusually long.",
        ),
        (
            *((1, 1, 0), {"as_of": None}),
            f"STALE: the ledger has no known sync {SYNCED}; {RECENT} Until then: 1 job failed, 1 finished only in part.",
        ),
    ],
)
def test_the_first_sentence_says_whether_anyone_needs_to_act_and_why(totals, more, said):
    named = zip(("failed", "partial_success", "long_running"), totals, strict=True)
    lists = {name: listed([], total=total) for name, total in named}
    assert verdict_sentence(a_digest(stale="as_of" in more, **lists, **more)) == said


def test_lengths_of_time_are_said_in_two_units_at_most():
    for seconds, said in (
        *((0, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (119, "1 min"), (3_600, "1 h")),
        *((3_660, "1 h 1 min"), (86_399, "23 h 59 min"), (86_400, "1 d"), (90_000, "1 d 1 h")),
        (8_640_000, "100 d"),
    ):
        assert span(seconds) == said


EARLY, LATE = "2026-11-23T05:00:00.000Z", "2026-11-23T06:00:00.500Z"
FAILED = job_facts(1, "FAILED", submit_time=LATE)
PARTLY = job_facts(2, "PARTIAL_SUCCESS", Family.PHI, submit_time=EARLY)
PARTLY_FROM = "JobStatus=PARTIAL_SUCCESS&SubmitTimeAfter=2026-11-23T04:59:59Z"
ALL_FAILED = "Family=SNOMEDCT&JobStatus=FAILED"


@pytest.mark.parametrize(
    "failed, partial_success, parameters",
    [
        (listed([FAILED]), listed([PARTLY]), f"Family=ALL&JobStatus=FAILED&{PARTLY_FROM}"),
        (listed([]), listed([PARTLY]), f"Family=PHI&{PARTLY_FROM}"),
        # Not all times are known, or not all jobs.
        (listed([FAILED, job_facts(2, "FAILED")]), listed([]), ALL_FAILED),
        (listed([FAILED], total=2), listed([]), ALL_FAILED),
    ],
)
def test_the_api_call_asks_for_the_jobs_that_failed_completely_or_in_part(
    failed, partial_success, parameters
):
    digest = a_digest(failed=failed, partial_success=partial_success)
    call = 'awscurl --service execute-api --region eu-central-1 "{}/jobs?{}"'
    known = TextOptions(ZoneInfo("UTC"), "https://api")
    assert look_closer(digest, known)[1] == call.format("https://api", parameters)
    # Without its address, the call has a variable to fill in.
    assert call.format("$API_URL", parameters) in text(digest, UTC).splitlines()
    assert look_closer(a_digest(), known) == ()


# The subject.


def test_a_subject_counts_the_jobs_that_have_ended_or_else_the_changes():
    ended = {"failed": listed([], total=3), "completed": listed([], total=41)}
    for submitted, lists, said in (
        *((0, ended, "3 FAILED, 41 completed"), (0, {}, "no changes")),
        *((1, {}, "1 change"), (2, {}, "2 changes")),
    ):
        digest = a_digest(counts=Counter(SUBMITTED=submitted), **lists)
        assert subject(digest, ZURICH) == f"[job-ledger] {said}, 2026-11-23"


@pytest.mark.parametrize("count", [1, 999, 100_000, 10_000_000])
def test_a_subject_is_short_printable_ascii_of_counts_and_dates(count):
    lists = ("failed", "partial_success", "long_running", "completed")
    many = dict.fromkeys(lists, listed([], total=count))
    for more in ({}, {"stale": True}, {"covers_gap": True}, {"stale": True, "covers_gap": True}):
        said = subject(a_digest(**more, **many), ZURICH)
        assert re.fullmatch(r"\[job-ledger\] [ -~]{1,76}2026-11-23", said)


@pytest.mark.parametrize("completed, said", [(1_000, ", 1000 completed"), (10_000, "")])
def test_a_subject_of_more_than_99_characters_loses_what_is_least_urgent(completed, said):
    many = dict.fromkeys(("failed", "partial_success", "long_running"), listed([], total=1_000))
    digest = a_digest(**many, completed=listed([], total=completed), covers_gap=True)
    assert subject(digest, ZURICH) == (
        f"[job-ledger] 1000 FAILED, 1000 partial, 1000 running long{said}, 2026-11-22 to 2026-11-23"
    )


def test_the_date_of_a_subject_is_that_of_the_digests_zone():
    digest = a_digest(window=Window("2026-11-21T23:30:00.000Z", "2026-11-22T23:30:00.000Z"))
    assert subject(digest, ZURICH).endswith(" 2026-11-23")
    assert subject(digest, UTC).endswith(" 2026-11-22")


# Names and ids that would break a line of a digest or turn it around.

INJECTIONS = [
    # Ends of lines, of texts and of terminals' patience.
    *("\nSubject: won", "\rBcc: all@example.org", "\r\nContent-Type: text/html"),
    *("\0", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\u2029"),
    # Invisible letters, and letters that turn a line around.
    *("\u200b", "\u202e", "\u2066", "\u200f", "\ufeff", "\u00ad"),
    # What other readers run.
    *("<script>", "{{7*7}}", "${jndi:ldap://x}", "=cmd|' /C calc'!A0"),
]


@pytest.mark.parametrize("injection", INJECTIONS)
def test_names_that_would_break_a_line_or_turn_it_around_are_inert(injection):
    job = job_facts(1, "FAILED", submit_time=ago(2), end_time=ago(1))
    failed = replace(job, job_id=f"id{injection}")
    details = {failed: Details(f"nightly{injection}", f"s3://{injection}")}
    digest = a_digest(failed=listed([failed]), details=details)
    harmless = a_digest(failed=listed([replace(job, job_id="id")]))
    assert subject(digest, ZURICH) == subject(harmless, ZURICH)
    lines = text(digest, ZURICH).split("\n")
    assert all(line.isprintable() for line in lines)
    added = {line for line in lines if line not in text(harmless, ZURICH)}
    # A command to copy has the id as one argument.
    added -= {line for line in added if shlex.split(line)[2:] == [failed.job_id]}
    assert all(line.startswith(("- ", "  ", "Window", "Digest ")) for line in added), added


@given(st.text())
def test_printable_text_is_one_line(foreign):
    assert printable(foreign).isprintable()
    assert len(printable(foreign)) == len(foreign)


def test_the_address_of_a_page_of_the_board_has_any_job_id():
    for job_id, path in {"a/b c": "a%2Fb%20c", "x\ud800": "x%3F", "ü": "%C3%BC"}.items():
        assert board_page("https://api", job_id) == f"https://api/board/jobs/{path}"
