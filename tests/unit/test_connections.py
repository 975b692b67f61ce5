"""Every adapter of an AWS service connects to it with bounded retries and time-outs of its own."""

from collections.abc import Callable
from datetime import UTC
from types import ModuleType
from typing import Any

import pytest

from jobledger import invoke, sns, sqs
from jobledger.digest import run
from jobledger.events import eventbridge
from jobledger.handlers import lookup
from jobledger.ledger import table
from jobledger.lookup import encryption
from jobledger.outputs import store
from jobledger.sync import upstream
from jobledger.times import utc_now

CONNECTED: list[tuple[str, ModuleType, Callable[[], object]]] = [
    ("dynamodb", table, lambda: table.Table.connect("name")),
    ("comprehendmedical", upstream, lambda: upstream.Upstream.connect(lambda: None)),
    ("sns", sns, sns.Notifier.connect),
    ("events", eventbridge, lambda: eventbridge.EventBus.connect("name")),
    ("kms", encryption, lambda: encryption.PropertyCipher.connect("name")),
    ("sqs", sqs, lambda: sqs.AlertQueue.connect("name")),
    ("lambda", invoke, lambda: invoke.Function.connect("name")),
    ("s3", store, store.Store.connect),
]


@pytest.mark.parametrize(
    "service, module, connect", CONNECTED, ids=[name for name, *_ in CONNECTED]
)
def test_an_adapter_has_its_services_client_with_its_configuration(service, module, connect):
    adapter = connect()
    check_client(adapter._client, service, module)
    assert "name" in vars(adapter).values() or service in ("comprehendmedical", "s3", "sns")


def test_a_digest_run_connects_to_its_table_and_topic_and_reads_the_clock(monkeypatch):
    monkeypatch.setattr(run, "assemble", lambda *made: made)
    made: Any = run.connect()
    dynamodb, notifier, now = made
    check_client(dynamodb, "dynamodb", table)
    check_client(notifier._client, "sns", sns)
    assert now().tzinfo is UTC


def test_a_look_up_connects_to_the_key_of_its_environment_which_has_to_have_one(monkeypatch):
    connect = lookup._cipher.__wrapped__
    with pytest.raises(RuntimeError, match="KEY_ARN is missing"):
        connect()
    monkeypatch.setenv("KEY_ARN", "name")
    check_client(connect()._client, "kms", encryption)
    assert utc_now().tzinfo is UTC


def check_client(client: Any, service: str, module: ModuleType) -> None:
    assert client.meta.service_model.service_name == service
    for option in ("connect_timeout", "read_timeout", "retries"):
        assert getattr(client.meta.config, option) == getattr(module.CONFIG, option)
    assert client.meta.config.retries["total_max_attempts"] <= 4
