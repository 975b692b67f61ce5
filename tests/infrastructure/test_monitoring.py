"""Metrics, alarms, dashboard and runbook belong together: none lacks the others."""

import json
import re
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from jobledger import metrics
from stacks.schedule_gaps import longest_gap
from tests.infrastructure.alarm_rules import metrics_of
from tests.infrastructure.conftest import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = {
    re.sub(r" ", "-", title.lower()): text
    for title, text in re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE)
}
EMITTED = {value.name for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
# Why an emitted metric has no alarm: it is a measure, or its failure shows in another metric.
WITHOUT_ALARM = {
    "ChatFailures": "only with chatDigests",
    "DigestsPublished": "a measure",
    "DigestsResumed": "a run that was killed and completed by the next one",
    "EventsSent": "a measure",
    "JobSeconds": "a measure of the service",
    "JobsAltered": "the job says so itself, in AlteredProperties",
    "JobsObserved": "a measure",
    "LookupWaitSeconds": "a measure",
    "LookupsFailed": "the deployment that asked fails and says why",
    "LookupsFound": "a measure",
    "RecordsPutAside": "Dead letters: each such record is in the queue",
    "RowsSkipped": "a row that a person has damaged: Counters repaired, if it was counted",
    "SyncSeconds": "Function near its timeout",
    "Transitions": "a measure",
    "UpstreamCalls": "a measure",
    "UpstreamThrottles": "Ledger stale, once it matters",
}


class Rings(NamedTuple):
    """When an alarm rings: a metric's values are at least, or below, a threshold in some of its periods."""

    metric: str
    statistic: str
    threshold: float
    minutes: int = 5
    periods: int = 1
    of_them: int | None = None
    below: bool = False
    without_data: bool = False


# By the section of the runbook, with the default settings and chatDigests.
WHEN = {
    "ledger-stale": Rings("AsOfAgeSeconds", "Maximum", 600, periods=2, without_data=True),
    "sync-failing": Rings("SyncFailures", "Sum", 1, periods=3),
    "counters-repaired": Rings("CountersRepaired", "Sum", 1),
    "digest-failed": Rings("DigestFailures", "Sum", 1),
    "digest-missed": Rings(
        "DigestRuns", "Sum", 1, minutes=60, periods=36, below=True, without_data=True
    ),
    "chat-digest-failed": Rings("ChatFailures", "Sum", 1),
    "events-undelivered": Rings("EventFailures", "Sum", 1, periods=3),
    "dead-letters": Rings("ApproximateNumberOfMessagesVisible", "Maximum", 1),
    "api-errors": Rings("5XXError", "Sum", 5),
    "api-slow": Rings("Latency", "p90", 5_000, periods=3),
    "function-errors": Rings("Errors", "Sum", 1, periods=3),
    "function-throttled": Rings("Throttles", "Sum", 1, periods=3),
    # Of the function's time limit, which the test fills in.
    "function-near-its-timeout": Rings("Duration", "Maximum", 0.8, periods=3, of_them=2),
    "table-throttled": Rings("ThrottleEvents", "Sum", 1, periods=4, of_them=3),
}


def rings(alarm: dict[str, Any], resources: dict[str, Any]) -> Rings:
    """Read an alarm as the table above has it."""
    first, *others = metrics_of(alarm).values()
    threshold, metric = alarm["Threshold"], first["MetricName"]
    assert {other["MetricName"] for other in others} <= {"ThrottledRequests"}
    if metric == "Duration":
        (function,) = (d["Value"]["Ref"] for d in alarm["Dimensions"])
        threshold /= resources[function]["Properties"]["Timeout"] * 1000
    operators = {"GreaterThanOrEqualToThreshold": False, "LessThanThreshold": True}
    missing = {"notBreaching": False, "missing": "InsufficientDataActions" in alarm}
    return Rings(
        re.sub(r"^(Read|Write)(?=Throttle)", "", metric),
        first.get("Statistic") or first["ExtendedStatistic"],
        threshold,
        first["Period"] // 60,
        alarm["EvaluationPeriods"],
        alarm.get("DatapointsToAlarm"),
        operators[alarm["ComparisonOperator"]],
        missing[alarm["TreatMissingData"]],
    )


@pytest.fixture(scope="module")
def alarms(resources) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


@pytest.fixture(scope="module")
def dashboard(resources) -> str:
    (found,) = (r for r in resources.values() if r["Type"] == "AWS::CloudWatch::Dashboard")
    body: dict[str, Any] = found["Properties"]["DashboardBody"]
    return json.dumps(body)


def of_metric(alarm: dict[str, Any], name: str) -> bool:
    """Whether an alarm as a resource is on this metric."""
    return bool(alarm["Properties"].get("MetricName") == name)


def anchor(alarm: dict[str, Any]) -> str:
    return alarm["AlarmDescription"].rpartition("docs/runbook.md#")[2]


def test_each_alarm_rings_when_its_section_of_the_runbook_says(synthesise):
    resources = synthesise(chatDigests="true").to_json()["Resources"]
    found = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    assert {anchor(alarm) for alarm in found} == WHEN.keys()
    for alarm in found:
        assert rings(alarm, resources) == WHEN[anchor(alarm)], anchor(alarm)


def test_every_alarm_links_a_section_of_the_runbook(alarms):
    assert {anchor(alarm) for alarm in alarms.values()} <= SECTIONS.keys()


def test_every_section_of_the_runbook_belongs_to_an_alarm(synthesise):
    everything = synthesise(chatDigests="true").find_resources("AWS::CloudWatch::Alarm")
    linked = {anchor(alarm["Properties"]) for alarm in everything.values()}
    assert linked == SECTIONS.keys()


@pytest.fixture(scope="module")
def saved_queries():
    from stacks.monitoring.queries import QUERIES

    return {title: query for title, (_, query) in QUERIES.items()}


@pytest.fixture(scope="module")
def emitted_metrics():
    from stacks.monitoring.metrics import emitted_metrics

    return emitted_metrics()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(saved_queries, section):
    text = SECTIONS[section]
    assert "**Meaning.**" in text
    assert "**Do" in text
    queries = re.findall(r"Saved query \*\*(.+)\*\*:\n\n```\n([\s\S]+?)\n```", text)
    assert queries
    assert all(saved_queries[title] == query for title, query in queries)


def test_every_query_of_the_runbook_is_saved_in_the_stack(resources, saved_queries):
    saved = {
        r["Properties"]["Name"].rpartition("/")[2]: r["Properties"]["QueryString"]
        for r in resources.values()
        if r["Type"] == "AWS::Logs::QueryDefinition"
    }
    assert saved == saved_queries


def test_every_query_is_used_in_the_runbook(saved_queries):
    assert {title for title in saved_queries if f"Saved query **{title}**" not in RUNBOOK} == set()


def test_the_stack_knows_the_metrics_that_the_functions_emit(emitted_metrics):
    assert emitted_metrics.keys() == EMITTED


@pytest.mark.parametrize("name,family", [("NoSuchMetric", None), ("AsOfAgeSeconds", None)])
def test_a_metric_that_no_function_emits_ends_the_synthesis(name, family):
    from stacks.monitoring.metrics import EmittedMetrics

    emitted = EmittedMetrics(namespace="JobLedger", service="job-ledger")
    with pytest.raises(ValueError, match=name):
        emitted.metric(name, "Sum", family=family)


def test_every_emitted_metric_is_on_the_dashboard(dashboard):
    assert {name for name in EMITTED if f'\\"{name}\\"' not in dashboard} == set()


def test_every_emitted_metric_has_an_alarm_or_a_reason_to_have_none(alarms):
    alarmed = {alarm.get("MetricName") for alarm in alarms.values()} & EMITTED
    assert alarmed | WITHOUT_ALARM.keys() == EMITTED
    assert not alarmed & WITHOUT_ALARM.keys()


def test_alarms_of_emitted_metrics_have_the_namespace_and_dimensions_of_the_functions(
    alarms, resources, emitted_metrics
):
    variables = [
        r["Properties"]["Environment"]["Variables"]
        for r in resources.values()
        if r["Type"] == "AWS::Lambda::Function" and "jobledger." in r["Properties"]["Handler"]
    ]
    (namespace,) = {v["POWERTOOLS_METRICS_NAMESPACE"] for v in variables}
    (service,) = {v["POWERTOOLS_SERVICE_NAME"] for v in variables}
    for alarm in alarms.values():
        if alarm.get("MetricName") in EMITTED:
            dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
            assert (alarm["Namespace"], dimensions.pop("service")) == (namespace, service)
            assert dimensions.keys() == (
                {"Family"} if emitted_metrics[alarm["MetricName"]] else set()
            )


def test_every_alarm_notifies_the_alerts_topic(alarms, resources):
    (topic,) = (
        name
        for name, r in resources.items()
        if r["Type"] == "AWS::SNS::Topic" and "JobAlerts" in name
    )
    assert {json.dumps(alarm["AlarmActions"]) for alarm in alarms.values()} == {
        json.dumps([{"Ref": topic}])
    }


def test_each_kept_family_has_an_alarm_of_its_own(synthesise):
    alarms = synthesise(families="PHI,RXNORM").find_resources("AWS::CloudWatch::Alarm").values()
    stale = [a["Properties"] for a in alarms if of_metric(a, "AsOfAgeSeconds")]
    families = {d["Value"] for a in stale for d in a["Dimensions"] if d["Name"] == "Family"}
    assert families == {"PHI", "RXNORM"}


@pytest.mark.parametrize("minutes,age", [(1, 600), (7, 4200), (60, 36_000)])
def test_the_ledger_is_stale_after_ten_syncs_whatever_their_interval(synthesise, minutes, age):
    alarms = synthesise(syncMinutes=minutes).find_resources("AWS::CloudWatch::Alarm").values()
    (stale, *_) = [a["Properties"] for a in alarms if of_metric(a, "AsOfAgeSeconds")]
    assert stale["Threshold"] == age
    assert stale["Period"] * stale["EvaluationPeriods"] == age
    assert (stale["TreatMissingData"], stale["Statistic"]) == ("missing", "Maximum")


# What CloudWatch allows (PutMetricAlarm): a day with periods below an hour, otherwise seven days.
@pytest.mark.parametrize("minutes", [1, 11, 12, 60])
def test_no_alarm_looks_back_further_than_cloudwatch_does(synthesise, minutes):
    alarms = synthesise(syncMinutes=minutes).find_resources("AWS::CloudWatch::Alarm").values()
    for properties in (alarm["Properties"] for alarm in alarms):
        (period,) = {metric["Period"] for metric in metrics_of(properties).values()}
        most = 604_800 if period >= 3600 else 86_400
        assert period * properties["EvaluationPeriods"] <= most


@pytest.mark.parametrize(
    "schedule,hours",
    [
        ("cron(0 8 * * ? *)", 36),
        ("rate(6 hours)", 9),
        ("cron(0 8 ? * MON-FRI *)", 108),
        ("rate(15 minutes)", 0.4166),
        ("cron(0 8 ? * MON *)", None),
        ("rate(30 days)", None),
    ],
)
def test_a_digest_is_missed_after_one_and_a_half_intervals(synthesise, schedule, hours):
    template = synthesise(digestSchedule=schedule)
    alarms = template.find_resources("AWS::CloudWatch::Alarm").values()
    missed = [a["Properties"] for a in alarms if of_metric(a, "DigestRuns")]
    seconds = [a["Period"] * a["EvaluationPeriods"] for a in missed]
    assert seconds == ([] if hours is None else [pytest.approx(hours * 3600, abs=1)])
    assert all(a["InsufficientDataActions"] == a["AlarmActions"] for a in missed)


@pytest.mark.parametrize(
    "schedule,gap",
    [
        ("cron(0 8 * * ? *)", timedelta(days=1)),
        ("cron(0/15 * * * ? *)", timedelta(minutes=15)),
        ("cron(0 8,20 * * ? *)", timedelta(hours=12)),
        ("cron(30 7 ? * MON-FRI *)", timedelta(days=3)),
        ("cron(0 8 ? * 1 *)", timedelta(days=7)),
        ("cron(0 8 ? * 6L *)", timedelta(days=35)),
        ("cron(0 8 ? * L *)", timedelta(days=7)),
        ("cron(0 8 ? * MON#1 *)", timedelta(days=35)),
        ("cron(0 8 1 * ? *)", timedelta(days=31)),
        ("cron(0 8 L * ? *)", timedelta(days=31)),
        ("cron(0 8 LW * ? *)", timedelta(days=33)),
        ("cron(0 8 15W * ? *)", timedelta(days=32)),
        ("rate(12 hours)", timedelta(hours=12)),
        ("rate(1 day)", timedelta(days=1)),
    ],
)
def test_the_longest_gap_of_a_schedule_is_that_of_its_calendar(schedule, gap):
    assert longest_gap(schedule) == gap
