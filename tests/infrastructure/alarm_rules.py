"""Evaluates an alarm of a template as CloudWatch documents it: states from data, notifications from states.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html and PutMetricAlarm.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Alarm = dict[str, Any]
Points = Sequence[float | None]

# CloudWatch looks at more periods than the alarm's; the examples of the page have two more.
_MORE_PERIODS = 2
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}
_ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_FILLED_SUM = re.compile(r"FILL\((\w+), 0\)(?: \+ FILL\((\w+), 0\))*")


def metrics_of(alarm: Alarm) -> dict[str, dict[str, Any]]:
    """Return the metrics that an alarm evaluates by their ids; `m` is that of an alarm without an expression."""
    if "Metrics" not in alarm:
        return {"m": alarm}
    return {
        each["Id"]: each["MetricStat"]["Metric"]
        | {"Period": each["MetricStat"]["Period"], "Statistic": each["MetricStat"]["Stat"]}
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }


def values(alarm: Alarm, points: Mapping[str, Points]) -> list[float | None]:
    """Return what the alarm evaluates in each period: its metric, or its sum of filled metrics."""
    if "Metrics" not in alarm:
        return list(points["m"])
    (expression,) = (each["Expression"] for each in alarm["Metrics"] if "Expression" in each)
    assert _FILLED_SUM.fullmatch(expression), expression
    names = re.findall(r"FILL\((\w+)", expression)
    assert sorted(names) == sorted(metrics_of(alarm))
    periods = zip(*(points[name] for name in names), strict=True)
    return [float(sum(value or 0 for value in period)) for period in periods]


def next_state(alarm: Alarm, state: str, recent: Points) -> str:
    """Return the state after an evaluation of the most recent values, the oldest first; None is missing."""
    periods: int = alarm["EvaluationPeriods"]
    needed: int = alarm.get("DatapointsToAlarm", periods)
    there = [value for value in recent if value is not None][-periods:]
    missing = periods - len(there)
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    breaching = sum(breaches(value, alarm["Threshold"]) for value in there)
    treatment = alarm.get("TreatMissingData", "missing")
    if alarm.get("Namespace") == "AWS/DynamoDB":
        treatment = "ignore"  # "even if you choose a different option"
    if missing and treatment == "missing":
        if not there:
            return "INSUFFICIENT_DATA"
        return "ALARM" if breaching >= min(needed, len(there)) else "OK"
    if missing and treatment == "ignore" and breaching < needed <= breaching + missing:
        return state
    counted = breaching + (missing if treatment == "breaching" else 0)
    return "ALARM" if counted >= needed else "OK"


def notifications(alarm: Alarm, points: Mapping[str, Points]) -> Iterator[tuple[int, str]]:
    """Yield period and state of each notification, from the alarm's creation in the first period on."""
    state, seen = "INSUFFICIENT_DATA", values(alarm, points)
    before: list[None] = [None] * (alarm["EvaluationPeriods"] + _MORE_PERIODS)
    # A filled sum has zeros before the first data as well.
    seen = [*(0.0 if "Metrics" in alarm else None for _ in before), *seen]
    for end in range(len(before) + 1, len(seen) + 1):
        after = next_state(alarm, state, seen[end - len(before) : end])
        if after != state and alarm.get(_ACTIONS[after]):
            yield end - len(before) - 1, after
        state = after
