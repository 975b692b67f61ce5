"""The guard that keeps tests off the network really does."""

import socket
import urllib.request

import boto3
import pytest


def test_the_world_is_refused_loopback_is_reached_and_credentials_are_made_up():
    for address in (("192.0.2.1", 80), ("example.org", 80), ("2001:db8::1", 80)):
        with pytest.raises(RuntimeError, match="a test"):
            socket.create_connection(address, timeout=1)
    refused = pytest.raises(RuntimeError, match="a test connects")
    with socket.socket(type=socket.SOCK_DGRAM) as sender, refused:
        sender.sendto(b"hello", ("192.0.2.1", 53))
    with pytest.raises(RuntimeError, match=r"a test looks up example\.org"):
        urllib.request.urlopen("http://example.org/", timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
    assert boto3.Session().get_credentials().secret_key == "test"
