"""The signing proxy: what it forwards, and whom it refuses."""

import http.client
import os
import socket
import subprocess
import sys
import threading

import pytest

from job_ledger import JobLedger
from testing.scripted_server import Scripted, problem, scripted

PAGE = Scripted(
    headers={
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'",
        "Cache-Control": "no-store",
        "Set-Cookie": "a=b",
        "Access-Control-Allow-Origin": "*",
        "Location": "https://example.org/",
    },
    body=b"<!doctype html>",
)


class Browser:
    """Sends requests to a proxy as a browser does that opened its address."""

    def __init__(self, proxy):
        self.proxy = proxy

    def send(self, method, path, headers=None, body=None, *, token=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=10)
        connection.putrequest(
            method,
            path if token is False else f"/{token or self.proxy.token}{path}",
            skip_host=True,
            skip_accept_encoding=True,
        )
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


def test_a_request_is_signed_and_forwarded_without_the_token(browser, upstream):
    response, content = browser.send(
        "GET", "/jobs?JobName=a%20b&Family=PHI", {"Accept": "text/csv"}
    )
    assert (response.status, content) == (200, PAGE.body)
    (received,) = upstream.received
    assert received.target == "/jobs?JobName=a%20b&Family=PHI"
    assert received.is_signed()
    assert received.headers["accept"] == "text/csv"
    assert browser.proxy.token not in str(received)


@pytest.mark.parametrize(
    "path, received_path, query",
    [
        ("/board?JobName=a+b&JobStatus=", "/board", {"JobName": ["a b"], "JobStatus": [""]}),
        ("/jobs?JobName='(*)!~", "/jobs", {"JobName": ["'(*)!~"]}),
        ("/jobs?JobName=%e5%a4%9c", "/jobs", {"JobName": ["夜"]}),
        ("/jobs/a:b%2fc+d@e", "/jobs/a%3Ab%2Fc%2Bd%40e", {}),
    ],
)
def test_what_a_browser_escapes_differently_is_signed_correctly(
    browser, upstream, path, received_path, query
):
    assert browser.send("GET", path)[0].status == 200
    (received,) = upstream.received
    assert received.is_signed()
    assert (received.path, received.query) == (received_path, query)


def test_only_known_headers_come_back_and_the_address_is_no_referrer(browser):
    response, _ = browser.send("GET", "/docs")
    assert response.headers["Content-Security-Policy"] == "default-src 'none'"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"
    for name in ("Set-Cookie", "Access-Control-Allow-Origin", "Location"):
        assert name not in response.headers


def test_cookies_and_credentials_of_the_browser_are_not_forwarded(browser, upstream):
    browser.send(
        "GET", "/docs", {"Cookie": "a=b", "Authorization": "Basic eA==", "X-Amz-Date": "x"}
    )
    (received,) = upstream.received
    assert received.is_signed()
    assert "cookie" not in received.headers


def test_head_has_no_body(browser, upstream):
    response, content = browser.send("HEAD", "/health")
    assert (response.status, content) == (200, b"")
    assert upstream.received[0].method == "HEAD"


def test_try_it_out_can_publish_a_digest(browser, upstream):
    headers = {
        "Origin": browser.proxy.origin,
        "Idempotency-Key": "k",
        "Sec-Fetch-Site": "same-origin",
    }
    response, _ = browser.send("POST", "/digests", headers, b"{}")
    assert response.status == 200
    (received,) = upstream.received
    assert (received.method, received.target, received.body) == ("POST", "/digests", b"{}")
    assert received.headers["idempotency-key"] == "k"
    assert received.is_signed()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(browser, upstream, headers, method):
    response, _ = browser.send(method, "/digests", headers, b"{}" if method == "POST" else None)
    assert response.status == 403
    assert upstream.received == []


