"""A plugin for the second run of the unit tests, on Lambda's version of Python: one case of most tests, not all."""

import pytest

# They count and compare what a DynamoDB in memory holds: more cases have other rows for the same lines. What the
# interpreter and its libraries decide is in the other folders: values, times, texts, requests, and answers of AWS.
FOLDERS = ("tests/unit/ledger/", "tests/unit/sync/")
EVERY_CASE = "tests/unit/ledger/test_cursor.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the first case of each test of these folders."""
    kept: dict[str, pytest.Item] = {}
    for item in items:
        one = item.nodeid.startswith(FOLDERS) and not item.nodeid.startswith(EVERY_CASE)
        kept.setdefault(item.nodeid.partition("[")[0] if one else item.nodeid, item)
    items[:] = kept.values()
