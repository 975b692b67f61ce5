"""Which format and which encoding a caller gets."""

import gzip

import pytest

from jobledger.api.negotiation import chosen_format, compressed, takes_gzip

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept, expected",
    [
        (None, "json"),
        ("", "json"),
        (" ", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("APPLICATION/JSON; charset=utf-8", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("application/*", "json"),
        ("application/x-ndjson", "ndjson"),
        ("text/csv;q=0.5, application/x-ndjson", "ndjson"),
        ("text/csv, application/json;q=0.9", "csv"),
        ("text/csv, application/json", "json"),
        ("application/json;q=0, */*", "csv"),
        ("*/*;q=0.1, text/csv;q=0.2", "csv"),
        ("text/html, text/csv", "csv"),
        ("text/csv;header=present", "csv"),
        (BROWSER, "json"),
    ],
)
def test_the_accept_header_chooses_the_format(accept, expected):
    assert chosen_format(accept, None) == expected


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/*", "*/*;q=0", "text/csv;q=0.000", ";", ","]
)
def test_a_header_that_excludes_everything_gets_json(accept):
    assert chosen_format(accept, None) == "json"


def test_the_parameter_wins_over_the_header():
    assert chosen_format("text/html", "ndjson") == "ndjson"


@pytest.mark.parametrize(
    "header, expected",
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br", False),
        ("*", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_used_when_it_is_named(header, expected):
    assert takes_gzip(header) is expected


def test_a_short_answer_is_not_compressed():
    assert compressed(b"x" * 1023) is None


def test_a_long_answer_is_the_same_bytes_every_time():
    zipped = compressed(b"x" * 5000)
    assert zipped is not None
    assert gzip.decompress(zipped) == b"x" * 5000
    assert zipped == compressed(b"x" * 5000)
