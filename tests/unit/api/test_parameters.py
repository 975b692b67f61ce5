"""What a request may say: each bound from both sides, and everything that is wrong at once."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobledger.api.parameters import LIST_PARAMETERS
from jobledger.errors import InvalidParameters
from jobledger.inputs.filters import FILTERS, parse_parameters
from jobledger.inputs.formats import parse_time
from jobledger.ledger.job_query import job_query
from jobledger.service import Family
from jobledger.times import rfc3339

ACCEPTED = {
    "Family": [*(family.value for family in Family), "ALL"],
    "JobName": ["a", "=1+1", "a b", " ", "\u2028", "\u00a0", "ש", "x" * 256, "_.:/=+-%@", "٣"],
    "JobNamePrefix": ["a", "診", "%41"],
    "JobStatus": ["SUBMITTED", "IN_PROGRESS", "COMPLETED", "PARTIAL_SUCCESS", "FAILED", "STOPPED"],
    "Order": ["ascending", "descending"], "ConsistentRead": ["true", "false"], "Active": ["true", "false"],
    "MaxResults": ["1", "2", "99", "100", "499", "500", "001"], "Format": ["json", "csv", "csv-bom", "ndjson"],
    "SubmitTimeAfter": [
        "0", "7", "1234", "1899", "2101", "20261323", "20260230", "12345678", "202611232460", "2026112308",
        "1700000000", "1700000000.5", "2024-02-29", "0001-01-01",
    ],
    "SubmitTimeBefore": ["253402300799", "9999-12-31", "2026-11-23t08:00:00z"],
    "NextToken": ["A", "A" * 512, "a-_9"],
    "Account": ["111122223333", "222233334444"], "Region": ["us-east-1", "eu-west-1"],
}  # fmt: skip
REFUSED = {
    "Family": ["", "snomedct", "ICD11", "ALL ", "*"], "JobStatus": ["", "completed", "BOGUS", "FAILED ", "null"],
    "JobName": ["", "x" * 257, "a*", "a\n", "a\t", 'a"', "a'b", "<b>", "a\x00", "\ud800", "a;b", "😀"],
    "JobNamePrefix": ["", "a*", "x" * 257], "Order": ["", "asc", "Ascending", "1"],
    "MaxResults": [
        "0", "501", "-1", "1e9", "1000000000", "", " 5", "5 ", "5.0", "+5", "0x10", "٣", "1_0", "NaN",
        "true", "null", "１", "9" * 5000,
    ],
    "ConsistentRead": ["", "True", "1", "yes"], "Active": ["", "True", "1", "yes"], "Format": ["", "xml", "JSON", "text/csv"],
    "SubmitTimeAfter": [
        "", "yesterday", "now", "2026-11", "2026-13-01", "2026-02-30", "2023-02-29",
        "2026-327", "2026-W48-1", "2026-11-23T08:00:00", "2026-11-23T08:00", "2026-11-23T25:00:00Z",
        "2026-11-23T08:60:00Z", "2026-11-23T08:00:61Z", "2026-11-23T08:00:00+25:00",
        "2026-11-23T08:00:00+0100", "2026-11-23T08:00:00,5Z", "-1", "1e9", "1.", ".5", "1.5.5", "NaN",
        "Infinity", "999999999999", "0000-01-01", "10000-01-01", "2026-11-23Z", "٢٠٢٦-١١-٢٣",
        "١٧٠٠٠٠٠٠٠٠", "1700000000.٥", "2026-11-23T٠٨:00:00Z",
        "2026-11-23T08:00:00Z\n", " 2026-11-23", "1700000000 ", "0001-01-01T00:00:00+01:00",
        "2026", "1900", "2100", "20261123", "19700101", "202611230800", "20261123080059", "99999999999999",
        "23/11/2026", "Mon, 23 Nov 2026 08:00:00 GMT",
    ],
    "SubmitTimeBefore": ["", "tomorrow", "9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59-01:00"],
    "NextToken": ["", "A" * 513, "a b", "a+b", "a/b", "a=", "ä", "a\n", "%41"],
    "Account": ["", "11112222333", "1111222233334", "11112222333a", "self"],
    "Region": ["", "us", "US-EAST-1", "us-east-1 ", "us-east", "*"],
}  # fmt: skip


def known_sources():
    return ["111122223333/us-east-1", "222233334444/us-east-1", "111122223333/eu-west-1"]


def parsed(**sent):
    return parse_parameters(sent, LIST_PARAMETERS, sources=known_sources)


def refusals(sent, known=LIST_PARAMETERS):
    """What is said of each parameter of a request that is refused."""
    with pytest.raises(InvalidParameters) as refused:
        parse_parameters(sent, known, sources=known_sources)
    return refused.value


def refusal(name, *texts, known=LIST_PARAMETERS):
    """What is said of the one parameter."""
    (bad,) = refusals({name: list(texts)}, known).parameters
    assert bad.parameter == name
    return bad.allowed


@pytest.mark.parametrize("name", LIST_PARAMETERS)
def test_what_is_allowed_is_taken(name):
    for text in ACCEPTED[name]:
        assert name in parsed(**{name: [text]})


@pytest.mark.parametrize("name", LIST_PARAMETERS)
def test_what_is_not_allowed_is_refused_by_name_and_with_what_is(name):
    for text in REFUSED[name]:
        refused = refusals({name: [text]})
        (bad,) = refused.parameters
        assert (bad.parameter, bad.allowed) == (name, LIST_PARAMETERS[name].allowed), text
        assert not text or text in bad.allowed or text not in str(refused)


def test_an_account_or_region_that_no_source_has_is_refused_with_those_that_have():
    known = "111122223333, 222233334444"
    for texts in (["333344445555"], ["111122223333", "333344445555"]):
        assert refusal("Account", *texts) == f"an account in this ledger: {known}"
    assert refusal("Region", "eu-west-2") == "a region in this ledger: eu-west-1, us-east-1"


def test_a_parameter_is_given_once_but_those_that_select_any_of_several():
    for name, (text, *_) in ACCEPTED.items():
        if LIST_PARAMETERS[name].repeatable:
            texts = ACCEPTED[name][:2] * 2
            assert parsed(**{name: texts})[name] == texts
        else:
            assert "given once" in refusal(name, text, text)


def test_an_unknown_parameter_is_an_error_that_suggests_the_nearest_name():
    for name, right in (
        ("jobname", "JobName"), ("JOBSTATUS", "JobStatus"), ("maxresults", "MaxResults"), ("MaxResult", "MaxResults"),
        ("nextToken", "NextToken"), ("submit_time_after", "SubmitTimeAfter"), ("family", "Family"),
        ("Statuss", None), ("limit", None), ("", None),
    ):  # fmt: skip
        said = refusal(name, "x")
        assert "This call accepts Family, JobName" in said
        assert right is None or f"Did you mean {right}?" in said
    assert refusal("limit", "1", known={}) == "Unknown parameter. This call accepts none"
    # A summary has no pages and no order.
    for name in ("MaxResults", "NextToken", "Order", "Format", "ConsistentRead"):
        assert "Unknown parameter." in refusal(name, ACCEPTED[name][0], known=FILTERS)


def test_who_writes_a_list_is_told_to_repeat_the_parameter():
    for name, *texts in (
        ("JobStatus", "FAILED,STOPPED"), ("Family", "PHI", "SNOMEDCT, RXNORM"), ("JobStatus[]", "FAILED", "STOPPED"),
        ("jobstatus[0]", "FAILED"), ("Family[]", "PHI"),
    ):  # fmt: skip
        assert "repeat the parameter" in refusal(name, *texts)


def test_all_that_is_wrong_is_told_at_once():
    sent = {
        "MaxResults": ["0"], "JobStatus": ["FAILED", "BOGUS"], "bogus": ["1"], "JobName": ["a", "b"],
        "SubmitTimeAfter": ["2026-11-23"], "SubmitTimeBefore": ["2026-11-22"],
    }  # fmt: skip
    assert [bad.parameter for bad in refusals(sent).parameters] == [*sent][:-1]


def test_a_bound_must_not_reach_or_cross_the_other():
    for after, before in (("1", "1"), ("2", "1"), ("2026-11-23", "1700000000")):
        with pytest.raises(InvalidParameters, match="earlier than SubmitTimeBefore"):
            parsed(SubmitTimeAfter=[after], SubmitTimeBefore=[before])


def test_a_moment_can_be_written_in_many_ways_and_a_date_alone_is_its_midnight():
    for text in (
        "2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z", "2026-11-23t08:00:00z", "2026-11-23 08:00:00Z",
        "2026-11-23T09:00:00+01:00", "2026-11-23T03:00:00-05:00", "2026-11-23T13:30:00+05:30",
        "2026-11-23T09:00:00 01:00",  # a plus that was not percent-encoded
        "1795420800", "1795420800.000", "1795420800.000000999",
    ):  # fmt: skip
        assert parse_time(text) == datetime(2026, 11, 23, 8, tzinfo=UTC), text
    assert parse_time("2026-11-23") == datetime(2026, 11, 23, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=40))
def test_any_time_of_the_ledger_is_taken_back_as_given_and_any_text_a_time_or_an_error(
    moment, text
):
    assert rfc3339(parse_time(rfc3339(moment))) == rfc3339(moment)
    with contextlib.suppress(ValueError, OverflowError):
        assert parse_time(text).utcoffset() is not None


NAMES = st.sampled_from([*LIST_PARAMETERS, "x"])


@given(st.dictionaries(NAMES, st.lists(st.text(max_size=9), min_size=1), max_size=5))
def test_any_request_is_read_or_refused(sent):
    with contextlib.suppress(InvalidParameters):
        assert job_query(parsed(**sent), sources=known_sources).families


def test_the_order_is_the_services_unless_it_is_asked_for():
    for sent, order in (
        ({}, "descending"),
        ({"SubmitTimeAfter": ["1"]}, "descending"),
        ({"SubmitTimeBefore": ["1"]}, "ascending"),
        ({"SubmitTimeAfter": ["1"], "SubmitTimeBefore": ["2"]}, "descending"),
        ({"SubmitTimeBefore": ["1"], "Order": ["descending"]}, "descending"),
        ({"Order": ["ascending"]}, "ascending"),
    ):
        assert job_query(parsed(**sent)).order == order, sent


def test_a_bound_between_two_milliseconds_admits_the_jobs_on_either_side():
    for part in ("001001", "0012", "0015", "001999"):
        query = job_query(parsed(SubmitTimeAfter=[f"1.{part}"], SubmitTimeBefore=[f"2.{part}"]))
        assert query.after == "1970-01-01T00:00:01.001Z"  # admits .002
        assert query.before == "1970-01-01T00:00:02.002Z"  # admits .001
