"""Strings that try to become headers, log lines or other requests stay what they are: data."""

import json
import re

import pytest

from testing.api import logged_lines, running_api
from testing.builders import full_job

# One for each kind of break, each with another of the things that follow one.
STRINGS = (
    "a\r\nSet-Cookie: forged=b", "a\nLocation: https://evil.example", "a\rX-Request-Id: forged",
    "a\r\n\r\nHTTP/1.1 200 forged", "a\x0bforged\x0cforged", "a\x1cforged\x1dforged\x1eforged", "a\x85END RequestId: forged",
    "a\u2028forged\u2029forged", "a%0d%0aSet-Cookie: forged=b", "a%E5%98%8A%E5%98%8DLocation: //evil.example",
    "a嘊嘍X-Request-Id: forged", "a\\r\\nX-Request-Id: forged", "a\x00forged", 'a\n{"level":"ERROR","message":"forged"}',
    'a","level":"CRITICAL","message":"forged', "a\x1b[31mforged\x1b[0m", "a<script>alert('evil')</script>",
    'a>; rel="next", <https://evil.example', "a${jndi:ldap://evil.example/a}", "a../../' OR '1'='1",
)  # fmt: skip


@pytest.fixture(scope="module")
def api():
    with running_api() as running:
        running.fill(full_job(1), full_job(2))
        running.mark_synced()
        yield running


def answers_to(api, text):
    return [
        *(api.get("/jobs", **{n: text}) for n in ("JobName", "NextToken", "Family", "Format")),
        api.get("/jobs", **{text: "1"}),
        api.get(f"/jobs/{text}"),
        api.get(f"/{text}"),
        api.call("/jobs", headers={"Accept": text, "Accept-Encoding": text, text: text}),
        api.call("/digests", method="POST", headers={"Idempotency-Key": text}, body=text),
        api.call("/digests", method="POST", body=json.dumps({"WindowStart": text, text: text})),
    ]


@pytest.mark.parametrize("text", STRINGS, ids=ascii)
def test_a_string_stays_data_wherever_it_is_sent(api, text):
    with logged_lines() as logged:
        answers = answers_to(api, text)
    for answer in answers:
        assert 200 <= answer.status < 500
        for header in map("".join, answer.headers.items()):
            assert (header.isascii(), header.isprintable()) == (True, True)
        assert not re.search("forged|evil", "".join(answer.headers.values()))
        if answer.status >= 400:
            json.loads(answer.body)
    for line in logged:
        assert not re.search("forged|evil", line)
        assert len(line.splitlines()) == 1
        json.loads(line)
