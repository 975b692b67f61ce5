"""The store reads whole objects of S3, and each other answer has its error within a bounded time."""

import logging
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from botocore.config import Config

from jobledger.errors import (
    ObjectDenied,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
    StoreUnavailable,
)
from jobledger.outputs import run
from jobledger.outputs import store as module
from jobledger.outputs.store import Store
from testing.scripted_server import Scripted, scripted

CANARY = "ward-7-canary"
KEY = f"out/{CANARY}/Manifest_1-SNOMEDCT-2/Manifest"


def refusal(status, code, **headers):
    body = f"<Error><Code>{code}</Code><Message>{CANARY}</Message></Error>".encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(status, {"Content-Type": "application/xml", **names}, body)


@pytest.fixture
def connect(monkeypatch):
    """Return a store of a server, which waits neither between reads nor between attempts."""

    def connect(url, read_timeout=5.0):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        config = module.CONFIG.merge(Config(read_timeout=read_timeout))
        monkeypatch.setattr(module, "CONFIG", config)
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", no_delay)
        store = Store.connect()
        store._sleep = lambda seconds: None
        return store

    return connect


def no_delay(*_):
    return 0


def test_an_object_is_read_as_it_is_with_a_signed_request(connect):
    with scripted(Scripted(body=b'{"a": "\xc3\xa4"}')) as server:
        assert connect(server.url).read("bucket", f"{KEY} ü?#%", 100) == b'{"a": "\xc3\xa4"}'
    (received,) = server.received
    assert received.target == f"/bucket/{KEY}%20%C3%BC%3F%23%25"
    assert "AWS4-HMAC-SHA256" in received.headers["authorization"]


def test_an_object_of_each_size_up_to_the_limit_is_read(connect):
    for size in (0, 1, module._PART, module._PART + 1, 3 * module._PART):
        with scripted(Scripted(body=b"x" * size)) as server:
            store = connect(server.url)
            assert len(store.read("bucket", KEY, size)) == size
            if size:
                with pytest.raises(ObjectTooLarge):
                    store.read("bucket", KEY, size - 1)


ANSWERS = {
    ObjectMissing: {
        "no such key": refusal(404, "NoSuchKey"),
        "no such bucket": refusal(404, "NoSuchBucket"),
        "a page of another program": Scripted(404, {}, b"<html>"),
    },
    ObjectDenied: {
        "denied": refusal(403, "AccessDenied"),
        "archived": refusal(403, "InvalidObjectState"),
        "a disabled key of KMS": refusal(400, "KMS.DisabledException"),
    },
    StoreUnavailable: {
        "another region": refusal(301, "PermanentRedirect"),
        "another region, named": refusal(
            301, "PermanentRedirect", x_amz_bucket_region="eu-central-1"
        ),
        "another region for now": refusal(
            307, "TemporaryRedirect", Location="http://127.0.0.1:9/x"
        ),
        "a wrong region": refusal(400, "AuthorizationHeaderMalformed"),
        "slow down": refusal(503, "SlowDown"),
        "an internal error": refusal(500, "InternalError"),
        "a bad gateway": Scripted(502, {}, b"<html>"),
        "nothing": None,
        "a truncated object": Scripted(200, {"Content-Length": "9"}, b"1234"),
    },
}
TRIED_AGAIN = ("slow down", "an internal error", "a bad gateway", "nothing")


@pytest.mark.parametrize(
    "kind, name", [(kind, name) for kind, answers in ANSWERS.items() for name in answers]
)
def test_each_other_answer_has_its_error_and_is_asked_for_at_most_twice(
    connect, kind, name, caplog
):
    caplog.set_level(logging.DEBUG, "jobledger")
    with scripted(ANSWERS[kind][name]) as server:
        with pytest.raises(StoreError) as refused:
            connect(server.url).read("bucket", KEY, 100)
        assert type(refused.value) is kind
        assert [one.method for one in server.received] == ["GET"] * (1 + (name in TRIED_AGAIN))
    assert CANARY not in f"{refused.value} {refused.value.name} {caplog.text}"


def test_a_second_attempt_can_succeed(connect):
    with scripted(refusal(503, "SlowDown"), Scripted(body=b"1")) as server:
        assert connect(server.url).read("bucket", KEY, 1) == b"1"


@contextmanager
def dripping(start: bytes, drop: bytes):
    """A server that sends a drop every twentieth of a second, until the test ends."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(start)
            try:
                # Not `time.sleep`, which later tests replace.
                while not over.wait(0.05):
                    connection.sendall(drop)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()


@pytest.mark.parametrize(
    "length, limit, kind",
    [("Content-Length: 1000", 1000, StoreUnavailable), ("A: b", 5, ObjectTooLarge)],
)
def test_an_object_that_only_drips_is_given_up(connect, length, limit, kind, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_BODY_SECONDS", 0.5)
    with dripping(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode(), b"x") as url:
        started = time.monotonic()
        with pytest.raises(kind):
            connect(url).read("bucket", KEY, limit)
        assert time.monotonic() - started < 4


def test_no_library_writes_a_warning_with_the_address_of_an_object(connect, caplog):
    caplog.set_level(logging.INFO)
    damaged = b"HTTP/1.1 200 OK\r\nA\r\nContent-Length: 1\r\nExpires: never\r\n\r\nx"
    with dripping(damaged, b"") as url, pytest.raises(StoreError):
        connect(url, 0.5).read("bucket", KEY, 10)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("key", ["\ud800", "a\udfffManifest"])
def test_a_key_that_no_object_can_have_is_missing(connect, key):
    with scripted(None) as server, pytest.raises(ObjectMissing):
        connect(server.url).read("bucket", key, 10)


def test_ten_objects_are_read_in_a_second():
    waited: list[float] = []
    store = Store(None, now=lambda: 7.0, sleep=waited.append)
    for _ in range(3):
        with pytest.raises(AttributeError):
            store.read("bucket", "key", 1)
    assert waited == [0.0, pytest.approx(0.1), pytest.approx(0.1)]


def test_the_longest_read_is_as_long_as_the_constant_says():
    config = module.CONFIG
    attempts = config.retries["total_max_attempts"]
    pauses = 2 ** (attempts - 1) - 1  # botocore's exponential backoff, at most
    longest = attempts * (config.connect_timeout + config.read_timeout) + pauses
    longest += module._LONGEST_BODY_SECONDS + config.read_timeout
    assert longest <= module.LONGEST_READ_SECONDS < run.LONGEST_MILLISECONDS / 1000