def test_a_post_without_an_origin_is_refused(browser, upstream):
    assert browser.send("POST", "/digests", {}, b"{}")[0].status == 403
    assert upstream.received == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:{port}", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", False],
)
def test_another_host_is_refused(browser, upstream, host):
    host = host and host.format(port=browser.proxy.server_port)
    response, _ = browser.send("GET", "/jobs", host=host)
    assert response.status in (400, 403)
    assert upstream.received == []


@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/x/jobs", "//jobs", "/board", "http://127.0.0.1/jobs", "*"]
)
def test_a_missing_or_wrong_token_is_refused(browser, upstream, path):
    response, content = browser.send("GET", path, token=False)
    assert response.status == 403
    assert browser.proxy.token.encode() not in content
    assert upstream.received == []


def test_a_token_that_is_almost_right_is_refused(browser, upstream):
    for token in (browser.proxy.token[:-1], browser.proxy.token + "x", browser.proxy.token.upper()):
        assert browser.send("GET", "/jobs", token=token)[0].status == 403
    assert upstream.received == []


@pytest.mark.parametrize("path", ["/../x", "/jobs/../../x", "/jobs/%2e%2e/x", "/./jobs", "//x"])
def test_a_path_out_of_the_api_is_refused(browser, upstream, path):
    assert browser.send("GET", path)[0].status == 400
    assert upstream.received == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(browser, upstream, method):
    response, _ = browser.send(method, "/jobs", {"Origin": browser.proxy.origin})
    assert response.status in (405, 501)
    assert upstream.received == []


@pytest.mark.parametrize("path", ["/jobs", "/health", "/digests/x"])
def test_a_post_to_another_route_is_refused(browser, upstream, path):
    response, _ = browser.send("POST", path, {"Origin": browser.proxy.origin}, b"{}")
    assert response.status == 405
    assert upstream.received == []


@pytest.mark.parametrize(
    "headers",
    [{"Transfer-Encoding": "chunked"}, {"Content-Length": "-1"}, {"Content-Length": "65537"}],
)
def test_a_body_of_unknown_or_great_length_is_refused(browser, upstream, headers):
    headers |= {"Origin": browser.proxy.origin}
    assert browser.send("POST", "/digests", headers)[0].status in (411, 413)
    assert upstream.received == []


def test_an_error_of_the_api_is_passed_on(browser, upstream):
    upstream.answer = lambda _: problem(404, "ResourceNotFoundException")
    response, content = browser.send("GET", "/jobs/x")
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"ResourceNotFoundException" in content


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(302, {"Location": "https://sign-in.example/"}),
        Scripted(204, body=b""),
        Scripted(200, {"Content-Type": "text/html"}, b"<title>Sign in</title>"),
        Scripted(403, {"Content-Type": "text/html"}, b"<title>Sign in</title>"),
        Scripted(200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, b"no gzip"),
        Scripted(200, {**PAGE.headers, "Content-Length": "99"}, b"<!doctype"),
    ],
    ids=lambda answer: f"{answer.status} {answer.headers}",
)
def test_an_answer_that_is_not_the_apis_never_reaches_the_browser(browser, upstream, answer):
    upstream.answer = lambda _: answer
    browser.proxy.http._sleep = lambda _: None
    response, content = browser.send("GET", "/board")
    assert (response.status, response.headers["Content-Type"]) == (502, "text/plain; charset=utf-8")
    assert b"not from Job Ledger's API" in content


def test_it_listens_on_loopback_only_and_each_has_its_own_port_and_token(upstream):
    with JobLedger(upstream.url) as ledger, ledger.proxy() as one, ledger.proxy() as other:
        assert one.server_address[0] == "127.0.0.1"
        assert one.server_port != other.server_port
        assert one.token != other.token
        assert len(one.token) >= 40
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
    commands = [[sys.executable, "-c", AS_USER, str(user), *address] for user in (0, NOBODY)]
    statuses = [subprocess.check_output(command, text=True).strip() for command in commands]
    assert statuses == ["200", "403"]
    assert len(upstream.received) == 1
