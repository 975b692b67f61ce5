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
from jobledger.digest.text import (
    COLUMNS,
    TextOptions,
    look_closer,
    printable,
    span,
    subject,
    text,
    verdict_sentence,
)
from jobledger.digest.windows import Window
from jobledger.jobs import Family
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


@pytest.mark.parametrize("changes,said", [(0, "no changes"), (1, "1 change"), (2, "2 changes")])
def test_the_subject_of_a_digest_without_ended_jobs_counts_the_changes(changes, said):
    digest = a_digest(counts=Counter(SUBMITTED=changes))
    assert subject(digest, ZURICH) == f"[job-ledger] {said}, 2026-11-23"


@pytest.mark.parametrize("completed,said", [(1_000, ", 1000 completed"), (10_000, "")])
def test_a_subject_of_more_than_99_characters_loses_what_is_least_urgent(completed, said):
    many = listed([], total=1_000)
    digest = a_digest(
        failed=many,
        partial_success=many,
        long_running=many,
        completed=listed([], total=completed),
        covers_gap=True,
    )
    expected = (
        f"[job-ledger] 1000 FAILED, 1000 in part, 1000 running long{said}, 2026-11-22 to 2026-11-23"
    )
    assert subject(digest, ZURICH) == expected
    assert len(expected) <= 99


@pytest.mark.parametrize(
    "digest,said",
    [
        ({}, "OK: no action is needed."),
        ({"failed": 1}, "ATTENTION: 1 job failed."),
        ({"long_running": 1}, "ATTENTION: 1 runs unusually long."),
        (
            {"failed": 2, "partial_success": 1_000, "long_running": 2},
            "ATTENTION: 2 jobs failed, 1,000 finished only in part, 2 run unusually long.",
        ),
        (
            {"stale": True, "as_of": ago(2)},
            (
                "STALE: the ledger last synced with Comprehend Medical 2 h ago; it may not include"
                " recent changes."
            ),
        ),
        (
            {"stale": True, "as_of": None, "failed": 1, "partial_success": 1},
            (
                "STALE: the ledger has never synced with Comprehend Medical; it may not include"
                " recent changes. Until then: 1 job failed, 1 finished only in part."
            ),
        ),
    ],
)
def test_the_first_sentence_says_whether_anyone_needs_to_act_and_why(digest, said):
    lists = {
        name: listed([], total=value)
        if name in ("failed", "partial_success", "long_running")
        else value
        for name, value in digest.items()
    }
    assert verdict_sentence(a_digest(**lists)) == said


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
def test_a_failure_is_shown_with_the_times_that_are_known(submitted, ended, said):
    job = a_job(1, "FAILED", submit_time=submitted, end_time=ended)
    lines = text(a_digest(failed=listed([job])), ZURICH).splitlines()
    assert f"- SNOMEDCT {job.job_id}, {said}" in lines


def test_without_a_preceding_window_the_counts_stand_alone():
    lines = text(a_digest(counts=Counter(COMPLETED=12, STOPPED=1)), ZURICH).splitlines()
    first = lines.index("IN THIS WINDOW")
    assert lines[first + 1 : first + 4] == ["     12  completed", "      1  stopped", ""]


def test_a_job_with_a_long_id_takes_two_lines_the_second_indented():
    job = replace(a_job(1, "FAILED", end_time=ago(2)), job_id="f" * 64)
    lines = text(a_digest(failed=listed([job])), ZURICH).splitlines()
    assert lines[lines.index(f"- SNOMEDCT {job.job_id}, 2") + 1] == "  h ago"


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


def test_an_unknown_status_is_shown_unchanged_on_one_line():
    status = "PAUSED\nOR SO"
    digest = a_digest(counts=Counter({status: 2}), totals=Counter({status: 3}))
    lines = text(digest, ZURICH).splitlines()
    assert "      2  PAUSED OR SO" in lines
    assert "In the ledger now: 3 jobs: 3 PAUSED OR SO." in lines


def test_jobs_that_expire_soon_are_counted_when_none_of_their_rows_was_found():
    said = text(a_digest(expiring_soon=listed([], total=2)), ZURICH)
    expected = "Expiring within 7 days: 2 jobs lose their entries in Comprehend Medical. The"
    assert expected in said


