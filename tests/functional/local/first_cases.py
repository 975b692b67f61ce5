"""A plugin for the second run of the unit tests, on Lambda's version of Python: once what takes the same lines many times.

The interpreter and its libraries decide about values, times, texts, requests and answers.
"""

import pytest

EVERY_CASE = (
    "tests/unit/inputs/",
    "tests/unit/ledger/test_cursor.py",
    "tests/unit/lookup/test_request.py",
    "tests/unit/outputs/test_manifest.py",
    "tests/unit/outputs/test_store.py",
    "tests/unit/test_answers.py",
    "tests/unit/test_clients.py",
)
# They compare what a DynamoDB in memory holds after many orders and faults.
HISTORIES = ("tests/unit/ledger/", "tests/unit/sync/")
TESTS_OF_EACH = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the first case of each test, and the first tests of a file of histories."""
    kept: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        file, _, test = item.nodeid.partition("::")
        every = file.startswith(EVERY_CASE)
        of_file = kept.setdefault(file, {})
        if every or not file.startswith(HISTORIES) or len(of_file) < TESTS_OF_EACH:
            of_file.setdefault(test if every else test.partition("[")[0], item)
    items[:] = [item for of_file in kept.values() for item in of_file.values()]
