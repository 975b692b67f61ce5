"""Lambda's init phase: what is made ready before the first request, and that its failure is none."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testing.api import ENVIRONMENT

ROOT = Path(__file__).parents[2]
HANDLERS = ("api", "sync", "digest", "changes", "lookup", "alerts")
# Prints the clients that the import of a handler made, and whether garbage is collected after it.
IMPORT = """
import gc, importlib, json, sys
from botocore.session import Session
made, create = [], Session.create_client
Session.create_client = lambda self, name, *args, **more: (made.append(name), create(self, name, *args, **more))[1]
module = importlib.import_module(f"jobledger.handlers.{sys.argv[1]}")
print(json.dumps({"clients": made, "collects": gc.isenabled(), "frozen": gc.get_freeze_count() > 0}))
"""
HEALTH = (
    IMPORT
    + """
from testing.api import (Context, event)
print(json.dumps(module.handler(event("/health"), Context())["statusCode"]))
"""
)


def imported(handler: str, program: str = IMPORT, **environment: str) -> list[str]:
    """Return the lines that a process prints that imports a handler."""
    done = subprocess.run(
        [sys.executable, "-c", program, handler],
        env=os.environ
        | ENVIRONMENT
        | {
            "PYTHONPATH": f"{ROOT / 'lambda'}:{ROOT}",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "LAMBDA_TASK_ROOT": str(
                ROOT / "lambda"
            ),  # elsewhere X-Ray's SDK makes clients of its own
            "IDEMPOTENCY_TABLE_NAME": "idempotency",
            "DIGEST_TIMEZONE": "UTC",
            "DIGEST_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:digest",
            "INCLUDE_JOB_DETAILS": "false",
            "EVENT_SOURCE": "jobledger",
            "ALERT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/alerts",
            "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:alerts",
            "KEY_ARN": "arn:aws:kms:us-east-1:111122223333:key/1",
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("handler", HANDLERS)
def test_outside_lambda_an_import_makes_nothing(handler):
    assert [json.loads(line) for line in imported(handler)] == [
        {"clients": [], "collects": True, "frozen": False}
    ]


@pytest.mark.parametrize(
    "initialization",
    [
        "on-demand",
        pytest.param("snap-start", marks=pytest.mark.slow),
        pytest.param("provisioned-concurrency", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "handler, clients",
    [
        ("api", ["dynamodb"]),
        ("sync", ["comprehendmedical", "dynamodb"]),
        ("digest", ["dynamodb", "sns"]),
        ("changes", ["dynamodb", "events"]),
        ("lookup", ["kms"]),
    ],
)
def test_the_init_phase_makes_the_clients_of_the_first_request(handler, clients, initialization):
    (line,) = imported(handler, AWS_LAMBDA_INITIALIZATION_TYPE=initialization)
    state = json.loads(line)
    assert sorted(state["clients"]) == clients
    assert (state["collects"], state["frozen"]) == (True, True)


@pytest.mark.parametrize("handler", ["api", "sync", "digest", "changes"])
def test_a_failure_of_the_init_phase_is_no_failure_of_the_function(handler):
    (line,) = imported(handler, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand", LEDGER_TABLE_NAME="")
    assert json.loads(line)["collects"]


def test_a_table_that_does_not_answer_is_asked_once_and_no_log_line_mentions_it():
    """Four attempts would last longer than the ten seconds after which Lambda ends the phase."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (line,) = imported(
            "api",
            AWS_LAMBDA_INITIALIZATION_TYPE="on-demand",
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
            POWERTOOLS_LOG_LEVEL="DEBUG",
        )
        assert json.loads(line)["clients"] == ["dynamodb"]
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_the_first_request_reports_what_failed_in_the_init_phase():
    *_, status = imported("api", HEALTH, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand")
    assert status == "503"
