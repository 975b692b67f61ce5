"""The bill of `bench/cost.py` has the alarms that the template has."""

from bench.cost import ALARMS


def test_the_bill_has_the_alarms_of_a_default_deployment(template):
    assert len(template.find_resources("AWS::CloudWatch::Alarm")) == ALARMS
