"""What people read. The texts of typical digests are files: look at each as on a phone, before coffee."""

import os
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.digest.content import Details
from jobledger.digest.text import COLUMNS, TextOptions, printable, span, subject, text
from jobledger.digest.windows import Window
from tests.digests import ZURICH, a_digest, a_job, ago, listed
from tests.typical_digests import TYPICAL

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "digests"

# What has broken subjects, logs and mail readers elsewhere.
_BREAKS = [
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\x0b",
    "\x0c",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "\u2029",
    "\u200b",
]
_TURNS = ["\u202e", "\u2066", "\u200f", "\ufeff", "\u00ad"]
_HEADERS = [
    "Subject: won",
    "Bcc: all@example.org",
    "Content-Type: text/html",
    "<script>",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "=cmd|' /C calc'!A0",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
]
INJECTIONS = [
    f"{before}{mark}{header}"
    for before in ("", "nightly")
    for mark in (*_BREAKS, *_TURNS)
    for header in _HEADERS
]


@pytest.mark.parametrize("name", TYPICAL)
def test_a_typical_digest_reads_as_it_was_approved(name):
    """`UPDATE_GOLDEN=1 pytest` writes the files anew, for a person to look at."""
    digest = TYPICAL[name]()
    written = f"Subject: {subject(digest, ZURICH)}\n\n{text(digest, ZURICH)}"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TYPICAL)
def test_the_documentation_shows_every_typical_digest(name):
    shown = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert shown in (ROOT / "docs" / "digests.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TYPICAL)
def test_no_line_is_longer_than_78_columns_but_the_one_to_copy(name):
    lines = text(TYPICAL[name](), ZURICH).splitlines()
    longer = [line for line in lines if len(line) > COLUMNS]
    assert all(line.startswith("awscurl ") for line in longer)
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("count", [0, 1, 999, 100_000, 10_000_000])
@pytest.mark.parametrize("covers_gap", [False, True])
def test_a_subject_is_short_printable_ascii_of_counts_and_dates(stale, count, covers_gap):
    many = listed([], total=count)
    digest = a_digest(
        stale=stale,
        covers_gap=covers_gap,
        failed=many,
        partial_success=many,
        long_running=many,
        completed=many,
        counts=Counter(FAILED=count),
    )
    said = subject(digest, ZURICH)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 100
    assert said.startswith("[job-ledger] ")
    assert said.endswith("2026-11-23")


def test_the_example_of_a_subject():
    digest = a_digest(failed=listed([], total=3), completed=listed([], total=41))
    assert subject(digest, ZURICH) == "[job-ledger] 3 FAILED, 41 completed, 2026-11-23"


def test_the_date_of_a_subject_is_that_of_the_digests_zone():
    window = Window("2026-11-21T23:30:00.000Z", "2026-11-22T23:30:00.000Z")
    assert subject(a_digest(window=window), ZURICH).endswith(" 2026-11-23")
    utc = TextOptions(ZoneInfo("UTC"), None)
    assert subject(a_digest(window=window), utc).endswith(" 2026-11-22")


def test_there_are_enough_injections():
    assert len(INJECTIONS) >= 200


@pytest.mark.row(19, count="256 strings")
@pytest.mark.parametrize("injection", INJECTIONS)
def test_names_that_would_break_a_line_or_turn_it_around_are_inert(injection):
    failed = replace(
        a_job(1, "FAILED", submit_time=ago(2), end_time=ago(1)), job_id=f"id{injection}"
    )
    digest = a_digest(
        failed=listed([failed]), details={failed: Details(injection, f"s3://{injection}")}
    )
    harmless = a_digest(
        failed=listed([replace(failed, job_id="id")]),
    )
    assert subject(digest, ZURICH) == subject(harmless, ZURICH)
    said = text(digest, ZURICH)
    assert all(line.isprintable() for line in said.split("\n"))
    added = [line for line in said.split("\n") if line not in text(harmless, ZURICH)]
    assert all(line.startswith(("- ", "  ", "Window", "Digest ")) for line in added), added


@given(st.text())
def test_printable_text_is_one_line(foreign):
    assert printable(foreign).isprintable()
    assert len(printable(foreign)) == len(foreign)


@pytest.mark.parametrize(
    "seconds,said",
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (119, "1 min"),
        (3_600, "1 h"),
        (3_660, "1 h 1 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (8_640_000, "100 d"),
    ],
)
def test_lengths_of_time_are_said_in_two_units_at_most(seconds, said):
    assert span(seconds) == said


def test_a_reader_in_utc_gets_the_window_once():
    said = text(a_digest(), TextOptions(ZoneInfo("UTC"), None))
    assert said.count("Window: ") == 1


def test_without_its_address_the_api_call_has_a_variable_to_fill_in():
    failed = a_job(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")
    said = text(a_digest(failed=listed([failed])), TextOptions(ZoneInfo("UTC"), None))
    expected = (
        'awscurl --service execute-api --region eu-central-1 "$API_URL/jobs?'
        'Family=SNOMEDCT&JobStatus=FAILED&SubmitTimeAfter=2026-11-23T05:59:59Z"'
    )
    assert expected in said.splitlines()


def test_a_job_without_a_status_that_runs_unusually_long_is_active():
    long_running = a_job(1, "IN_PROGRESS", submit_time=ago(31))
    said = text(a_digest(long_running=listed([replace(long_running, status=None)])), ZURICH)
    assert said.splitlines()[4].endswith(", active for 1 d 7 h")


@pytest.mark.parametrize(
    "submitted,ended,said",
    [
        (ago(3), ago(2), "2 h ago after 1 h"),
        (None, ago(2), "2 h ago"),
        (ago(1), ago(2), "2 h ago"),
        (ago(3), ago(-1), "0 s ago after 4 h"),
        (ago(3), None, "no time given"),
        (None, None, "no time given"),
    ],
)
def test_a_failure_is_told_with_the_times_that_are_known(submitted, ended, said):
    job = a_job(1, "FAILED", submit_time=submitted, end_time=ended)
    lines = text(a_digest(failed=listed([job])), ZURICH).splitlines()
    assert f"- SNOMEDCT {job.job_id}, {said}" in lines


def test_names_and_outputs_that_are_too_long_for_a_line_are_indented():
    job = a_job(1, "FAILED")
    details = Details("nightly " * 20, f"s3://results/{'notes ' * 20}")
    lines = text(a_digest(failed=listed([job]), details={job: details}), ZURICH).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  name: nightly"))
    assert [line[:12] for line in lines[first + 1 : first + 6]] == [
        "    nightly ",
        "    nightly ",
        "  output: s3",
        "    notes no",
        "",
    ]


def test_a_status_that_is_new_is_told_as_it_is_but_on_one_line():
    status = "PAUSED\nOR SO"
    digest = a_digest(counts=Counter({status: 2}), totals=Counter({status: 3}))
    lines = text(digest, ZURICH).splitlines()
    assert "      2  PAUSED OR SO" in lines
    assert "In the ledger now: 3 jobs: 3 PAUSED OR SO." in lines


def test_jobs_that_expire_soon_are_counted_when_none_of_their_rows_was_found():
    said = text(a_digest(expiring_soon=listed([], total=2)), ZURICH)
    expected = "Expiring within 7 days: 2 jobs lose their entries in Comprehend Medical. The"
    assert expected in said


def test_when_not_all_failures_are_known_the_api_call_asks_for_all_of_them():
    failed = a_job(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")
    said = text(a_digest(failed=listed([failed], total=2)), ZURICH)
    assert "SubmitTimeAfter" not in said
