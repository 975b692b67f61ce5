"""The query that the values of the filters stand for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobledger.ledger.job_query import JobQuery, job_query
from jobledger.service import Family

EARLY = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
SNOMEDCT, RXNORM, PHI = Family.SNOMEDCT, Family.RXNORM, Family.PHI


def test_each_filter_has_its_field_and_without_any_the_newest_of_snomedct_come_first():
    assert job_query({}) == JobQuery(families=(SNOMEDCT,), order="descending")
    assert job_query({}).descending
    values: dict[str, Any] = {"Family": [PHI], "JobName": "nightly-1", "JobNamePrefix": "nightly-"}
    values |= {"JobStatus": ["FAILED", "SUBMITTED", "FAILED"], "Order": "ascending", "Active": True}
    values |= {"SubmitTimeAfter": EARLY, "SubmitTimeBefore": EARLY.replace(day=2)}
    query = job_query(values)
    assert query == JobQuery(
        families=(PHI,),
        name="nightly-1",
        name_prefix="nightly-",
        statuses=("SUBMITTED", "FAILED"),  # each once, in the order of the model
        after="2026-11-01T08:30:00.000Z",
        before="2026-11-02T08:30:00.000Z",
        order="ascending",
        active=True,
    )
    assert not query.descending


KEPT = (SNOMEDCT, RXNORM, PHI)


@pytest.mark.parametrize(
    "asked,kept,families",
    [
        *((None, KEPT, [SNOMEDCT]), (None, (RXNORM, PHI), [RXNORM])),
        *((None, (RXNORM, SNOMEDCT), [SNOMEDCT]), (["ALL"], KEPT, [*KEPT])),
        *((["ALL", PHI], KEPT, [*KEPT]), ([PHI], KEPT, [PHI])),
        *(([PHI, SNOMEDCT, PHI], KEPT, [SNOMEDCT, PHI]), (["ALL"], tuple(Family), [*Family])),
    ],
)
def test_families_are_in_the_setting_s_order_and_the_default_is_among_them(asked, kept, families):
    values = {} if asked is None else {"Family": asked}
    assert [*job_query(values, kept).families] == families


OWN, OTHER, THIRD = "1/us-east-1", "2/us-east-1", "1/eu-west-1"


@pytest.mark.parametrize(
    "accounts,regions,sources",
    [
        *(([], [], ()), (["1", "2"], [], ())),
        *(([*accounts], [], (THIRD, OWN)) for accounts in ("1", "11")),
        *(([], ["us-east-1"], (OWN, OTHER)), (["2"], ["us-east-1", "eu-west-1"], (OTHER,))),
        # No source has both, and so no job is listed.
        (["2"], ["eu-west-1"], ("2/eu-west-1",)),
    ],
)
def test_of_the_sources_those_are_asked_for_that_have_the_account_and_the_region(
    accounts, regions, sources
):
    given = {"Account": accounts, "Region": regions}
    values = {name: texts for name, texts in given.items() if texts}
    query = job_query(values, sources=lambda: [OWN, OTHER, THIRD])
    assert query.sources == sources
    assert query.has_source(OTHER) is (not sources or OTHER in sources)


def test_jobs_before_a_time_alone_are_listed_oldest_first_unless_an_order_is_given():
    before, after = {"SubmitTimeBefore": EARLY}, {"SubmitTimeAfter": EARLY}
    for values, order in (
        (before, "ascending"),
        (after, "descending"),
        (after | before, "descending"),
        (before | {"Order": "descending"}, "descending"),
        (after | {"Order": "ascending"}, "ascending"),
    ):
        assert job_query(values).order == order
