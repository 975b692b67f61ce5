"""What a run logs and counts."""

import json

import pytest


@pytest.fixture
def logged(caplog, capsys):
    """Return the log's messages with their problems or errors, and the values of each metric."""

    def logged():
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        values = {
            name: value for line in lines for name, value in line.items() if name[:6] == "Output"
        }
        texts = [vars(one) for one in caplog.records]
        return [one.get("problem") or one.get("error") for one in texts], values

    return logged
