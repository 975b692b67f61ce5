"""The text of every error can be encoded as UTF-8, whatever a caller has sent."""

import pytest

from jobledger import errors
from jobledger.errors import InvalidParameters, JobLedgerError, LookupFailed
from jobledger.inputs.filters import FILTERS, parse_parameters
from jobledger.inputs.payloads import read_digest_payload, read_sync_payload
from jobledger.lookup.request import read_request
from jobledger.service import Family

NAMES = ["\ud800", "a\udfff", "\ud83d" * 100, "SubmitTimeAfter\udc00"]
# They are made of something else than a name.
OTHERS = (InvalidParameters, errors.InvalidResponse)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_about_a_name_of_any_text_can_be_encoded(name):
    for read in (
        lambda: read_sync_payload({name: 1, "Families": [name]}, tuple(Family)),
        lambda: read_digest_payload({name: 1}),
        lambda: read_digest_payload({"ScheduledTime": "2026-11-23T08:00:00Z", name: 1}),
        lambda: read_request({"Select": name, name: [name]}, tuple(Family)),
        lambda: parse_parameters({"Family": [name], name: [name]}, FILTERS, tuple(Family)),
    ):
        with pytest.raises((InvalidParameters, LookupFailed)) as refused:
            read()
        assert str(refused.value).encode()
        for bad in getattr(refused.value, "parameters", []):
            assert f"{bad.parameter} {bad.allowed}".encode()


def test_every_error_can_be_encoded():
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, JobLedgerError) and kind not in OTHERS:
            error = kind("a\ud800")
            assert (str(error), error.name.isascii()) == ("a\\ud800", True)
