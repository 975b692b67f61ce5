"""What people read. The texts of typical digests are files: look at each as on a phone, before coffee."""

import os
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from jobledger.digest.content import Details
from jobledger.digest.text import (
    COLUMNS,
    TextOptions,
    look_closer,
    span,
    subject,
    text,
    verdict_sentence,
)
from jobledger.service import Family
from testing.builders import job_facts
from testing.digests import ZURICH, a_digest, ago, listed
from testing.typical_digests import TYPICAL

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "digests"


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
                "STALE: the ledger has no known sync with Comprehend Medical; it may not include"
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
    failed = job_facts(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")
    said = text(a_digest(failed=listed([failed])), TextOptions(ZoneInfo("UTC"), None))
    expected = (
        'awscurl --service execute-api --region eu-central-1 "$API_URL/jobs?'
        'Family=SNOMEDCT&JobStatus=FAILED&SubmitTimeAfter=2026-11-23T05:59:59Z"'
    )
    assert expected in said.splitlines()


def test_a_job_without_a_status_that_runs_unusually_long_is_active():
    long_running = job_facts(1, "IN_PROGRESS", submit_time=ago(31))
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
    job = job_facts(1, "FAILED", submit_time=submitted, end_time=ended)
    lines = text(a_digest(failed=listed([job])), ZURICH).splitlines()
    assert f"- SNOMEDCT {job.job_id}, {said}" in lines


def test_without_a_preceding_window_the_counts_stand_alone():
    lines = text(a_digest(counts=Counter(COMPLETED=12, STOPPED=1)), ZURICH).splitlines()
    first = lines.index("IN THIS WINDOW")
    assert lines[first + 1 : first + 4] == ["     12  completed", "      1  stopped", ""]


def test_a_job_with_a_long_id_takes_two_lines_the_second_indented():
    job = replace(job_facts(1, "FAILED", end_time=ago(2)), job_id="f" * 64)
    lines = text(a_digest(failed=listed([job])), ZURICH).splitlines()
    assert lines[lines.index(f"- SNOMEDCT {job.job_id}, 2") + 1] == "  h ago"


def test_names_and_outputs_that_are_too_long_for_a_line_are_indented():
    job = job_facts(1, "FAILED")
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
            [job_facts(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")],
            [job_facts(2, "PARTIAL_SUCCESS", Family.PHI, submit_time="2026-11-23T05:00:00.000Z")],
            "Family=ALL&JobStatus=FAILED&JobStatus=PARTIAL_SUCCESS&SubmitTimeAfter=2026-11-23T04:59:59Z",
        ),
        (
            [],
            [job_facts(2, "PARTIAL_SUCCESS", Family.PHI, submit_time="2026-11-23T05:00:00.000Z")],
            "Family=PHI&JobStatus=PARTIAL_SUCCESS&SubmitTimeAfter=2026-11-23T04:59:59Z",
        ),
        (
            [
                job_facts(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z"),
                job_facts(2, "FAILED"),
            ],
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
    failed = [job_facts(n, "FAILED") for n in range(1, number + 1)]
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
    job = job_facts(1, "COMPLETED", expiration_time="2026-11-24T11:00:00.000Z")
    digest = a_digest(expiring_soon=listed([job]), totals=Counter(COMPLETED=1))
    lines = text(digest, TextOptions(ZoneInfo(zone), None)).splitlines()
    assert "In the ledger now: 1 job: 1 completed." in lines
    joined = " ".join(lines)
    assert (
        "Expiring within 7 days: 1 job loses its entry in Comprehend Medical, the first on"
        f" {said}. The ledger keeps them." in joined
    )


def test_names_and_outputs_are_never_broken_but_at_spaces():
    job = job_facts(1, "FAILED")
    name, output = "nightly-notes-" * 15, f"s3://results/{'notes-of-the-ward-' * 6}"
    said = text(a_digest(failed=listed([job]), details={job: Details(name, output)}), ZURICH)
    assert name in said.split()
    assert output in said.split()


def test_when_not_all_failures_are_known_the_api_call_asks_for_all_of_them():
    failed = job_facts(1, "FAILED", submit_time="2026-11-23T06:00:00.500Z")
    said = text(a_digest(failed=listed([failed], total=2)), ZURICH)
    assert "SubmitTimeAfter" not in said
