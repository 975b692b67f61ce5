"""What the table asks of DynamoDB, and what it makes of its answers and errors."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ReadTimeoutError

from jobledger.clients import session
from jobledger.errors import LedgerUnavailable
from jobledger.ledger.table import CONFIG, Check, Increment, Put, Table, encode
from testing.memory_dynamodb import cancelled, error
from testing.scripted_server import Scripted, scripted

KEY = {"PK": "state", "SK": "PHI"}
TYPED_KEY = {"PK": {"S": "state"}, "SK": {"S": "PHI"}}


class Client:
    """A DynamoDB client that gives these answers in turn, or raises them, and keeps what it is asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._called = mock.Mock(side_effect=answers)

    def __getattr__(self, operation: str) -> mock.Mock:
        return self._called

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [dict(call.kwargs) for call in self._called.call_args_list]


def a_table(*answers: dict[str, Any] | Exception) -> tuple[Table, Client]:
    client = Client(*answers)
    return Table(client, "ledger"), client


@pytest.fixture(autouse=True)
def _slept(slept):
    """No pause of these tests takes time."""


def test_a_row_is_read_consistently_and_numbers_and_booleans_keep_their_type():
    item = {**TYPED_KEY, "Version": {"N": "7"}, "ExpiredUpstream": {"BOOL": True}}
    table, client = a_table({"Item": item})
    assert table.get(KEY) == {**KEY, "Version": 7, "ExpiredUpstream": True}
    assert encode({**KEY, "Version": 7, "ExpiredUpstream": True}) == item
    assert client.asked == [{"TableName": "ledger", "Key": TYPED_KEY, "ConsistentRead": True}]


def keys(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"PK": "jobs", "SK": f"{number:03}"} for number in range(start, start + count)]


def typed(keys: Sequence[dict[str, str]]) -> list[dict[str, dict[str, str]]]:
    return [{name: {"S": text} for name, text in key.items()} for key in keys]


