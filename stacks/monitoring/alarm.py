"""One alarm: when it fires, what it says, and whom it notifies."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

RUNBOOK = "docs/runbook.md"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm: it fires when `metric` reaches the threshold in `breaching` (or all) of `periods` periods.

    With `below`, it fires when the metric is below the threshold. `notify_without_data`: also when data ends.
    """

    construct_id: str
    title: str
    meaning: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int = 1
    breaching: int | None = None
    below: bool = False
    notify_without_data: bool = False

    @property
    def anchor(self) -> str:
        """The heading of the runbook's section, as GitHub and most renderers link it."""
        return self.title.lower().replace(" ", "-")

    def create(self, scope: Construct, notification: cloudwatch.IAlarmAction) -> cloudwatch.Alarm:
        """Create the alarm."""
        operator = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            scope,
            self.construct_id,
            alarm_description=f"Job Ledger: {self.meaning}. What to do: {RUNBOOK}#{self.anchor}",
            metric=self.metric,
            threshold=self.threshold,
            evaluation_periods=self.periods,
            datapoints_to_alarm=self.breaching,
            comparison_operator=operator.LESS_THAN_THRESHOLD
            if self.below
            else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.MISSING
            if self.notify_without_data
            else missing.NOT_BREACHING,
        )
        alarm.add_alarm_action(notification)
        alarm.add_ok_action(notification)
        if self.notify_without_data:
            alarm.add_insufficient_data_action(notification)
        return alarm
