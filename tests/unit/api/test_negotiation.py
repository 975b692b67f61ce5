"""Which format and which encoding a caller gets."""

import gzip

import pytest

from jobledger.api.negotiation import chosen_format, compressed, takes_gzip

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "expected, headers",
    [
        ("json", [
            None, "", " ", "*/*", "application/json", "APPLICATION/JSON; charset=utf-8", "application/*", BROWSER,
            "text/csv, application/json",
            # What excludes everything gets JSON.
            "text/html", "application/xml", "image/*", "*/*;q=0", "text/csv;q=0.000", ";", ",",
        ]),
        ("csv", [
            "text/csv", "text/*", "text/csv, application/json;q=0.9", "application/json;q=0, */*",
            "*/*;q=0.1, text/csv;q=0.2", "text/html, text/csv", "text/csv;header=present",
        ]),
        ("ndjson", ["application/x-ndjson", "text/csv;q=0.5, application/x-ndjson"]),
    ],
)  # fmt: skip
def test_the_parameter_chooses_the_format_or_else_the_accept_header(expected, headers):
    assert {accept: chosen_format(accept, None) for accept in headers} == dict.fromkeys(headers, expected)  # fmt: skip
    assert {chosen_format(accept, "ndjson") for accept in headers} == {"ndjson"}


def test_gzip_is_used_for_long_answers_when_it_is_named_and_gives_the_same_bytes_every_time():
    for header in ("gzip", "GZIP", "gzip, deflate, br", "deflate, gzip;q=0.5"):
        assert takes_gzip(header), header
    for refused in (None, "", "gzip;q=0", "gzip; q=0.0", "br", "*", "gzipped"):
        assert not takes_gzip(refused), refused
    assert compressed(b"x" * 1023) is None
    zipped = compressed(b"x" * 5000)
    assert zipped == compressed(b"x" * 5000)
    assert gzip.decompress(zipped or b"") == b"x" * 5000
