"""A plugin for `make test`: it fails when fewer than 95 % of the branches of lambda/ or stacks/ are taken.

pytest-cov measures the unit, functional and infrastructure tests that are not marked `slow` or `full`, but for the
folders that tests/conftest.py names. Functions that the end-to-end tests deploy run in processes of their own, which
are not measured. A run of some tests only has nothing to judge: it does not load this.
"""

from collections.abc import Generator

import pytest
from coverage import Coverage

LEAST_PERCENT = 95.0
FOLDERS = ("lambda", "stacks")

_taken = pytest.StashKey[dict[str, float]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Judge the data of all workers, which pytest-cov combines at the end of this loop."""
    result = yield
    if not hasattr(session.config, "workerinput"):
        shares = session.config.stash[_taken] = branches_taken()
        session.testsfailed += sum(share < LEAST_PERCENT for share in shares.values())
    return result


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many branches were taken, and where to look for the others."""
    for folder, share in config.stash.get(_taken, {}).items():
        terminalreporter.write_line(f"{folder}: {share:.1f} % of the branches taken")
        if share < LEAST_PERCENT:
            terminalreporter.write_line(
                f"error: at least {LEAST_PERCENT:.0f} % of them must be;"
                " `.venv/bin/coverage report --show-missing` lists the others",
                red=True,
            )


def branches_taken() -> dict[str, float]:
    """Return the percentage of branches taken in each folder."""
    coverage = Coverage()
    coverage.load()
    # The exits of each line in each folder, and how many of them were taken.
    exits: dict[str, list[tuple[int, int]]] = {folder: [(0, 0)] for folder in FOLDERS}
    for file in coverage.get_data().measured_files():
        for folder in FOLDERS:
            if f"/{folder}/" in file:
                exits[folder] += coverage.branch_stats(file).values()
    totals = {
        folder: [sum(each) for each in zip(*pairs, strict=True)] for folder, pairs in exits.items()
    }
    return {folder: 100 * taken / max(total, 1) for folder, (total, taken) in totals.items()}
