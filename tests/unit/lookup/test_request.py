"""The properties of a look-up, as CloudFormation sends them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobledger.errors import LookupFailed
from jobledger.inputs.filters import FILTERS
from jobledger.ledger.job_query import JobQuery
from jobledger.lookup.request import read_request
from jobledger.service import Family, JobStatus

KEPT = [Family.SNOMEDCT, Family.PHI]
NAMES = ", ".join((*FILTERS, "Select", "MustExist", "WaitMinutes", "Refresh"))
UNKNOWN = "is not a property of this resource"
KNOWN = f"The properties are {NAMES}"


def request(**properties):
    return read_request({"ServiceToken": "arn:…", **properties}, KEPT)


def refusal(**properties):
    with pytest.raises(LookupFailed) as refused:
        request(**properties)
    return str(refused.value)


def test_missing_properties_have_defaults():
    asked = request()
    assert asked.query == JobQuery(families=(Family.SNOMEDCT,), statuses=(JobStatus.COMPLETED,))
    assert (asked.select, asked.must_exist, asked.waits) == ("newest", True, False)
    assert asked.patience == timedelta()
    for text in ("false", "False", False):
        assert request(MustExist=text).must_exist is False


@pytest.mark.parametrize(
    "properties, expected",
    [
        ({"Family": "PHI"}, {"families": (Family.PHI,)}),
        ({"Family": ["PHI", "SNOMEDCT"]}, {"families": (Family.SNOMEDCT, Family.PHI)}),
        ({"Family": "ALL"}, {"families": (Family.SNOMEDCT, Family.PHI)}),
        *(({"JobName": name}, {"name": "a b"}) for name in ("a b", ["a b"])),
        *(({"JobName": name}, {"name": "5"}) for name in ("5", 5)),
        ({"JobName": True}, {"name": "true"}),
        ({"JobNamePrefix": "nightly-"}, {"name_prefix": "nightly-"}),
        ({"JobStatus": "FAILED"}, {"statuses": ("FAILED",)}),
        ({"JobStatus": "STOPPED,FAILED"}, {"statuses": ("FAILED", "STOPPED")}),
        ({"JobStatus": ["STOPPED", "FAILED"]}, {"statuses": ("FAILED", "STOPPED")}),
        ({"JobStatus": ["STOPPED, FAILED", "STOPPED"]}, {"statuses": ("FAILED", "STOPPED")}),
        ({"SubmitTimeAfter": "2026-11-23"}, {"after": "2026-11-23T00:00:00.000Z"}),
        ({"SubmitTimeAfter": 1795392000}, {"after": "2026-11-23T00:00:00.000Z"}),
        ({"SubmitTimeBefore": "2026-11-23T01:00:00+01:00"}, {"before": "2026-11-23T00:00:00.000Z"}),
        ({"Select": "newest", "SubmitTimeBefore": "2026-11-23"}, {"order": "descending"}),
        ({"Select": "oldest"}, {"order": "ascending"}),
        ({"Select": "oldest", "SubmitTimeAfter": "2026-11-23"}, {"order": "ascending"}),
    ],
)
def test_filters_are_read_from_texts_and_lists(properties, expected):
    query = request(**properties).query
    assert {name: getattr(query, name) for name in expected} == expected


@pytest.mark.parametrize(
    "text, minutes", [("0", 0), ("5", 5), (5, 5), ("5.0", 5), ("0.25", 0.25), ("120", 120)]
)
def test_minutes_are_read_from_text(text, minutes):
    asked = request(WaitMinutes=text)
    assert (asked.wait_minutes, asked.waits) == (minutes, minutes > 0)
    assert asked.patience == timedelta(minutes=min(minutes, 55))
    within = request(WaitMinutes=text, ServiceTimeout="90").patience
    assert within == timedelta(minutes=min(minutes, 0.5))


@pytest.mark.parametrize("value", ["1", "", ["a", "b"], {"any": ["thing"]}, True, "x" * 999])
def test_refresh_may_be_anything_and_changes_nothing(value):
    assert request(Refresh=value) == request()


MINUTES = "WaitMinutes must be a number from 0 to 120."
NOTHING: list[str] = []
STATUS = "JobStatus must be one of SUBMITTED, "


@pytest.mark.parametrize(
    "properties, sentence",
    [
        ({"Family": "ICD11"}, "Family must be one of SNOMEDCT, "),
        ({"Family": "RXNORM"}, "Family must be a family in this ledger: SNOMEDCT, PHI, or ALL."),
        *(({"JobName": name}, "JobName must be 1 to 256 letters") for name in ("", "n*", NOTHING)),
        ({"JobName": ["a", "b"]}, "JobName must be given once: 1 to 256 letters"),
        *(({"JobStatus": status}, STATUS) for status in ("DONE", NOTHING, "FAILED,")),
        ({"SubmitTimeAfter": "yesterday"}, "SubmitTimeAfter must be an RFC 3339"),
        (
            {"SubmitTimeAfter": "2026-11-23", "SubmitTimeBefore": "2026-11-22"},
            "SubmitTimeAfter must be a time earlier than SubmitTimeBefore.",
        ),
        ({"Select": ["newest", "only"]}, "Select must be given once: newest, oldest or only."),
        ({"MustExist": NOTHING}, "MustExist must be true or false."),
        ({"ServiceTimeout": "soon"}, "ServiceTimeout must be a whole number from 1 to 3600."),
        *(({"WaitMinutes": text}, MINUTES) for text in ("121", "-1", "1e1", "٥")),
        ({"jobName": "a"}, f"jobName {UNKNOWN}. Did you mean JobName? {KNOWN}."),
        ({"MaxResults": "1"}, f"MaxResults {UNKNOWN}. {KNOWN}."),
        # All that is wrong is reported at once.
        (
            {"Select": "latest", "MustExist": "canary;*", "Colour": "red"},
            f"Select must be newest, oldest or only. MustExist must be true or false. Colour {UNKNOWN}.",
        ),
    ],
)
def test_a_bad_property_is_named_with_what_is_allowed_and_no_value(properties, sentence):
    refused = refusal(**properties)
    assert refused.startswith(sentence)
    assert "canary" not in refused


def test_the_default_family_is_refused_when_the_ledger_does_not_have_it():
    with pytest.raises(LookupFailed, match=r"^Family must be a family in this ledger: PHI"):
        read_request({}, [Family.PHI])


WORDS = ["COMPLETED", "a,b", "true", "newest", "2026-11-23", "ALL", "PHI"]
TEXTS = st.text(max_size=20) | st.sampled_from([*WORDS, "0", "5", "1e400", "99999999999"])
VALUES = TEXTS | st.lists(TEXTS, max_size=3) | st.booleans() | st.integers() | st.none()
PROPERTIES = st.sampled_from([*NAMES.split(", "), "ServiceTimeout"]) | st.text(max_size=9)


@given(st.dictionaries(PROPERTIES, VALUES, max_size=6))
def test_any_properties_are_a_request_or_are_refused_with_a_sentence(properties):
    try:
        asked = read_request(properties, KEPT)
    except LookupFailed as refused:
        assert re.fullmatch(r"(?s).*(is|must be) .+\.", str(refused))  # noqa: PT017 - either is right
    else:
        assert timedelta() <= asked.patience <= timedelta(minutes=55)


def test_an_account_is_checked_where_the_sources_are_known():
    asked = {"Account": "111122223333"}
    assert read_request(asked, KEPT).query.accounts  # the function that validates knows none
    assert read_request(asked, KEPT, lambda: ["111122223333/us-east-1"]).query.accounts
    with pytest.raises(LookupFailed, match="an account in this ledger: 222233334444"):
        read_request(asked, KEPT, lambda: ["222233334444/us-east-1"])
