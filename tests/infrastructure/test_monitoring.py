"""Metrics, alarms, dashboard and runbook belong together: none lacks the others."""

import json
import re
from datetime import timedelta

import pytest

from bench.cost import ALARM_METRICS
from job_ledger.schedules import longest_gap
from jobledger import metrics
from stacks.settings import Settings
from testing.processes import ROOT
from tests.infrastructure.alarm_rules import metrics_of
from tests.infrastructure.template_reading import of_type

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = {
    re.sub(r" ", "-", title.lower()): text
    for title, text in re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE)
}
EMITTED = {value.name for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
EMITTED_METRICS = {"namespace": "JobLedger", "service": "job-ledger"}
# Why an emitted metric has no alarm: it is a measure, or its failure shows in another metric.
WITHOUT_ALARM = {
    "ChatFailures": "only with chatDigests",
    "OutputProblems": "a measure: Outputs failing, once they are most",
    "OutputsFailing": "only with outputBuckets",
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


@pytest.fixture(scope="module")
def alarms(resources):
    return of_type(resources, "AWS::CloudWatch::Alarm")


@pytest.fixture(scope="module")
def saved_queries():
    from stacks.monitoring.queries import QUERIES

    return {title: query for title, (_, query) in QUERIES.items()}


def test_every_alarm_has_a_section_of_the_runbook_and_every_section_an_alarm(full):
    alarms = of_type(full, "AWS::CloudWatch::Alarm").values()
    linked = {each["AlarmDescription"].rpartition("docs/runbook.md#")[2] for each in alarms}
    assert linked == SECTIONS.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(saved_queries, section):
    text = SECTIONS[section]
    assert "**Meaning.**" in text
    assert "**Do" in text
    queries = re.findall(r"Saved query \*\*(.+)\*\*:\n\n```\n([\s\S]+?)\n```", text)
    assert queries
    assert all(saved_queries[title] == query for title, query in queries)


def test_every_query_is_saved_in_the_stack_and_used_in_the_runbook(full, saved_queries):
    found = of_type(full, "AWS::Logs::QueryDefinition").values()
    assert {q["Name"].rpartition("/")[2]: q["QueryString"] for q in found} == saved_queries
    assert {title for title in saved_queries if f"Saved query **{title}**" not in RUNBOOK} == set()


def test_a_metric_that_no_function_emits_ends_the_synthesis():
    from stacks.monitoring.metrics import EmittedMetrics, emitted_metrics

    assert emitted_metrics().keys() == EMITTED
    for name in ("NoSuchMetric", "AsOfAgeSeconds"):  # the second has a family
        with pytest.raises(ValueError, match=name):
            EmittedMetrics(**EMITTED_METRICS).metric(name, "Sum", family=None)


def test_every_emitted_metric_is_on_the_dashboard_which_is_free(full):
    (found,) = of_type(full, "AWS::CloudWatch::Dashboard").values()
    _, parts = found["DashboardBody"]["Fn::Join"]
    body = "".join(part if isinstance(part, str) else part.get("Ref", "…") for part in parts)
    widgets = [widget["properties"] for widget in json.loads(body)["widgets"]]
    lines = [line for widget in widgets for line in widget.get("metrics", ())]
    metrics = {tuple(part for part in line if isinstance(part, str)) for line in lines}
    # It has no room for these, and an alarm tells of them.
    left_out = {"OutputProblems", "OutputsFailing"}
    assert {part for metric in metrics for part in metric} >= EMITTED - left_out
    assert 45 <= len(metrics) <= 50


def test_the_bill_has_the_alarms_of_a_default_deployment(alarms):
    assert sum(len(metrics_of(alarm)) for alarm in alarms.values()) == ALARM_METRICS


def test_every_emitted_metric_has_an_alarm_or_a_reason_to_have_none(alarms):
    alarmed = {alarm.get("MetricName") for alarm in alarms.values()} & EMITTED
    assert alarmed | WITHOUT_ALARM.keys() == EMITTED
    assert not alarmed & WITHOUT_ALARM.keys()


@pytest.fixture
def declared():
    """Return the alarms of the sync or of digests with these settings, by construct id."""
    from aws_cdk import Stack
    from aws_cdk.aws_sqs import Queue

    from stacks.monitoring.alarms import digest_alarms, sync_alarms
    from stacks.monitoring.metrics import EmittedMetrics

    def declared(**settings):
        emitted, chosen = EmittedMetrics(**EMITTED_METRICS), Settings(**settings)
        undelivered = Queue(Stack(), "Undelivered")
        found = [*sync_alarms(emitted, chosen), *digest_alarms(emitted, chosen, undelivered)]
        return {alarm.construct_id: alarm for alarm in found}

    return declared


def period_of(alarm):
    return alarm.metric.period.to_seconds()


# Age in seconds. What CloudWatch allows (PutMetricAlarm): a day with periods below an hour, otherwise seven days.
@pytest.mark.parametrize(
    "minutes, age", [(1, 600), (7, 4200), (11, 6600), (12, 7200), (60, 36_000)]
)
def test_the_ledger_is_stale_after_ten_syncs_and_no_alarm_looks_back_too_far(
    declared, minutes, age
):
    found = declared(sync_minutes=minutes)
    stale = found["LedgerStalePHIAlarm"]
    assert stale.threshold == period_of(stale) * stale.periods == age
    for alarm in found.values():
        most = 604_800 if period_of(alarm) >= 3600 else 86_400
        assert period_of(alarm) * alarm.periods <= most


@pytest.mark.parametrize(
    "schedule, hours",
    [
        ("cron(0 8 * * ? *)", 36),
        ("rate(6 hours)", 9),
        ("cron(0 8 ? * MON-FRI *)", 108),
        ("rate(15 minutes)", 5 / 12),
        ("cron(0 8 ? * MON *)", None),
        ("rate(30 days)", None),
    ],
)
def test_a_digest_is_missed_after_one_and_a_half_intervals(declared, schedule, hours):
    missed = declared(digest_schedule=schedule).get("MissedAlarm")
    assert missed is None or missed.notify_without_data
    assert (missed and period_of(missed) * missed.periods) == (hours and hours * 3600)


def test_the_longest_gap_of_a_schedule_is_that_of_its_calendar():
    days = {
        "cron(0/15 * * * ? *)": 1 / 96, "cron(0 8,20 * * ? *)": 0.5, "cron(30 7 ? * MON-FRI *)": 3,
        "cron(0 8 ? * 6L *)": 35, "cron(0 8 ? * L *)": 7, "cron(0 8 ? * MON#1 *)": 35,
        "cron(0 8 1 * ? *)": 31, "cron(0 8 L * ? *)": 31, "cron(0 8 LW * ? *)": 33,
        "cron(0 8 15W * ? *)": 32, "rate(1 day)": 1,
    }  # fmt: skip
    assert {each: longest_gap(each) / timedelta(days=1) for each in days} == days
