"""What the ledger relies on in DynamoDB, as AWS documents it, on the tests' own implementation and two others.

Sources: the API reference of TransactWriteItems, BatchGetItem and Query; the developer guide's "Quotas",
"Query" and "Global secondary indexes" pages. Eventual consistency of indexes is documented and shown by
none of the three: tests of what depends on it put the delay in themselves.
"""

import pytest
from botocore.exceptions import ClientError

NEW = "attribute_not_exists(PK)"
INVALID = ("ValidationException", "TransactionCanceledException")


def typed(**values):
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
        for name, value in values.items()
    }


def conditional(condition, values):
    made = {"ConditionExpression": condition} if condition else {}
    typed_values = {f":{name}": value for name, value in typed(**values).items()}
    return made | ({"ExpressionAttributeValues": typed_values} if values else {})


def put(pk, sk, condition=None, read=None, **attributes):
    """One Put; `read` in the condition is the Version that was read."""
    values = {} if read is None else {"read": read}
    return {"Put": {"Item": typed(PK=pk, SK=sk, **attributes), **conditional(condition, values)}}


def delete(pk, sk, condition=None, **values):
    """One Delete."""
    return {"Delete": {"Key": typed(PK=pk, SK=sk), **conditional(condition, values)}}


def check_version(pk, sk, read):
    """One ConditionCheck."""
    condition = conditional("Version = :read", {"read": read})
    return {"ConditionCheck": {"Key": typed(PK=pk, SK=sk), **condition}}


def add(pk, sk, **amounts):
    """One Update that adds to numbers."""
    update = {
        "UpdateExpression": "ADD " + ", ".join(f"#{name} :{name}" for name in amounts),
        "ExpressionAttributeNames": {f"#{name}": name for name in amounts},
        "ExpressionAttributeValues": {f":{n}": value for n, value in typed(**amounts).items()},
    }
    return {"Update": {"Key": typed(PK=pk, SK=sk), **update}}


