"""The bill of `bench/cost.py` has the metrics of the alarms that the template has."""

from bench.cost import ALARM_METRICS
from tests.infrastructure.alarm_rules import metrics_of


def test_the_bill_has_the_alarms_of_a_default_deployment(template):
    alarms = template.find_resources("AWS::CloudWatch::Alarm").values()
    assert sum(len(metrics_of(alarm["Properties"])) for alarm in alarms) == ALARM_METRICS
