"""The signing proxy: what it forwards, and whom it refuses."""

import http.client
import os
import socket
import sys
import threading

import pytest

from job_ledger import JobLedger
from testing.processes import run
from testing.scripted_server import Scripted, problem, scripted

HEADERS = {
    "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store",
    "Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "Location": "https://example.org/",
}  # fmt: skip
PAGE = Scripted(headers=HEADERS, body=b"<!doctype html>")


class Browser:
    """Sends requests to a proxy as a browser does that opened its address."""

    def __init__(self, proxy):
        self.proxy = proxy

    def send(self, method, path, headers=None, body=None, *, token=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=10)
        target = path if token is False else f"/{token or self.proxy.token}{path}"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if host is not False:
            connection.putheader("Host", host or self.proxy.host)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content


@pytest.fixture
def upstream():
    with scripted(PAGE) as server:
        yield server


@pytest.fixture
def browser(upstream):
    with JobLedger(upstream.url) as ledger, ledger.proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        yield Browser(proxy)
        proxy.shutdown()


def test_a_request_is_signed_and_forwarded_without_token_cookies_and_credentials(browser, upstream):
    own = {"Cookie": "a=b", "Authorization": "Basic eA==", "X-Amz-Date": "x", "Accept": "text/csv"}
    for path, received_path, query in (
        ("/jobs?JobName=a%20b&Family=PHI", "/jobs", {"JobName": ["a b"], "Family": ["PHI"]}),
        ("/board?JobName=a+b&JobStatus=", "/board", {"JobName": ["a b"], "JobStatus": [""]}),
        ("/jobs?JobName='(*)!~", "/jobs", {"JobName": ["'(*)!~"]}),
        ("/jobs?JobName=%e5%a4%9c", "/jobs", {"JobName": ["夜"]}),
        ("/jobs/a:b%2fc+d@e", "/jobs/a%3Ab%2Fc%2Bd%40e", {}),
    ):
        response, content = browser.send("GET", path, own)
        assert (response.status, content) == (200, PAGE.body)
        received = upstream.received.pop()
        assert received.is_signed()
        assert (received.path, received.query) == (received_path, query)
        assert received.headers["accept"] == "text/csv"
        assert "cookie" not in received.headers
        assert browser.proxy.token not in str(received)


def test_only_known_headers_come_back_and_the_address_is_no_referrer(browser, upstream):
    headers = browser.send("GET", "/docs")[0].headers
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "same-origin")
    assert not {"Set-Cookie", "Access-Control-Allow-Origin", "Location"} & set(headers)


def test_a_page_can_ask_for_headers_alone_and_publish_a_digest(browser, upstream):
    own = {"Origin": browser.proxy.origin, "Idempotency-Key": "k", "Sec-Fetch-Site": "same-origin"}
    for sent, content in (
        (("HEAD", "/health"), b""),
        (("POST", "/digests", own, b"{}"), PAGE.body),
    ):
        response, got = browser.send(*sent)
        assert (response.status, got) == (200, content)
    head, post = upstream.received
    assert (head.method, post.method, post.target, post.body) == ("HEAD", "POST", "/digests", b"{}")
    assert (post.headers["idempotency-key"], post.is_signed()) == ("k", True)


OWN = {"Origin": "{origin}"}
ELSEWHERE = (
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
    {"Origin": "http://localhost:1"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
)  # fmt: skip
HOSTS = ("localhost", "localhost:{port}", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", False)
WITHOUT_TOKEN = ("/", "/jobs", "/x/jobs", "//jobs", "/board", "http://127.0.0.1/jobs", "*")
OUTSIDE = ("/../x", "/jobs/../../x", "/jobs/%2e%2e/x", "/./jobs", "//x")
OTHER_METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
BODIES = ({"Transfer-Encoding": "chunked"}, {"Content-Length": "-1"}, {"Content-Length": "65537"})


@pytest.mark.parametrize(
    "statuses, method, path, more",
    [
        *[((403,), "GET", "/digests", {"headers": headers}) for headers in ELSEWHERE],
        *[((403,), "POST", "/digests", {"headers": h, "body": b"{}"}) for h in ELSEWHERE],
        ((403,), "POST", "/digests", {"headers": {}, "body": b"{}"}),
        *[((400, 403), "GET", "/jobs", {"host": host}) for host in HOSTS],
        *[((403,), "GET", path, {"token": False}) for path in WITHOUT_TOKEN],
        *[((403,), "GET", "/jobs", {"token": t}) for t in ("{token}x", "{token:.20}", "{upper}")],
        *[((400,), "GET", path, {}) for path in OUTSIDE],
        *[((405, 501), method, "/jobs", {"headers": OWN}) for method in OTHER_METHODS],
        *[((405,), "POST", path, {"headers": OWN, "body": b"{}"}) for path in ("/jobs", "/digests/x")],
        *[((411, 413), "POST", "/digests", {"headers": OWN | length}) for length in BODIES],
    ],
    ids=str,
)  # fmt: skip
def test_what_did_not_come_from_its_own_page_is_refused(
    browser, upstream, statuses, method, path, more
):
    own = browser.proxy

    def filled(given):
        if isinstance(given, dict):
            return {name: filled(each) for name, each in given.items()}
        words = {"origin": own.origin, "port": own.server_port, "token": own.token}
        return given.format(**words, upper=own.token.upper()) if isinstance(given, str) else given

    response, content = browser.send(method, path, **filled(more))
    assert response.status in statuses
    assert own.token.encode() not in content
    assert upstream.received == []


HTML = {"Content-Type": "text/html"}


def test_an_error_of_the_api_reaches_the_browser_and_no_answer_that_is_not_its(browser, upstream):
    upstream.answer = lambda _: problem(404, "ResourceNotFoundException")
    response, content = browser.send("GET", "/jobs/x")
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"ResourceNotFoundException" in content
    browser.proxy.http._sleep = lambda _: None
    for answer in (
        Scripted(302, {"Location": "https://sign-in.example/"}),
        Scripted(204, body=b""),
        Scripted(200, HTML, b"<title>Sign in</title>"),
        Scripted(403, HTML, b"<title>Sign in</title>"),
        Scripted(200, {**HTML, "Content-Encoding": "gzip"}, b"no gzip"),
        Scripted(200, {**PAGE.headers, "Content-Length": "99"}, b"<!doctype"),
    ):
        upstream.answer = lambda _, answer=answer: answer
        response, content = browser.send("GET", "/board")
        assert response.status == 502, answer
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert b"not from Job Ledger's API" in content


def test_it_listens_on_loopback_only_and_each_has_its_own_port_and_token(browser, upstream):
    with JobLedger(upstream.url) as ledger, ledger.proxy() as other:
        for one, another in ((browser.proxy, other), (other, browser.proxy)):
            assert (one.server_address[0], len(one.token) >= 40) == ("127.0.0.1", True)
            assert (one.server_port, one.token) != (another.server_port, another.token)
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.2", one.server_port)) != 0


NOBODY = 65534
AS_USER = """
import encodings.idna, http.client, os, sys
os.setuid(int(sys.argv[1]))
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
connection.request("GET", sys.argv[3])
print(connection.getresponse().status)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_another_user_of_the_machine_is_refused(browser, upstream):
    address = [str(browser.proxy.server_port), f"/{browser.proxy.token}/jobs"]
    statuses = [run(sys.executable, "-c", AS_USER, user, *address).stdout for user in (0, NOBODY)]
    assert statuses == ["200\n", "403\n"]
    assert len(upstream.received) == 1