def found(keys: list[dict[str, str]], left: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """An answer of BatchGetItem that leaves some keys for the next call."""
    answer: dict[str, Any] = {"Responses": {"ledger": typed(keys)}}
    return answer | ({"UnprocessedKeys": {"ledger": {"Keys": typed(left)}}} if left else {})


def asked_for(client: Client) -> list[list[dict[str, dict[str, str]]]]:
    """The keys of each call, all of which are consistent reads of this table."""
    tables = [request["RequestItems"] for request in client.asked]
    assert all(list(table) == ["ledger"] for table in tables)
    assert all(table["ledger"]["ConsistentRead"] is True for table in tables)
    return [table["ledger"]["Keys"] for table in tables]


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_many_rows_are_read_a_hundred_at_a_time(count):
    wanted = keys(count)
    parts = [wanted[start : start + 100] for start in range(0, count, 100)]
    table, client = a_table(*(found(part) for part in parts))
    assert list(table.batch_get(wanted)) == wanted
    assert asked_for(client) == [typed(part) for part in parts]


def test_rows_that_are_left_are_asked_for_again_after_a_pause_up_to_four_times(slept):
    nothing: dict[str, Any] = {"Responses": {}}
    table, client = a_table(found(keys(2), keys(2, 2)), found(keys(1, 2), keys(1, 3)), nothing)
    assert list(table.batch_get(keys(4))) == keys(3)
    assert asked_for(client) == [typed(keys(4)), typed(keys(2, 2)), typed(keys(1, 3))]
    assert slept == pytest.approx([0.2, 0.8])
    table, client = a_table(*[found([], left=keys(1))] * 5)
    with pytest.raises(LedgerUnavailable, match=r"^BatchGetItem left keys unprocessed$"):
        list(table.batch_get(keys(1)))
    assert len(client.asked) == 4
    assert slept[2:] == pytest.approx([0.2, 0.8, 3.2])


def test_a_query_is_read_page_by_page_until_there_is_no_more():
    first, second = (typed(keys(1, number))[0] for number in (1, 5))
    table, client = a_table(
        {"Items": typed(keys(2)), "LastEvaluatedKey": first},
        {"Items": [], "LastEvaluatedKey": second},
        {"Items": typed(keys(1, 6))},
    )
    assert list(table.query_all(Limit=2)) == [*keys(2), *keys(1, 6)]
    asked = {"TableName": "ledger", "Limit": 2}
    starts = ({"ExclusiveStartKey": key} for key in (first, second))
    assert client.asked == [asked, *(asked | start for start in starts)]


def test_each_action_of_a_transaction_has_its_condition_and_values():
    table, client = a_table({})
    new, read = "attribute_not_exists(PK)", "Version = :read"
    amounts = {"Jobs#FAILED": -1, "Jobs#COMPLETED": 1, "Version": 1}
    assert table.transact(
        [
            Put({**KEY, "Version": 2}, read, {":read": 1}),
            Put({**KEY}, new),
            Check(KEY, read, {":read": 3}),
            Check(KEY, new),
            Increment(KEY, amounts),
        ]
    )

    def conditional(condition: str, version: int | None = None, **more: Any) -> dict[str, Any]:
        values = {"ExpressionAttributeValues": {":read": {"N": f"{version}"}}} if version else {}
        return {"TableName": "ledger", "ConditionExpression": condition} | values | more

    (asked,) = client.asked
    *others, added = asked["TransactItems"]
    assert others == [
        {"Put": conditional(read, 1, Item={**TYPED_KEY, "Version": {"N": "2"}})},
        {"Put": conditional(new, Item=TYPED_KEY)},
        {"ConditionCheck": conditional(read, 3, Key=TYPED_KEY)},
        {"ConditionCheck": conditional(new, Key=TYPED_KEY)},
    ]
    # What it adds, the table in memory reads from its expression.
    assert (added["Update"]["TableName"], added["Update"]["Key"]) == ("ledger", TYPED_KEY)
    # Each amount has one value.
    values = added["Update"]["ExpressionAttributeValues"].values()
    assert sorted(value["N"] for value in values) == ["-1", "1"]


NEXT = {
    "TableName": "ledger",
    "Item": {**TYPED_KEY, "Version": {"N": "5"}},
    "ConditionExpression": "attribute_not_exists(PK) OR Version = :read",
    "ExpressionAttributeValues": {":read": {"N": "4"}},
}


@pytest.mark.parametrize(
    "answers,written",
    [
        *(([], True), (["ConditionalCheckFailedException"], False)),
        *((["TransactionConflictException"], True), (["TransactionConflictException"] * 4, False)),
    ],
)
def test_a_row_is_written_over_the_version_that_was_read_in_a_transaction_or_outside(
    answers, written
):
    table, client = a_table(*map(error, answers), {})
    assert table.put_next_alone({**KEY, "Version": 5}, 4) is written
    assert client.asked == [NEXT] * (len(answers) + (written and 1))
    table, client = a_table({})
    assert table.put_next({**KEY, "Version": 5}, 4)
    assert client.asked == [{"TransactItems": [{"Put": NEXT}]}]


FAILED, BUSY = "ConditionalCheckFailed", "TransactionConflict"
THROTTLES = ["ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"]


def transact(*answers: dict[str, Any] | Exception | str) -> tuple[bool, int]:
    """Return what a transaction returns, and the number of its calls. A text is the reason of a cancellation."""
    given = [cancelled("None", each) if isinstance(each, str) else each for each in answers]
    table, client = a_table(*given)
    return table.put(Put({**KEY}, "attribute_not_exists(PK)")), len(client.asked)


@pytest.mark.parametrize("reason", [BUSY, *THROTTLES])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_transaction_that_is_held_up_is_sent_again_after_a_pause(reason, rounds, slept):
    assert transact(*[reason] * rounds, {}) == (True, rounds + 1)
    assert slept == pytest.approx([0.2, 0.8, 3.2 if reason is BUSY else 0.8][:rounds])


def test_a_row_that_others_have_written_is_a_result_at_once_and_one_that_they_hold_after_four_rounds(
    slept,
):
    for reasons in ((FAILED,), (FAILED, BUSY)):
        assert transact(cancelled("None", *reasons)) == (False, 1)
    assert slept == []
    assert transact(*[BUSY] * 5) == (False, 4)
    assert transact(*THROTTLES, *[BUSY] * 5) == (False, len(THROTTLES) + 4)


@pytest.mark.parametrize("reasons", [*[(reason,) for reason in THROTTLES], (THROTTLES[0], BUSY)])
def test_a_throttled_transaction_waits_for_up_to_half_a_minute(reasons, slept):
    refused = [cancelled(*reasons)]
    assert transact(*refused * 39, {}) == (True, 40)
    assert 30 < sum(slept) < 32
    with pytest.raises(LedgerUnavailable, match=r"^ThrottlingError$"):
        transact(*refused * 40)


CANCELLED = "TransactionCanceledException"
FOR_OTHER_REASONS = [cancelled(first, "ValidationError") for first in ("None", THROTTLES[0], BUSY)]


@pytest.mark.parametrize(
    "refusal,code",
    [
        *((refusal, CANCELLED) for refusal in (*FOR_OTHER_REASONS, cancelled("None"))),
        (error("InternalServerError", 500), "InternalServerError"),
        (ReadTimeoutError(endpoint_url="https://dynamodb"), "ReadTimeoutError"),
    ],
)
def test_any_other_error_makes_the_ledger_unavailable_at_once(refusal, code, slept):
    with pytest.raises(LedgerUnavailable, match=f"^{code}$") as unavailable:
        transact(refusal)
    assert unavailable.value.__cause__ is refusal
    assert slept == []


def test_a_request_outside_a_transaction_that_fails_makes_the_ledger_unavailable():
    refusal = error("ThrottlingException")
    table, _ = a_table(*[refusal] * 4)
    for request in (
        lambda: table.get(KEY),
        lambda: list(table.batch_get([KEY])),
        lambda: table.query(Limit=1),
        lambda: table.put_next_alone({**KEY, "Version": 5}, 4),
    ):
        with pytest.raises(LedgerUnavailable, match=r"^ThrottlingException$") as unavailable:
            request()
        assert unavailable.value.__cause__ is refusal


def test_a_block_of_single_attempts_makes_one_and_what_follows_is_retried_again(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)
    down = Scripted(500, body=b'{"__type": "InternalServerError"}')
    with scripted(Scripted(body=b"{}"), down) as server:
        client = session().create_client("dynamodb", config=CONFIG, endpoint_url=server.url)
        table = Table(client, "ledger")
        with table.single_attempts():
            assert table.get(KEY) is None
            with pytest.raises(LedgerUnavailable, match=r"^retries are turned off$"):
                table.get(KEY)
            assert len(server.received) == 1 + 1
        with pytest.raises(LedgerUnavailable, match="InternalServerError"):
            table.get(KEY)
        assert len(server.received) == 2 + 4
