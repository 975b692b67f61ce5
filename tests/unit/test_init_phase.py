"""Lambda's init phase: what is made ready before the first request. A failure there stops no function."""

import json
import socket
from typing import Any

import pytest

from testing.api import ENVIRONMENT
from testing.processes import ROOT, run_python

CLIENTS = {
    "api": ["dynamodb"], "sync": ["comprehendmedical", "dynamodb"], "digest": ["dynamodb", "sns"],
    "changes": ["dynamodb", "events"], "lookup": ["kms"],
}  # fmt: skip
# Prints the clients that the import of each handler made, and whether garbage is collected after it. Each is
# imported in a process of its own, forked from one that has what they share.
IMPORT = """
import gc, importlib, json, os, sys
from botocore.session import Session
import jobledger.ledger.ledger, jobledger.observability
made, create = [], Session.create_client
Session.create_client = lambda self, name, *args, **more: (made.append(name), create(self, name, *args, **more))[1]
for handler in sys.argv[1:]:
    if os.fork() == 0:
        module = importlib.import_module(f"jobledger.handlers.{handler}")
        state = {"clients": sorted(made), "collects": gc.isenabled(), "frozen": gc.get_freeze_count() > 0}
        print(json.dumps({handler: state}), flush=True)
        break
    _, status = os.wait()
    assert status == 0
"""
HEALTH = f"""{IMPORT}
if made:
    from testing.api import Context, event
    print(json.dumps({{"status": module.handler(event("/health"), Context())["statusCode"]}}))
"""


ON_DEMAND = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}


def imported(*handlers: str, program: str = IMPORT, **environment: str) -> dict[str, Any]:
    """Return what a program prints that imports handlers."""
    topic = "arn:aws:sns:us-east-1:111122223333:topic"
    given = ENVIRONMENT | {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "LAMBDA_TASK_ROOT": str(ROOT / "lambda"),  # elsewhere X-Ray's SDK makes clients of its own
        "DIGEST_TIMEZONE": "UTC", "DIGEST_TOPIC_ARN": topic, "INCLUDE_JOB_DETAILS": "false", "EVENT_SOURCE": "jobledger",
        "ALERT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/alerts", "ALERT_TOPIC_ARN": topic,
        "KEY_ARN": "arn:aws:kms:us-east-1:111122223333:key/1",
    }  # fmt: skip
    printed: dict[str, Any] = {}
    for line in run_python(program, *handlers, **(given | environment)).splitlines():
        printed |= json.loads(line)
    return printed


def test_outside_lambda_an_import_makes_nothing():
    nothing = {"clients": [], "collects": True, "frozen": False}
    assert imported(*CLIENTS, "alerts") == dict.fromkeys([*CLIENTS, "alerts"], nothing)


@pytest.mark.parametrize("initialization", ["on-demand", "snap-start", "provisioned-concurrency"])
def test_the_init_phase_makes_the_clients_of_the_first_request(initialization):
    states = imported(*CLIENTS, AWS_LAMBDA_INITIALIZATION_TYPE=initialization)
    ready = {"collects": True, "frozen": True}
    assert states == {handler: {"clients": made} | ready for handler, made in CLIENTS.items()}


def test_a_function_starts_although_its_init_phase_fails_which_the_first_request_reports():
    handlers = ("api", "sync", "digest", "changes")
    states = imported(*handlers, **ON_DEMAND, LEDGER_TABLE_NAME="")
    assert [states[handler]["collects"] for handler in handlers] == [True] * 4
    assert imported("api", program=HEALTH, **ON_DEMAND)["status"] == 503


def test_a_table_that_does_not_answer_is_asked_once_and_no_log_line_mentions_it():
    """Four attempts would last longer than the ten seconds after which Lambda ends the phase."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        states = imported("api", **ON_DEMAND, AWS_ENDPOINT_URL=url, POWERTOOLS_LOG_LEVEL="DEBUG")
        assert states["api"]["clients"] == ["dynamodb"]
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
