"""The event that keeps an environment warm: answered before anything else."""

from unittest import mock

from jobledger.handlers import api as handlers
from testing.api import Context, logged_lines, running_api

# What the schedule sends: tests/infrastructure/test_api.py holds it against the template.
WARM_UP = {"WarmUp": True}


def test_a_warm_up_reads_nothing_logs_nothing_and_counts_nothing(capfd):
    with running_api() as api, logged_lines() as logged:
        calls = api.database.calls.copy()
        with (
            mock.patch.object(handlers, "_handle_request") as handled,
            mock.patch.object(handlers.app, "resolve") as resolved,
        ):
            assert handlers.handler(WARM_UP, Context()) == {}
        assert not handled.called
        assert not resolved.called
        assert api.database.calls == calls
    assert logged == []
    assert capfd.readouterr() == ("", "")