def refused(call, *arguments, **more):
    """The code of an error."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **more)
    return error.value.response["Error"]["Code"]


def check(accepted, call, *arguments):
    """A call works, or is refused."""
    if accepted:
        call(*arguments)
    else:
        assert refused(call, *arguments) in INVALID


def keys_of(answer):
    return [item["SK"]["S"] for item in answer["Items"]]


def of_partition(dynamo, condition="PK = :p", values=(), **more):
    return dynamo.query(condition, values={":p": "p", **dict(values)}, **more)


def by_status(dynamo, key, **more):
    return dynamo.query("StatusKey = :k", values={":k": key}, IndexName="ByStatus", **more)


def filled(dynamo, count):
    """Write rows with the sort keys 00, 01, … and return the keys."""
    keys = [f"{number:02}" for number in range(count)]
    dynamo.write(*(put("p", key) for key in keys))
    return keys


# Conditions and transactions.


def test_a_put_writes_the_whole_row_and_replaces_all_its_attributes(dynamo):
    dynamo.write(put("p", "s", NEW, Version=1, Job="{}"))
    assert dynamo.get("p", "s") == typed(PK="p", SK="s", Version=1, Job="{}")
    dynamo.write(put("p", "s", New="y", Message=""))
    assert dynamo.get("p", "s") == typed(PK="p", SK="s", New="y", Message="")


@pytest.mark.parametrize(
    "failing",
    [
        put("p", "s", NEW, Version=3),
        put("p", "s", "Version = :read", Version=3, read=1),
        put("p", "s", "attribute_exists(Gone)", Version=3),
        put("p", "gone", "Version = :read", Version=3, read=1),
        check_version("p", "s", 1),
        check_version("p", "gone", 1),
        delete("p", "s", "JobKey = :known", known="b"),
        delete("p", "s", f"{NEW} OR JobKey = :known", known="b"),
        delete("p", "gone", "JobKey = :known", known="a"),
    ],
    ids=str,
)
def test_a_failed_condition_cancels_the_transaction_with_a_reason_for_each_action(dynamo, failing):
    dynamo.write(put("p", "s", Version=2, JobKey="a"))
    with pytest.raises(ClientError) as error:
        dynamo.write(put("p", "a"), failing, add("p", "totals", Failed=1))
    response = error.value.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    reasons = [reason["Code"] for reason in response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed", "None"]
    assert not dynamo.get("p", "a")
    assert not dynamo.get("p", "totals")
    assert dynamo.get("p", "s") == typed(PK="p", SK="s", Version=2, JobKey="a")


def test_a_condition_that_holds_writes_and_a_delete_needs_no_row(dynamo):
    either = f"{NEW} OR Version = :read"
    dynamo.write(put("p", "s", either, Version=1, JobKey="a", read=0))
    dynamo.write(put("p", "s", either, Version=2, JobKey="a", read=1))
    dynamo.write(put("p", "job"), check_version("p", "s", 2))
    assert dynamo.get("p", "s")["Version"] == {"N": "2"}
    known = f"{NEW} OR JobKey = :known"
    dynamo.write(delete("p", "s", known, known="a"))
    dynamo.write(delete("p", "s", known, known="b"))
    assert not dynamo.get("p", "s")


def test_one_transaction_may_not_write_a_row_twice(dynamo):
    assert refused(dynamo.write, put("p", "s", A="1"), put("p", "s", A="2")) == INVALID[0]


def test_an_addition_creates_the_row_and_its_attributes(dynamo):
    dynamo.write(add("p", "totals", Failed=2, Done=1))
    dynamo.write(add("p", "totals", Failed=-1, New=3))
    assert dynamo.get("p", "totals") == typed(PK="p", SK="totals", Failed=1, Done=1, New=3)


# Limits.


def rows(count, **attributes):
    return [put("p", f"{number:03}", **attributes) for number in range(count)]


# The largest request, and one with so much more. A row has PK, SK and Job with their values; text counts in UTF-8 bytes.
ROOM, LARGE = 400 * 1024 - len("PKpSKsJob"), "x" * (390 * 1024)
LIMITS = {
    "100 actions": lambda dynamo, more: dynamo.write(*rows(100 + more)),
    "4 MB": lambda dynamo, more: dynamo.write(*rows(10 + more, Job=LARGE)),
    "400 KB a row": lambda dynamo, more: dynamo.write(put("p", "s", Job="x" * (ROOM + more))),
    "100 keys": lambda dynamo, more: dynamo.batch_get(
        [("p", f"{n:03}") for n in range(100 + more)]
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("more", [0, 1], ids=["at", "beyond"])
def test_a_request_has_at_most_what_the_quotas_allow(dynamo, limit, more):
    check(not more, LIMITS[limit], dynamo, more)


@pytest.mark.parametrize(
    "pk, sk, accepted",
    [
        ("p" * 2048, "s" * 1024, True), ("p" * 2049, "s", False), ("p", "s" * 1025, False),
        ("ü" * 1024, "ü" * 512, True), ("p", "ü" * 513, False), ("", "s", False), ("p", "", False),
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, str) else None,
)  # fmt: skip
def test_keys_have_1_to_2048_and_1_to_1024_bytes(dynamo, pk, sk, accepted):
    check(accepted, dynamo.write, put(pk, sk))


def test_text_is_unicode_that_utf_8_can_encode_and_not_empty_as_the_key_of_an_index(dynamo):
    check(False, dynamo.write, put("p", "s", StatusKey=""))
    refused(dynamo.write, put("p", "s", Message="\ud800"))


# Reads.


def test_a_batch_omits_rows_that_do_not_exist_and_names_no_key_twice(dynamo):
    dynamo.write(put("p", "a"), put("q", "a"))
    found = dynamo.batch_get([("p", "a"), ("p", "b"), ("q", "a")])
    assert sorted(item["PK"]["S"] for item in found) == ["p", "q"]
    assert refused(dynamo.batch_get, [("p", "a"), ("p", "a")]) == "ValidationException"


def test_sort_keys_are_in_the_order_of_their_utf_8_bytes(dynamo):
    keys = ["a", "Z", "é", "\uffee", "\U0001f600", "0", "~"]
    dynamo.write(*(put("p", key) for key in keys))
    ordered = sorted(keys, key=str.encode)
    assert keys_of(of_partition(dynamo)) == ordered


@pytest.mark.parametrize(
    "condition, values, expected",
    [
        ("SK BETWEEN :low AND :high", {":low": "03", ":high": "06"}, ["03", "04", "05", "06"]),
        ("begins_with(SK, :s)", {":s": "1"}, ["10", "11"]),
        ("SK <= :s", {":s": "01"}, ["00", "01"]),
        ("SK >= :s", {":s": "10"}, ["10", "11"]),
    ],
)
def test_a_range_includes_both_ends_and_a_prefix_all_that_begin_with_it(
    dynamo, condition, values, expected
):
    filled(dynamo, 12)
    assert keys_of(of_partition(dynamo, f"PK = :p AND {condition}", values)) == expected


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_a_limit_tile_one_partition_and_the_last_one_may_be_empty(dynamo, forward):
    keys = filled(dynamo, 6)
    dynamo.write(put("q", "05"))
    pages: list[list[str]] = []
    start: dict[str, object] = {"Limit": 3, "ScanIndexForward": forward}
    while len(pages) < 4:
        answer = of_partition(dynamo, **start)
        pages.append(keys_of(answer))
        if "LastEvaluatedKey" not in answer:
            break
        start["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    assert [key for page in pages for key in page] == (keys if forward else keys[::-1])
    assert [*map(len, pages)] in ([3, 3], [3, 3, 0])  # AWS leaves open which


def test_a_limit_counts_rows_before_the_filter(dynamo):
    dynamo.write(*(put("p", f"{n}", Kind="ab"[n % 2]) for n in range(6)))
    values = {":kind": "b"}
    answer = of_partition(dynamo, values=values, FilterExpression="Kind = :kind", Limit=4)
    assert (keys_of(answer), answer["Count"], answer["ScannedCount"]) == (["1", "3"], 2, 4)
    assert answer["LastEvaluatedKey"]["SK"] == {"S": "3"}


def test_a_filter_may_have_lists_of_values_and_alternatives_of_conditions_that_all_hold(dynamo):
    dynamo.write(*(put("p", f"{n}", Kind="ab"[n % 2]) for n in range(6)))
    dynamo.write(
        *(put("p", f"{n}", SourceKey="xyz"[n % 3], Kind="ab"[n % 2]) for n in range(6, 12))
    )
    values = {":kind": "b", ":0": "y", ":1": "z"}
    for conditions, found in (
        (["attribute_not_exists(SourceKey)"], [1, 3, 5]),
        (["SourceKey IN (:0,:1)"], [7, 11]),
        (["attribute_not_exists(SourceKey)", "SourceKey IN (:0,:1)"], [1, 3, 5, 7, 11]),
    ):
        alternatives = " OR ".join(f"Kind = :kind AND {one}" for one in conditions)
        used = {name: value for name, value in values.items() if name in alternatives}
        answer = of_partition(dynamo, values=used, FilterExpression=alternatives)
        assert sorted(map(int, keys_of(answer))) == found
        assert answer["ScannedCount"] == 12
    # An index by source has only rows of members.
    of_index = {"values": {":k": "y"}, "IndexName": "BySource"}
    assert keys_of(dynamo.query("SourceKey = :k", **of_index)) == ["10", "7"]


def test_a_page_ends_at_one_megabyte(dynamo):
    for number in range(6):
        dynamo.write(put("p", f"{number}", Job="x" * 390_000))
    first = of_partition(dynamo)
    keys = keys_of(first)
    # AWS leaves open whether the row that crosses the limit is on the page.
    assert keys in (["0", "1"], ["0", "1", "2"])
    assert first["LastEvaluatedKey"] == typed(PK="p", SK=keys[-1])


def test_a_query_can_start_at_a_key_that_has_no_row(dynamo):
    filled(dynamo, 4)
    start = typed(PK="p", SK="01x")
    assert keys_of(of_partition(dynamo, ExclusiveStartKey=start)) == ["02", "03"]


# Indexes.


def test_an_index_has_only_rows_with_its_key_in_sort_order(dynamo):
    dynamo.write(put("p", "2", StatusKey="x"), put("q", "1", StatusKey="x"), put("p", "3"))
    assert keys_of(by_status(dynamo, "x")) == ["1", "2"]


def test_a_row_moves_within_an_index_and_out_of_it(dynamo):
    dynamo.write(put("p", "1", StatusKey="x", Version=1))
    dynamo.write(put("p", "1", StatusKey="y", Version=2))
    assert keys_of(by_status(dynamo, "x")) == []
    assert by_status(dynamo, "y")["Items"][0]["Version"] == {"N": "2"}
    dynamo.write(delete("p", "1"))
    assert keys_of(by_status(dynamo, "y")) == []


def test_the_last_key_of_an_index_page_names_the_keys_of_index_and_table(dynamo):
    dynamo.write(put("p", "1", StatusKey="x"), put("p", "2", StatusKey="x"))
    first = by_status(dynamo, "x", Limit=1)
    last = typed(PK="p", SK="1", StatusKey="x")
    assert first["LastEvaluatedKey"] == last
    assert keys_of(by_status(dynamo, "x", ExclusiveStartKey=last)) == ["2"]


def test_an_index_cannot_be_read_consistently(dynamo):
    assert refused(by_status, dynamo, "x", ConsistentRead=True) == "ValidationException"


def test_a_projection_returns_only_the_named_attributes(dynamo):
    dynamo.write(put("p", "s", Job="{}", JobStatus="FAILED"))
    answer = of_partition(dynamo, ProjectionExpression="SK, JobStatus, Gone")
    assert answer["Items"] == [typed(SK="s", JobStatus="FAILED")]