@pytest.mark.parametrize(
    "failed,partial_success,parameters",
    [
        ([], [], None),
        (
            [a_job(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")],
            [a_job(2, "PARTIAL_SUCCESS", Family.PHI, submit_time="2026-11-23T05:00:00.000Z")],
            "Family=ALL&JobStatus=FAILED&JobStatus=PARTIAL_SUCCESS&SubmitTimeAfter=2026-11-23T04:59:59Z",
        ),
        (
            [],
            [a_job(2, "PARTIAL_SUCCESS", Family.PHI, submit_time="2026-11-23T05:00:00.000Z")],
            "Family=PHI&JobStatus=PARTIAL_SUCCESS&SubmitTimeAfter=2026-11-23T04:59:59Z",
        ),
        (
            [a_job(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z"), a_job(2, "FAILED")],
            [],
            "Family=SNOMEDCT&JobStatus=FAILED",
        ),
    ],
)
def test_the_api_call_asks_for_the_jobs_that_failed_completely_or_in_part(
    failed, partial_success, parameters
):
    digest = a_digest(failed=listed(failed), partial_success=listed(partial_success))
    call = look_closer(digest, TextOptions(ZoneInfo("UTC"), "https://api"))
    assert call == (
        parameters
        and f'awscurl --service execute-api --region eu-central-1 "https://api/jobs?{parameters}"'
    )


@pytest.mark.parametrize(
    "number,more", [(10, []), (11, ["- and 1 more"]), (1_011, ["- and 1,001 more"])]
)
def test_ten_jobs_of_a_kind_are_listed_and_the_others_counted(number, more):
    failed = [a_job(n, "FAILED") for n in range(1, number + 1)]
    lines = text(a_digest(failed=listed(failed)), ZURICH).splitlines()
    assert f"FAILED: {number:,}" in lines
    items = [line for line in lines if line.startswith("- ")]
    assert len(items) == 10 + len(more)
    assert items[10:] == more


def test_statuses_are_listed_by_importance_and_new_ones_last():
    names = ["SUBMITTED", "PAUSED", "STOP_REQUESTED", "FAILED", "ABANDONED", "COMPLETED", "STOPPED"]
    digest = a_digest(
        counts=Counter(dict.fromkeys(names, 1_000)),
        previous=Counter({"COMPLETED": 2_000, "FAILED": 1_000, "PARTIAL_SUCCESS": 1}),
        totals=Counter(dict.fromkeys(names, 1)),
    )
    lines = text(digest, ZURICH).splitlines()
    first = lines.index("IN THIS WINDOW (and the change from the preceding window)")
    assert lines[first + 1 : first + 10] == [
        "  1,000  completed (-1,000)",
        "      0  finished in part (-1)",
        "  1,000  FAILED (=)",
        "  1,000  stopped (+1,000)",
        "  1,000  asked to stop (+1,000)",
        "  1,000  submitted (+1,000)",
        "  1,000  ABANDONED (+1,000)",
        "  1,000  PAUSED (+1,000)",
        "",
    ]
    assert lines[first + 10 : first + 12] == [
        "In the ledger now: 7 jobs: 1 completed, 1 FAILED, 1 stopped, 1 asked to stop,",
        "1 submitted, 1 ABANDONED, 1 PAUSED.",
    ]


@pytest.mark.parametrize(
    "zone,said",
    [("UTC", "Tue 24 Nov"), ("Pacific/Kiritimati", "Wed 25 Nov"), ("Etc/GMT+12", "Mon 23 Nov")],
)
def test_one_job_that_expires_soon_shows_the_date_in_the_digest_zone(zone, said):
    job = a_job(1, "COMPLETED", expiration_time="2026-11-24T11:00:00.000Z")
    digest = a_digest(expiring_soon=listed([job]), totals=Counter(COMPLETED=1))
    lines = text(digest, TextOptions(ZoneInfo(zone), None)).splitlines()
    assert "In the ledger now: 1 job: 1 completed." in lines
    joined = " ".join(lines)
    assert (
        "Expiring within 7 days: 1 job loses its entry in Comprehend Medical, the first on"
        f" {said}. The ledger keeps them." in joined
    )


def test_names_and_outputs_are_never_broken_but_at_spaces():
    job = a_job(1, "FAILED")
    name, output = "nightly-notes-" * 15, f"s3://results/{'notes-of-the-ward-' * 6}"
    said = text(a_digest(failed=listed([job]), details={job: Details(name, output)}), ZURICH)
    assert name in said.split()
    assert output in said.split()


def test_when_not_all_failures_are_known_the_api_call_asks_for_all_of_them():
    failed = a_job(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")
    said = text(a_digest(failed=listed([failed], total=2)), ZURICH)
    assert "SubmitTimeAfter" not in said
