"""The metrics: named once, documented as they are, and in the format that CloudWatch reads."""

import json
import re
from pathlib import Path

import pytest

from jobledger import metrics
from jobledger.observability import publish_metrics

ROOT = Path(__file__).parents[2]
ALL = {value for value in vars(metrics).values() if isinstance(value, metrics.Metric)}


@pytest.fixture
def published(capsys):
    def published(*arguments):
        publish_metrics(*arguments)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return published


def test_the_operations_document_lists_every_metric_and_only_one_module_names_them():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    row = r"^\| `(\w+)` \| (Count|Seconds) \| `service`(, `Family`)? \|"
    listed = [metrics.Metric(n, u, bool(f)) for n, u, f in re.findall(row, text, re.MULTILINE)]
    assert sorted(metric.name for metric in listed) == sorted(metric.name for metric in ALL)
    assert set(listed) == ALL
    files = (ROOT / "lambda" / "jobledger").rglob("*.py")
    code = "".join(file.read_text() for file in files if file.name != "metrics.py")
    # In the sync's result, a member has the name of a metric.
    assert {metric.name for metric in ALL if f'"{metric.name}"' in code} == {"UpstreamCalls"}


def test_the_family_is_a_dimension_of_the_age_and_a_property_of_the_others(published):
    values = {metrics.AS_OF_AGE: 2.5, metrics.UPSTREAM_CALLS: 3}
    calls, age = published(values, "PHI")
    (directive,) = calls["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["service"]]
    assert directive["Metrics"] == [{"Name": "UpstreamCalls", "Unit": "Count"}]
    assert (calls["UpstreamCalls"], calls["Family"]) == ([3], "PHI")
    (directive,) = age["_aws"]["CloudWatchMetrics"]
    assert [set(names) for names in directive["Dimensions"]] == [{"service", "Family"}]
    assert directive["Metrics"] == [{"Name": "AsOfAgeSeconds", "Unit": "Seconds"}]
    assert (age["AsOfAgeSeconds"], age["Family"]) == ([2.5], "PHI")


def test_a_metric_can_have_several_values_or_none(published):
    (line,) = published({metrics.JOB_DURATION: [1, 2], metrics.EVENTS_SENT: 2})
    assert line["JobSeconds"] == [1, 2]
    (line,) = published({metrics.JOB_DURATION: [], metrics.EVENTS_SENT: 0})
    assert "JobSeconds" not in line
    # One of a family needs the family.
    with pytest.raises(AssertionError, match="AsOfAgeSeconds"):
        publish_metrics({metrics.AS_OF_AGE: 1})
