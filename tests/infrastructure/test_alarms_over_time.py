"""Each alarm over time: nothing at a good first deployment, one notification an incident, one at its end, and again.

`alarm_rules.py` evaluates the template's alarms as CloudWatch documents it.
"""

import pytest

from tests.infrastructure.alarm_rules import metrics_of, next_state, notifications
from tests.infrastructure.template_reading import of_type

# A metric that is sent in each period, by its value in good times. All others are sent when something happens.
STEADY = {"AsOfAgeSeconds": 60.0}
# The periods of an incident and of good times: longer than any alarm looks back.
LONG = 60


def name_of(alarm):
    """The name of the alarm's metric, or of its first one."""
    return next(iter(metrics_of(alarm).values()))["MetricName"]


@pytest.fixture(scope="module")
def alarms(full):
    return of_type(full, "AWS::CloudWatch::Alarm")


def good(alarm, periods):
    """Return the values of one metric in good times."""
    if name_of(alarm) == "DigestRuns":  # a run a day, in periods of an hour
        return [1.0 if period % 24 == 20 else None for period in range(periods)]
    return [STEADY.get(name_of(alarm))] * periods


def bad(alarm):
    """Return the values of one metric in an incident."""
    return [None if name_of(alarm) == "DigestRuns" else alarm["Threshold"] + 0.0] * LONG


def timeline(alarm, *parts):
    """Return the points of the alarm's metrics: an incident is one of its first, or of its last metric."""
    names = list(metrics_of(alarm))
    for affected in {names[0], names[-1]}:
        joined = [value for part, incident in parts for value in part]
        calm = [v for part, incident in parts for v in (good(alarm, LONG) if incident else part)]
        yield {name: joined if name == affected else calm for name in names}


def rings(alarm, points):
    """Whether each notification is about an incident, or about its end."""
    return [state != "OK" for _, state in notifications(alarm, points)]


def test_a_good_first_deployment_rings_no_alarm(alarms):
    late = set()
    for name, alarm in alarms.items():
        # Data begins late: the first sync takes ten minutes, and a digest comes once a day.
        points = [None] * 3 + good(alarm, 2 * LONG)
        found = list(notifications(alarm, dict.fromkeys(metrics_of(alarm), points)))
        # OKActions run at the end of INSUFFICIENT_DATA as well: of most alarms before an address is confirmed.
        assert [state for _, state in found] == ["OK"], name
        if found[0][0]:
            late.add(name_of(alarm))
    assert late == {"AsOfAgeSeconds", "DigestRuns"}  # as the runbook says


def test_an_incident_rings_once_says_when_it_ends_and_the_next_one_rings_again(alarms):
    for name, alarm in alarms.items():
        calm = (good(alarm, LONG), False)
        incident = (bad(alarm), True)
        for points in timeline(alarm, calm, incident, calm, incident, calm):
            # The first is the end of the state in which an alarm is created.
            assert rings(alarm, points) == [False, True, False, True, False], name


def test_a_function_that_reports_nothing_is_noticed_and_its_return_too(alarms):
    found = set()
    for name, alarm in alarms.items():
        points = [*good(alarm, LONG), *([None] * LONG), *good(alarm, LONG)]
        heard = rings(alarm, dict.fromkeys(metrics_of(alarm), points))
        if any(heard):
            assert heard == [False, True, False], name
            found.add(name_of(alarm))
    assert found == {"AsOfAgeSeconds", "DigestRuns"}


def test_late_data_of_the_newest_period_hides_no_incident(alarms):
    """DynamoDB's data of the newest period is not there yet, and FILL has a zero in its place."""
    filled = [alarm for alarm in alarms.values() if "Metrics" in alarm]
    assert len(filled) == 4
    for alarm in filled:
        recent = [1.0] * (alarm["EvaluationPeriods"] - 1) + [0.0]
        assert next_state(alarm, "OK", recent) == "ALARM"


# As in the tables of the page: X breaches, 0 does not, - is missing, the newest last. The states are those that
# missing, ignore, breaching and notBreaching lead to; "before": the state is kept.
@pytest.mark.parametrize(
    "recent, needed, states",
    [
        ("0 - X - X", 3, "OK OK OK OK"),
        ("0 - - - -", 3, "OK OK OK OK"),
        ("- - - - -", 3, "INSUFFICIENT_DATA before ALARM OK"),
        ("0 X X - X", 3, "ALARM ALARM ALARM ALARM"),
        ("- - X - -", 3, "ALARM before ALARM OK"),
        ("0 - X - X", 2, "ALARM ALARM ALARM ALARM"),
        ("0 0 X 0 X", 2, "ALARM ALARM ALARM ALARM"),
        ("- - - - X", 2, "ALARM before ALARM OK"),
    ],
)
def test_the_rules_are_those_of_cloudwatch(recent, needed, states):
    points = [{"X": 1.0, "0": 0.0, "-": None}[letter] for letter in recent.split()]
    alarm = {"EvaluationPeriods": 3, "DatapointsToAlarm": needed, "Threshold": 1}
    alarm["ComparisonOperator"] = "GreaterThanOrEqualToThreshold"
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    found = [
        next_state(alarm | {"TreatMissingData": each}, "before", points) for each in treatments
    ]
    assert found == states.split()
