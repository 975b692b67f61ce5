"""Names and ids that would break a line of a digest or turn it around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.digest.content import Details
from jobledger.digest.text import (
    printable,
    subject,
    text,
)
from testing.builders import job_facts
from testing.digests import ZURICH, a_digest, ago, listed

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


def test_there_are_enough_injections():
    assert len(INJECTIONS) >= 200


@pytest.mark.row(19, count="256 strings")
@pytest.mark.parametrize("injection", INJECTIONS)
def test_names_that_would_break_a_line_or_turn_it_around_are_inert(injection):
    failed = replace(
        job_facts(1, "FAILED", submit_time=ago(2), end_time=ago(1)), job_id=f"id{injection}"
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
