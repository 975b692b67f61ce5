"""What the ledger relies on in DynamoDB, as AWS documents it, on the tests' own implementation and two others.

Sources: the API reference of TransactWriteItems, BatchGetItem and Query; the developer guide's "Quotas",
"Query" and "Global secondary indexes" pages. Eventual consistency of indexes is documented and shown by
none of the three: tests of what depends on it put the delay in themselves.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.ledger.conftest import Dynamo

NEW = "attribute_not_exists(PK)"


def put(pk: str, sk: str, condition: str | None = None, **attributes: Any) -> dict[str, Any]:
    """One Put; `read` in the condition is the Version that was read."""
    read = attributes.pop("read", None)
    row = {"PK": pk, "SK": sk, **attributes}
    action: dict[str, Any] = {"Item": {name: typed(value) for name, value in row.items()}}
    if condition:
        action["ConditionExpression"] = condition
    if read is not None:
        action["ExpressionAttributeValues"] = {":read": typed(read)}
    return {"Put": action}


def add(pk: str, sk: str, **amounts: int) -> dict[str, Any]:
    """One Update that adds to numbers."""
    parts = ", ".join(f"#{name} :{name}" for name in amounts)
    return {
        "Update": {
            "Key": {"PK": typed(pk), "SK": typed(sk)},
            "UpdateExpression": f"ADD {parts}",
            "ExpressionAttributeNames": {f"#{name}": name for name in amounts},
            "ExpressionAttributeValues": {f":{name}": typed(n) for name, n in amounts.items()},
        }
    }


def delete(pk: str, sk: str, condition: str | None = None, **values: str) -> dict[str, Any]:
    """One Delete."""
    action: dict[str, Any] = {"Key": {"PK": typed(pk), "SK": typed(sk)}}
    if condition:
        action["ConditionExpression"] = condition
        named = {f":{name}": typed(value) for name, value in values.items()}
        action["ExpressionAttributeValues"] = named
    return {"Delete": action}


def check_version(pk: str, sk: str, version: int) -> dict[str, Any]:
    """One ConditionCheck."""
    return {
        "ConditionCheck": {
            "Key": {"PK": typed(pk), "SK": typed(sk)},
            "ConditionExpression": "Version = :read",
            "ExpressionAttributeValues": {":read": typed(version)},
        }
    }


def typed(value: object) -> dict[str, str]:
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


def reasons_of(refused: pytest.ExceptionInfo[ClientError]) -> list[str]:
    return [reason["Code"] for reason in refused.value.response["CancellationReasons"]]


def keys_of(answer: dict[str, Any]) -> list[str]:
    return [item["SK"]["S"] for item in answer["Items"]]


def filled(dynamo: Dynamo, count: int, **attributes: Any) -> list[str]:
    """Write rows with the sort keys 00, 01, … and return the keys."""
    keys = [f"{number:02}" for number in range(count)]
    dynamo.write(*(put("p", key, **attributes) for key in keys))
    return keys


# Conditions and transactions.


def test_a_put_with_its_condition_writes_the_whole_row(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", NEW, Version=1, Job="{}"))
    expected = {"PK": {"S": "p"}, "SK": {"S": "s"}, "Version": {"N": "1"}, "Job": {"S": "{}"}}
    assert dynamo.get("p", "s") == expected


def test_a_put_replaces_all_attributes_of_the_row(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Old="x"))
    dynamo.write(put("p", "s", New="y"))
    assert dynamo.get("p", "s") == {"PK": {"S": "p"}, "SK": {"S": "s"}, "New": {"S": "y"}}


@pytest.mark.parametrize(
    "condition, read", [(NEW, None), ("Version = :read", 1), ("attribute_exists(Gone)", None)]
)
def test_a_failed_condition_cancels_the_transaction_with_a_reason_for_each_action(
    dynamo: Dynamo, condition: str, read: int | None
) -> None:
    dynamo.write(put("p", "s", Version=2))
    values = {} if read is None else {"read": read}
    with pytest.raises(ClientError) as refused:
        dynamo.write(put("p", "a"), put("p", "s", condition, Version=3, **values), put("p", "b"))
    assert code_of(refused) == "TransactionCanceledException"
    assert reasons_of(refused) == ["None", "ConditionalCheckFailed", "None"]


def test_a_cancelled_transaction_writes_nothing(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Version=2))
    with pytest.raises(ClientError):
        dynamo.write(put("p", "a"), put("p", "s", NEW, Version=3))
    assert not dynamo.get("p", "a")
    assert dynamo.get("p", "s")["Version"] == {"N": "2"}


def test_a_version_condition_holds_only_for_the_version_that_was_read(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Version=1))
    dynamo.write(put("p", "s", "Version = :read", Version=2, read=1))
    with pytest.raises(ClientError):
        dynamo.write(put("p", "s", "Version = :read", Version=2, read=1))


def test_a_version_condition_fails_for_a_row_that_does_not_exist(dynamo: Dynamo) -> None:
    with pytest.raises(ClientError) as refused:
        dynamo.write(put("p", "s", "Version = :read", Version=2, read=1))
    assert reasons_of(refused) == ["ConditionalCheckFailed"]


@pytest.mark.parametrize("read", [0, 1])
def test_either_side_of_an_or_is_enough(dynamo: Dynamo, read: int) -> None:
    if read:
        dynamo.write(put("p", "s", Version=1))
    dynamo.write(put("p", "s", f"{NEW} OR Version = :read", Version=read + 1, read=read))
    assert dynamo.get("p", "s")["Version"] == {"N": str(read + 1)}


def test_one_transaction_may_not_write_a_row_twice(dynamo: Dynamo) -> None:
    with pytest.raises(ClientError) as refused:
        dynamo.write(put("p", "s", A="1"), put("p", "s", A="2"))
    assert code_of(refused) == "ValidationException"


def test_a_check_without_a_write_cancels_the_transaction_like_a_put(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "state", Version=2))
    with pytest.raises(ClientError) as refused:
        dynamo.write(put("p", "job"), check_version("p", "state", 1))
    assert reasons_of(refused) == ["None", "ConditionalCheckFailed"]
    dynamo.write(put("p", "job"), check_version("p", "state", 2))
    assert dynamo.get("p", "state")["Version"] == {"N": "2"}


def test_an_addition_creates_the_row_and_its_attributes(dynamo: Dynamo) -> None:
    dynamo.write(add("p", "totals", Failed=2, Done=1))
    dynamo.write(add("p", "totals", Failed=-1, New=3))
    row = dynamo.get("p", "totals")
    assert {name: row[name]["N"] for name in ("Failed", "Done", "New")} == {
        "Failed": "1",
        "Done": "1",
        "New": "3",
    }


def test_an_addition_is_part_of_its_transaction(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Version=2))
    with pytest.raises(ClientError) as refused:
        dynamo.write(add("p", "totals", Failed=1), put("p", "s", NEW))
    assert reasons_of(refused) == ["None", "ConditionalCheckFailed"]
    assert not dynamo.get("p", "totals")


def test_a_delete_removes_the_row_and_its_index_entries_and_needs_none(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", IdKey="i"))
    for _ in range(2):
        dynamo.write(delete("p", "s"))
        assert not dynamo.get("p", "s")
        assert keys_of(dynamo.query("IdKey = :i", IndexName="ById", values={":i": "i"})) == []


def test_a_delete_is_part_of_its_transaction_and_has_a_condition(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", JobKey="a"))
    for condition in ("JobKey = :known", f"{NEW} OR JobKey = :known"):
        with pytest.raises(ClientError) as refused:
            dynamo.write(put("p", "new"), delete("p", "s", condition, known="b"))
        assert reasons_of(refused) == ["None", "ConditionalCheckFailed"]
        assert not dynamo.get("p", "new")
    dynamo.write(delete("p", "s", f"{NEW} OR JobKey = :known", known="a"))
    dynamo.write(delete("p", "s", f"{NEW} OR JobKey = :known", known="b"))
    with pytest.raises(ClientError) as refused:
        dynamo.write(delete("p", "s", "JobKey = :known", known="a"))
    assert reasons_of(refused) == ["ConditionalCheckFailed"]


# Limits.


@pytest.mark.parametrize("actions, accepted", [(100, True), (101, False)])
def test_a_transaction_has_at_most_100_actions(
    dynamo: Dynamo, actions: int, accepted: bool
) -> None:
    check(accepted, lambda: dynamo.write(*(put("p", f"{n:03}") for n in range(actions))))


@pytest.mark.parametrize("rows, accepted", [(10, True), (11, False)])
def test_a_transaction_has_at_most_4_mb(dynamo: Dynamo, rows: int, accepted: bool) -> None:
    text = "x" * (390 * 1024)
    check(accepted, lambda: dynamo.write(*(put("p", f"{n:03}", Job=text) for n in range(rows))))


@pytest.mark.parametrize("spare, accepted", [(0, True), (-1, False)])
def test_a_row_has_at_most_400_kb_with_the_names_of_its_attributes(
    dynamo: Dynamo, spare: int, accepted: bool
) -> None:
    # PK, SK and Job with their values; text counts in UTF-8 bytes.
    room = 400 * 1024 - len("PKpSKsJob")
    check(accepted, lambda: dynamo.write(put("p", "s", Job="x" * (room - spare))))


@pytest.mark.parametrize(
    "pk, sk, accepted",
    [
        ("p" * 2048, "s" * 1024, True),
        ("p" * 2049, "s", False),
        ("p", "s" * 1025, False),
        ("ü" * 1024, "ü" * 512, True),
        ("p", "ü" * 513, False),
        ("", "s", False),
        ("p", "", False),
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, str) else None,
)
def test_keys_have_1_to_2048_and_1_to_1024_bytes(
    dynamo: Dynamo, pk: str, sk: str, accepted: bool
) -> None:
    check(accepted, lambda: dynamo.write(put(pk, sk)))


def test_an_attribute_may_be_empty_text(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Message=""))
    assert dynamo.get("p", "s")["Message"] == {"S": ""}


def test_an_index_key_may_not_be_empty_text(dynamo: Dynamo) -> None:
    with pytest.raises(ClientError) as refused:
        dynamo.write(put("p", "s", StatusKey=""))
    assert code_of(refused) in ("ValidationException", "TransactionCanceledException")


def test_text_has_to_be_unicode_that_utf_8_can_encode(dynamo: Dynamo) -> None:
    with pytest.raises(ClientError):
        dynamo.write(put("p", "s", Message="\ud800"))


@pytest.mark.parametrize("keys, accepted", [(100, True), (101, False)])
def test_a_batch_reads_at_most_100_keys(dynamo: Dynamo, keys: int, accepted: bool) -> None:
    check(accepted, lambda: dynamo.batch_get([("p", f"{n:03}") for n in range(keys)]))


def check(accepted: bool, call: Any) -> None:
    """A call works, or is refused and leaves nothing behind."""
    if accepted:
        call()
        return
    with pytest.raises(ClientError) as refused:
        call()
    assert code_of(refused) in ("ValidationException", "TransactionCanceledException")


# Reads.


def test_a_row_that_does_not_exist_is_no_error(dynamo: Dynamo) -> None:
    assert not dynamo.get("p", "s")


def test_a_batch_omits_rows_that_do_not_exist(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "a"), put("q", "a"))
    found = dynamo.batch_get([("p", "a"), ("p", "b"), ("q", "a")])
    assert sorted(item["PK"]["S"] for item in found) == ["p", "q"]


def test_a_batch_may_not_name_a_key_twice(dynamo: Dynamo) -> None:
    with pytest.raises(ClientError) as refused:
        dynamo.batch_get([("p", "a"), ("p", "a")])
    assert code_of(refused) == "ValidationException"


@pytest.mark.parametrize("forward", [True, False])
def test_a_query_returns_one_partition_in_the_order_of_the_sort_key(
    dynamo: Dynamo, forward: bool
) -> None:
    keys = filled(dynamo, 12)
    dynamo.write(put("q", "05"))
    answer = dynamo.query("PK = :p", values={":p": "p"}, ScanIndexForward=forward)
    assert keys_of(answer) == (keys if forward else keys[::-1])
    assert "LastEvaluatedKey" not in answer


def test_sort_keys_are_in_the_order_of_their_utf_8_bytes(dynamo: Dynamo) -> None:
    keys = ["a", "Z", "é", "\uffee", "\U0001f600", "0", "~"]
    dynamo.write(*(put("p", key) for key in keys))
    ordered = sorted(keys, key=str.encode)
    assert keys_of(dynamo.query("PK = :p", values={":p": "p"})) == ordered


def test_between_includes_both_ends(dynamo: Dynamo) -> None:
    filled(dynamo, 10)
    values = {":p": "p", ":low": "03", ":high": "06"}
    answer = dynamo.query("PK = :p AND SK BETWEEN :low AND :high", values=values)
    assert keys_of(answer) == ["03", "04", "05", "06"]


def test_begins_with_selects_a_prefix(dynamo: Dynamo) -> None:
    filled(dynamo, 12)
    answer = dynamo.query("PK = :p AND begins_with(SK, :s)", values={":p": "p", ":s": "1"})
    assert keys_of(answer) == ["10", "11"]


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_a_limit_tile_and_the_last_one_may_be_empty(dynamo: Dynamo, forward: bool) -> None:
    keys = filled(dynamo, 6)
    found: list[str] = []
    sizes: list[int] = []
    start: dict[str, Any] = {}
    while True:
        answer = dynamo.query(
            "PK = :p", values={":p": "p"}, Limit=3, ScanIndexForward=forward, **start
        )
        found += keys_of(answer)
        sizes.append(len(answer["Items"]))
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert found == (keys if forward else keys[::-1])
    assert sizes in ([3, 3], [3, 3, 0])  # AWS leaves open which


def test_a_limit_counts_rows_before_the_filter(dynamo: Dynamo) -> None:
    dynamo.write(*(put("p", f"{n}", Kind="ab"[n % 2]) for n in range(6)))
    answer = dynamo.query(
        "PK = :p", values={":p": "p", ":kind": "b"}, FilterExpression="Kind = :kind", Limit=4
    )
    assert (keys_of(answer), answer["Count"], answer["ScannedCount"]) == (["1", "3"], 2, 4)
    assert answer["LastEvaluatedKey"]["SK"] == {"S": "3"}


def test_a_page_ends_at_one_megabyte(dynamo: Dynamo) -> None:
    for number in range(6):
        dynamo.write(put("p", f"{number}", Job="x" * 390_000))
    first = dynamo.query("PK = :p", values={":p": "p"})
    keys = keys_of(first)
    # AWS leaves open whether the row that crosses the limit is on the page.
    assert keys in (["0", "1"], ["0", "1", "2"])
    assert first["LastEvaluatedKey"] == {"PK": {"S": "p"}, "SK": {"S": keys[-1]}}


def test_a_query_can_start_at_a_key_that_has_no_row(dynamo: Dynamo) -> None:
    filled(dynamo, 4)
    start = {"PK": {"S": "p"}, "SK": {"S": "01x"}}
    answer = dynamo.query("PK = :p", values={":p": "p"}, ExclusiveStartKey=start)
    assert keys_of(answer) == ["02", "03"]


# Indexes.


def test_an_index_has_only_rows_with_its_key_in_sort_order(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "2", StatusKey="x"), put("q", "1", StatusKey="x"), put("p", "3"))
    answer = dynamo.query("StatusKey = :x", values={":x": "x"}, IndexName="ByStatus")
    assert keys_of(answer) == ["1", "2"]


def test_a_row_moves_within_an_index_when_its_key_changes(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "1", StatusKey="x", Version=1))
    dynamo.write(put("p", "1", StatusKey="y", Version=2))
    query = {"IndexName": "ByStatus"}
    assert keys_of(dynamo.query("StatusKey = :k", values={":k": "x"}, **query)) == []
    moved = dynamo.query("StatusKey = :k", values={":k": "y"}, **query)
    assert moved["Items"][0]["Version"] == {"N": "2"}


def test_the_last_key_of_an_index_page_names_the_keys_of_index_and_table(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "1", StatusKey="x"), put("p", "2", StatusKey="x"))
    query = {"values": {":x": "x"}, "IndexName": "ByStatus"}
    first = dynamo.query("StatusKey = :x", Limit=1, **query)
    last = {"PK": {"S": "p"}, "SK": {"S": "1"}, "StatusKey": {"S": "x"}}
    assert first["LastEvaluatedKey"] == last
    rest = dynamo.query("StatusKey = :x", ExclusiveStartKey=last, **query)
    assert keys_of(rest) == ["2"]


def test_an_index_cannot_be_read_consistently(dynamo: Dynamo) -> None:
    query = {"values": {":x": "x"}, "IndexName": "ByStatus"}
    with pytest.raises(ClientError) as refused:
        dynamo.query("StatusKey = :x", ConsistentRead=True, **query)
    assert code_of(refused) == "ValidationException"


def test_a_projection_returns_only_the_named_attributes(dynamo: Dynamo) -> None:
    dynamo.write(put("p", "s", Job="{}", JobStatus="FAILED"))
    answer = dynamo.query("PK = :p", values={":p": "p"}, ProjectionExpression="SK, JobStatus, Gone")
    assert answer["Items"] == [{"SK": {"S": "s"}, "JobStatus": {"S": "FAILED"}}]
