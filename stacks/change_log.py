"""The stream of the ledger's change log, as the source of events of a function."""

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs

from stacks.ledger import Ledger

_RETRY_FOR = Duration.hours(12)


def stream_of_changes(ledger: Ledger, undelivered: sqs.Queue) -> event_sources.DynamoEventSource:
    """Deliver only new change log rows, in order, and retry from the first failed one."""
    is_change = lambda_.FilterCriteria.filter(
        {"eventName": ["INSERT"], "dynamodb": {"Keys": {"PK": {"S": [{"suffix": "#changes"}]}}}}
    )
    return event_sources.DynamoEventSource(
        ledger,
        starting_position=lambda_.StartingPosition.TRIM_HORIZON,
        batch_size=100,
        filters=[is_change],
        report_batch_item_failures=True,
        max_record_age=_RETRY_FOR,
        on_failure=event_sources.SqsDlq(undelivered),
    )
